"""Power on the retailer's own table: by hand, against replay, by invariants, and what cannot be answered."""

import json

import numpy as np
import pytest

from experiments import NotEstimable
from experiments.design.cluster_power import cluster_power
from experiments.design.power import detectable, power_of_t
from experiments.errors import InvalidLevel, InvalidNumber
from experiments.plan import plan_from_mapping
from experiments.powering import How, PowerReport, plan_power
from tests.experiments.store_panels import panel, plan


def _row(found: PowerReport, how: How):  # type: ignore[no-untyped-def]  # the row itself
    return next(row for row in found.rows if row.how is how)


def _customers(n_units: int = 30, size: int = 20, seed: int = 3) -> dict[str, list[object]]:
    rng = np.random.default_rng(seed)
    y = rng.normal(0, 0.3, size=(n_units, 1)) + rng.normal(10, 1, size=(n_units, size))
    return {
        "store": [f"s{u:02}" for u in range(n_units) for _ in range(size)],
        "arm": [("v" if u % 2 else "c") for u in range(n_units) for _ in range(size)],
        "spend": [float(value) for value in y.ravel()],
    }


def _table_plan(**rest: object) -> object:
    return plan_from_mapping(
        {
            "data": {"unit": "store", "variant": "arm", "control": "c"},
            "metrics": [{"name": "spend", "kind": "mean", "value": "spend", "role": "primary"}],
            "seed": 1,
            **rest,
        }
    )


def test_the_closed_form_of_a_table_by_hand() -> None:
    """Two arms of 15: pooled variance of the store means, times 2/15, 28 degrees of freedom."""
    data = _customers()
    (row,) = plan_power(data, _table_plan(), lifts=(0.02,)).rows  # type: ignore[arg-type]  # a plan
    means = np.array(data["spend"]).reshape(30, 20).mean(axis=1)
    pooled = (means[::2].var(ddof=1) + means[1::2].var(ddof=1)) / 2
    error = np.sqrt(pooled * 2 / 15)
    assert row.std_error == pytest.approx(error)
    assert row.df == 28
    assert row.power == ((0.02, pytest.approx(power_of_t(0.02 * means[::2].mean(), error, 28, level=0.05))),)
    assert row.smallest_effect == pytest.approx(detectable(error, 28, level=0.05))


def test_the_table_and_the_closed_form_between_clusters_agree() -> None:
    """The correlation inside stores and the variance of a customer give the same error as the store means do."""
    (row,) = plan_power(_customers(), _table_plan()).rows  # type: ignore[arg-type]  # a plan
    icc = row.icc
    assert icc is not None
    assert icc.low < 0.09 / 1.09 < icc.high
    closed = cluster_power(variance=icc.variance, icc=icc.icc, sizes=20, n_control=15, n_variant=15)
    assert closed.std_error == pytest.approx(row.std_error, rel=0.02)


def test_replay_and_closed_form_agree_on_quiet_panels() -> None:
    found = plan_power(panel(n_weeks=80), plan(before=(72, 75), during=(76, 79)), replications=400, lifts=(0.02, 0.04))
    closed, replayed = _row(found, How.CLOSED_FORM), _row(found, How.REPLAY)
    assert closed.n_windows == replayed.n_windows == 18
    assert replayed.method == "permutation_studentised"
    assert replayed.smallest_effect == pytest.approx(closed.smallest_effect, rel=0.15)
    for (_, one), (_, other) in zip(closed.power, replayed.power, strict=True):
        assert other == pytest.approx(one, abs=0.12)


def test_scaling_the_outcome_scales_the_effect_and_keeps_the_power() -> None:
    data = panel()
    scaled = data | {"sales": [100 * value for value in data["sales"]]}
    one, other = (plan_power(d, plan(), replications=40, draws=99) for d in (data, scaled))
    for row, big in zip(one.rows, other.rows, strict=True):
        assert big.smallest_effect == pytest.approx(100 * row.smallest_effect, rel=1e-6)
        assert big.power == tuple((lift, pytest.approx(share)) for lift, share in row.power)


