"""Power on the retailer's own table: by hand, against replay, by invariants, and what cannot be answered."""

import json
from dataclasses import replace

import numpy as np
import pytest

from experiments.design.cluster_power import cluster_power, stepped_wedge_variance
from experiments.design.power import detectable, power_of_t
from experiments.errors import InvalidLevel, InvalidNumber
from experiments.estimate.stepped_wedge import starts_of, stepped_wedge
from experiments.estimate.unit_panel import UnitPanel
from experiments.plan import Kind, Plan, plan_from_mapping
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


def test_hand_picked_units_are_powered_by_what_their_report_leads_with() -> None:
    """One to four: synthetic DiD. More: changes, in closed form and by replay. The regression stands beside."""
    windows = {"before": (28, 35), "during": (36, 39)}
    few = plan_power(panel(treated=(5, 9)), plan("observational", **windows), replications=20)
    assert [(row.how, row.method, row.beside) for row in few.rows] == [
        (How.CLOSED_FORM, "regression_t", "synthetic_did"),
        (How.REPLAY, "synthetic_did", None),
        (How.REPLAY, "cr2", "synthetic_did"),
    ]
    assert {row.smallest_p for row in few.rows} == {None}
    assert "replay, cr2, beside synthetic_did, which the plan reports" in few.to_text()
    many = plan_power(panel(treated=(0, 2, 5, 7, 9, 11)), plan("observational", **windows), replications=20)
    assert [(row.how, row.method, row.beside) for row in many.rows] == [
        (How.CLOSED_FORM, "difference_in_differences", None),
        (How.REPLAY, "difference_in_differences_hc2", None),
        (How.REPLAY, "cr2", "difference_in_differences_hc2"),
    ]
    assert many.rows[1].smallest_effect == pytest.approx(many.rows[0].smallest_effect, rel=0.35)


def test_the_closed_form_of_changes_by_hand() -> None:
    treated = np.isin(np.arange(24), (0, 2, 5, 7, 9, 11))
    data = panel(treated=(0, 2, 5, 7, 9, 11))
    sales = np.array(data["sales"]).reshape(24, 40)
    (row, *_) = plan_power(data, plan("observational"), replications=20).rows
    variances = []
    for first in range(4, 33, 4):
        change = sales[:, first : first + 4].mean(axis=1) - sales[:, first - 4 : first].mean(axis=1)
        variances.append((5 * change[treated].var(ddof=1) + 17 * change[~treated].var(ddof=1)) / 22)
    assert (row.method, row.df, row.n_windows) == ("difference_in_differences", 22, 8)
    assert row.std_error == pytest.approx(np.sqrt(np.mean(variances) * (1 / 6 + 1 / 18)))


def test_what_the_report_would_refuse_is_refused_and_the_regression_stands_beside() -> None:
    one = plan_power(panel(treated=(5,)), plan("observational"), replications=20)
    assert [(row.how, row.method) for row in one.rows] == [
        (How.CLOSED_FORM, "regression_t"),
        (How.REPLAY, "regression_t"),
    ]
    assert {row.beside for row in one.rows} == {"synthetic_did"}
    assert [reason.code for _, _, reason in one.refusals] == ["too_few_periods_before"]


def test_what_cannot_be_answered_for_one_metric_is_a_refusal() -> None:
    found = plan_power(panel(n_weeks=8), plan(before=(0, 3), during=(4, 7)))
    assert [reason.code for _, _, reason in found.refusals] == ["no_past_window"]
    assert "too few" in found.to_text()
    with pytest.raises(InvalidLevel):
        plan_power(panel(), plan(), power=1.0)
    with pytest.raises(InvalidNumber):
        plan_power(panel(), plan(), lifts=(float("nan"),))


def test_a_metric_that_cannot_be_answered_does_not_stop_the_others() -> None:
    the_plan = _wedge_plan()
    sales = the_plan.metrics[0]
    with_duration = replace(the_plan, metrics=(sales, replace(sales, name="days", kind=Kind.DURATION)))
    found = plan_power(_wedge_table(), with_duration)
    assert {row.metric for row in found.rows} == {"sales"}
    assert [(metric, reason.code) for metric, _, reason in found.refusals] == [("days", "not_powered")]


def _wedge_table(n_weeks: int = 40) -> dict[str, list[object]]:
    """24 stores in three waves, from weeks 30, 32 and 34; every fourth never starts."""
    data = panel(n_weeks=n_weeks)
    first = {f"s{u:02}": (30, 32, 34, 0)[u % 4] for u in range(24)}
    return data | {"first": [first[store] for store in data["store"]]}


def _wedge_plan(assignment: str = "stepped_wedge", **data: str) -> Plan:
    return plan_from_mapping(
        {
            "data": {"unit": "store", "period": "week", "treated_from": "first", **data},
            "assignment": assignment,
            "metrics": [{"name": "sales", "kind": "mean", "value": "sales", "role": "primary"}],
            "seed": 1,
        }
    )


