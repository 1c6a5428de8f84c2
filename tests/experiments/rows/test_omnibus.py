"""The omnibus test beyond plain stores: panels given the mean before, durations, covariates, and true refusals."""

from typing import Any

import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.frame import Ints
from experiments.rows.omnibus import Omnibus
from tests.experiments.a_table import Floats, a_metric, a_plan, noise

WEEKS, START = 6, 4
WINDOWS = {"before": [0, START - 1], "during": [START, WEEKS - 1]}


def _panel(n: int = 21, *, lift: float = 0.5, seed: int = 3) -> dict[str, Any]:
    """``n`` stores in three variants and as many blocks as they fill by six, six weeks; the lift is of variant 2."""
    store, week = np.repeat(np.arange(n), WEEKS), np.tile(np.arange(WEEKS), n)
    level = 10 + 3 * noise(n, seed)
    y = level[store] + noise(n * WEEKS, seed + 1) + lift * ((store % 3 == 2) & (week >= START))
    return {"store": store, "week": week, "arm": store % 3, "region": store % 6 // 3, "y": y}


def _only(table: dict[str, Any], plan: dict[str, Any]) -> Omnibus:
    (found,) = analyze(table, plan).omnibus
    return found


def _panel_plan(**data: Any) -> dict[str, Any]:
    return a_plan(data={"period": "week", **data}, windows=WINDOWS, draws=199)


def _f_by_least_squares(y: Floats, arm: Ints, *others: Floats) -> tuple[float, int, int]:
    """The F of the indicators of ``arm`` in a regression with a constant and ``others``, from two residual sums."""
    small = np.column_stack([np.ones(len(y)), *others])
    large = np.column_stack([small, *((arm == code) * 1.0 for code in (1, 2))])
    rss = [float(((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2).sum()) for x in (small, large)]
    df = len(y) - large.shape[1]
    return (rss[0] - rss[1]) / 2 / (rss[1] / df), 2, df


def _means(table: dict[str, Any], rows: Any) -> Floats:
    return np.array([table["y"][(table["store"] == s) & rows].mean() for s in np.unique(table["store"])])


def test_a_panel_is_tested_on_its_mean_during_given_its_mean_before() -> None:
    from scipy.stats import f

    table = _panel()
    found = _only(table, _panel_plan())
    during, before = _means(table, table["week"] >= START), _means(table, table["week"] < START)
    statistic, between, inside = _f_by_least_squares(during, np.arange(21) % 3, before)
    assert found.method == "f"
    assert found.refusal is None
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert found.df == (between, inside) == (2, 17)
    assert found.p_value == pytest.approx(f.sf(statistic, between, inside), rel=1e-9)


def test_a_panel_in_blocks_is_tested_inside_them() -> None:
    table = _panel()
    found = _only(table, _panel_plan(block="region"))
    during, before = _means(table, table["week"] >= START), _means(table, table["week"] < START)
    region = (np.arange(21) % 6 // 3).astype(float)
    statistic, between, inside = _f_by_least_squares(during, np.arange(21) % 3, before, region)
    assert found.method == "f_given_blocks"
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert found.df == (between, inside) == (2, 16)


def test_neither_the_unit_of_the_outcome_nor_the_order_of_the_rows_changes_f() -> None:
    table = _panel()
    plain = _only(table, _panel_plan())
    scaled = _only({**table, "y": 1e6 * table["y"] + 5}, _panel_plan())
    order = np.argsort(noise(len(table["y"]), 9))
    shuffled = _only({name: values[order] for name, values in table.items()}, _panel_plan())
    assert scaled.statistic == pytest.approx(plain.statistic, rel=1e-7)
    assert shuffled.statistic == pytest.approx(plain.statistic, rel=1e-9)


def test_covariates_of_the_metric_are_taken_out_and_one_that_never_varies_costs_nothing() -> None:
    n = 60
    size, arm = noise(n, 5), np.arange(n) % 3
    y = noise(n) + 2 * size
    table = {"store": np.arange(n), "arm": arm, "y": y, "size": size, "same": np.full(n, 0.1)}
    found = _only(table, a_plan(metrics=[a_metric(covariates=["size"])]))
    statistic, between, inside = _f_by_least_squares(y, arm, size)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert found.df == (between, inside) == (2, 56)
    both = _only(table, a_plan(metrics=[a_metric(covariates=["size", "same"])]))
    assert both.statistic == pytest.approx(statistic, rel=1e-9)
    assert both.df == (2, 56)


def test_units_that_start_at_different_times_are_refused_with_that_reason() -> None:
    table = _panel()
    start = np.where(table["arm"] == 0, 0, np.where(table["store"] % 2 == 0, 3, 4))
    plan = a_plan(data={"period": "week", "treated_from": "first"}, draws=199)
    found = _only({**table, "first": start}, plan)
    assert found.refusal is not None
    assert found.refusal.code == "omnibus_several_starts"
    assert (found.statistic, found.df, found.p_value) == (None, None, None)


def _waits(n: int = 30, visits: int = 12) -> dict[str, Any]:
    """Days until the next purchase, ``visits`` customers in each of ``n`` stores, all seen for 60 days."""
    store = np.repeat(np.arange(n), visits)
    days = np.round(40 + 12 * noise(n * visits, 4) + 2 * noise(n, 6)[store] + 4 * (store % 3 == 1)).clip(1, 60)
    return {"store": store, "arm": store % 3, "days": days, "bought": (days < 60) * 1.0}


def _duration(**keys: Any) -> list[dict[str, Any]]:
    return [a_metric(kind="duration", value="days", event="bought", horizon=50, direction="decrease", **keys)]


def test_a_duration_in_stores_is_tested_on_each_stores_restricted_mean() -> None:
    """By scipy: everybody is seen past the horizon, so a store's restricted mean is its mean of min(days, 50)."""
    from scipy.stats import f_oneway

    table = _waits()
    found = _only(table, a_plan(metrics=_duration(), draws=199))
    mean = np.array([np.minimum(table["days"][table["store"] == s], 50).mean() for s in range(30)])
    expected = f_oneway(*(mean[np.arange(30) % 3 == code] for code in range(3)))
    assert found.method == "f"
    assert found.df == (2, 27)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_customers_out_of_sight_before_the_horizon_have_no_value_and_the_refusal_says_so() -> None:
    table = _waits()
    customers = {"arm": np.arange(360) % 3, "days": table["days"], "bought": table["bought"]}
    customers["bought"] = np.where(np.arange(360) < 7, 0.0, customers["bought"])
    customers["days"] = np.where(np.arange(360) < 7, 20.0, np.minimum(customers["days"], 60.0))
    found = _only(customers, a_plan(unit=None, metrics=_duration(), draws=199))
    assert found.refusal is not None
    assert found.refusal.code == "omnibus_out_of_sight"
    assert "7 of 360 units" in str(found.refusal)
    seen = _only({**customers, "bought": np.ones(360)}, a_plan(unit=None, metrics=_duration(), draws=199))
    assert seen.df == (2, 357)


def test_a_variant_without_any_value_is_named() -> None:
    table = _panel()
    kept = ~((table["arm"] == 1) & (table["week"] < START))
    found = _only({name: values[kept] for name, values in table.items()}, _panel_plan())
    assert found.refusal is not None
    assert found.refusal.code == "omnibus_without_variant"


@pytest.mark.slow
def test_the_level_holds_in_panels() -> None:
    """1,000 panels of 12 stores without any effect: F rejects in 3 to 7 %."""
    from experiments.plan import plan_from_mapping
    from experiments.reading import read
    from experiments.rows.omnibus import omnibus

    plan = plan_from_mapping(_panel_plan())
    rejected = 0
    for seed in range(1000):
        frame = read(_panel(12, lift=0.0, seed=10 + 2 * seed), plan).frame
        found = omnibus(frame, plan, plan.metrics[0])
        assert found is not None
        assert found.p_value is not None
        rejected += found.p_value <= 0.05
    assert 0.03 <= rejected / 1000 <= 0.07