def test_a_draw_that_can_never_show_an_effect_says_so() -> None:
    found = plan_power(panel(6), plan(), replications=20)
    assert all(row.smallest_p == 0.1 for row in found.rows)
    assert "can never show an effect" in found.to_text()
    assert _row(found, How.REPLAY).smallest_effect is None


def test_windows_before_the_stores_were_there_are_passed_over() -> None:
    data = panel()
    rows = zip(data["arm"], data["week"], strict=True)
    there = [i for i, (arm, week) in enumerate(rows) if arm == "control" or week >= 20]
    found = plan_power({name: [values[i] for i in there] for name, values in data.items()}, plan(), replications=20)
    assert [row.n_windows for row in found.rows] == [3, 3]


def test_hand_picked_units_have_a_power_and_no_smallest_p() -> None:
    found = plan_power(panel(treated=(0, 5, 7, 9)), plan("observational"), replications=20)
    assert _row(found, How.REPLAY).method == "cr2"
    assert _row(found, How.REPLAY).smallest_p is None
    one = plan_power(panel(treated=(5,)), plan("observational"), replications=20)
    assert _row(one, How.REPLAY).method == "regression_t"


def test_what_cannot_be_answered_for_one_metric_is_a_refusal() -> None:
    found = plan_power(panel(n_weeks=8), plan(before=(0, 3), during=(4, 7)))
    assert [reason.code for _, _, reason in found.refusals] == ["no_past_window"]
    assert "too few" in found.to_text()
    starts = panel() | {"first": [30 + 2 * (int(store[1:]) % 3) for store in panel()["store"]]}
    with pytest.raises(NotEstimable, match="one start"):
        plan_power(starts, plan("stepped_wedge", during=None, data={"treated_from": "first"}))
    with pytest.raises(InvalidLevel):
        plan_power(panel(), plan(), power=1.0)
    with pytest.raises(InvalidNumber):
        plan_power(panel(), plan(), lifts=(float("nan"),))


def test_the_answer_is_json_and_the_same_every_time() -> None:
    first, again = (plan_power(panel(), plan(), replications=40) for _ in range(2))
    assert json.dumps(first.to_dict()) == json.dumps(again.to_dict())
    assert first.to_text() == str(first)


@pytest.mark.slow
def test_an_effect_of_the_printed_size_is_found_four_times_in_five() -> None:
    """The smallest effect of replay is injected into fresh panels and analysed by the t (fixed seeds): .80 ± .06."""
    from dataclasses import replace

    from experiments.design.past_windows import history_of
    from experiments.estimate.redraws import redraws
    from experiments.estimate.unit_means import fit
    from experiments.reading import read

    the_plan = plan(before=(192, 195), during=(196, 199))
    smallest = _row(plan_power(panel(n_weeks=200), the_plan, replications=400, draws=199), How.REPLAY).smallest_effect
    assert smallest is not None
    found = runs = 0
    for seed in (1, 2):
        frame = read(panel(n_weeks=200, seed=seed), the_plan, all_periods=True).frame
        history = history_of(frame, the_plan)
        if seed == 2:  # other stores, of other sizes: the effect is scaled to their noise
            own = _row(plan_power(panel(n_weeks=200, seed=2), the_plan, replications=400, draws=199), How.CLOSED_FORM)
            smallest = own.smallest_effect or 0.0
        for window in history.windows()[:20]:
            table = history.contrast(window, the_plan.metrics[0], "v1").table
            for row in redraws(table, seed=77, draws=99).treated[:20]:
                moved = replace(table, treated=row.astype(float), y=table.y + smallest * row)
                found += fit(moved).inference.p_value() <= 0.05
                runs += 1
    assert found / runs == pytest.approx(0.80, abs=0.06)


def test_a_plan_may_be_the_mapping_of_its_file() -> None:
    stated = {
        "data": {"unit": "store", "variant": "arm", "control": "c"},
        "metrics": [{"name": "spend", "kind": "mean", "value": "spend", "role": "primary"}],
        "seed": 1,
    }
    assert plan_power(_customers(), stated).to_dict() == plan_power(_customers(), _table_plan()).to_dict()  # type: ignore[arg-type]  # a plan