@pytest.mark.parametrize("assignment", ["stepped_wedge", "complete", "observational"])
def test_several_starts_are_answered_by_the_spread_of_their_past(assignment: str) -> None:
    """The variances of the past by hand; Hussey and Hughes on the plan's own starts beside what the plan reports."""
    data = _wedge_table()
    found = plan_power(data, _wedge_plan(assignment), lifts=(0.05,))
    own, best = found.rows
    past = np.array(data["sales"]).reshape(24, 40)[:, :30]
    noise = past - past.mean(axis=1, keepdims=True) - past.mean(axis=0) + past.mean()
    period = (noise**2).sum() / (23 * 29)
    between = past.mean(axis=1).var(ddof=1) - period / 30
    starts = np.array([(30, 32, 34, 99)[u % 4] for u in range(24)])
    treated = np.arange(40)[None, :] >= starts[:, None]
    variance = stepped_wedge_variance(treated, between_variance=between, period_variance=period)
    assert best.std_error == pytest.approx(np.sqrt(variance))
    assert best.power == ((0.05, pytest.approx(power_of_t(0.05 * past.mean(), np.sqrt(variance), 20, level=0.05))),)
    reported = "callaway_santanna" if assignment == "observational" else "stepped_wedge_permutation"
    assert (own.method, own.beside, best.method, best.beside) == (reported, None, "hussey_hughes", reported)
    assert (own.n_control, own.n_variant, own.df) == (6, 18, 20)
    assert own.std_error is not None
    assert own.std_error > best.std_error
    assert own.smallest_p == (None if assignment == "observational" else pytest.approx(1 / 1000))


def test_with_blocks_the_least_squares_of_the_wedge_add_up_by_precision() -> None:
    data = _wedge_table()
    region = [f"r{int(str(store)[1:]) // 4 % 2}" for store in data["store"]]
    plain, blocked = (
        plan_power(data | {"region": region}, _wedge_plan(**more)).rows[1] for more in ({}, {"block": "region"})
    )
    starts = np.array([(30, 32, 34, 99)[u % 4] for u in range(12)])
    treated = np.arange(40)[None, :] >= starts[:, None]
    past = np.array(data["sales"]).reshape(24, 40)[:, :30]
    noise = past - past.mean(axis=1, keepdims=True) - past.mean(axis=0) + past.mean()
    period = (noise**2).sum() / (23 * 29)
    between = past.mean(axis=1).var(ddof=1) - period / 30
    half = stepped_wedge_variance(treated, between_variance=between, period_variance=period)
    assert blocked.std_error == pytest.approx(np.sqrt(half / 2))
    assert (plain.df, blocked.df) == (20, 16)


def test_a_wedge_without_two_periods_before_its_first_start_says_so() -> None:
    data = _wedge_table()
    rows = [i for i, week in enumerate(data["week"]) if week >= 29]  # type: ignore[operator]  # weeks are numbers
    late = {name: [values[i] for i in rows] for name, values in data.items()}
    found = plan_power(late, _wedge_plan())
    assert not found.rows
    assert "two are needed" in found.to_text()


@pytest.mark.slow
def test_the_printed_error_of_a_wedge_is_the_spread_of_what_it_reports() -> None:
    """600 panels with noise of 1 (fixed seeds): spread of the statistic within 8 % of σ √Σ|L|²/n, and an effect of the
    printed size is found 80 ± 6 % of the time by the permutation."""
    starts = np.array([6, 8, 10, -1] * 6)
    weeks = [f"{week}" for week in range(13)]
    treated = (np.arange(13)[None, :] >= starts[:, None]) & (starts >= 0)[:, None]
    loading = starts_of(starts, np.zeros(24, dtype=np.int64), 13)
    error = np.sqrt(((loading.loading**2).sum(axis=1) / loading.size).sum())
    smallest = detectable(float(error), 20.0, level=0.05)
    effects, found = [], 0
    for seed in range(600):
        rng = np.random.default_rng(seed)
        y = rng.normal(20, 3, (24, 1)) + rng.normal(size=13) + rng.normal(size=(24, 13)) + smallest * treated
        names = tuple(f"s{u:02}" for u in range(24))
        test = stepped_wedge(UnitPanel(names, tuple(weeks), y, starts), seed=seed, draws=199)
        effects.append(test.effect)
        found += test.p_value() <= 0.05
    assert np.std(effects, ddof=1) == pytest.approx(error, rel=0.08)
    assert found / 600 == pytest.approx(0.80, abs=0.06)


def test_the_answer_is_json_and_the_same_every_time() -> None:
    first, again = (plan_power(panel(), plan(), replications=40) for _ in range(2))
    assert json.dumps(first.to_dict()) == json.dumps(again.to_dict())
    assert first.to_text() == str(first)


@pytest.mark.slow
def test_an_effect_of_the_printed_size_is_found_four_times_in_five() -> None:
    """The smallest effect of replay is injected into fresh panels and analysed by the t (fixed seeds): .80 ± .06."""
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
