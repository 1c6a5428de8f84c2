"""Rows of hand-picked units and the geo alternatives: what they carry, what they refuse, what they warn about."""

import json
from typing import Any

import numpy as np
import pytest

from experiments.errors import NotEstimable
from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.synthetic_did import synthetic_did
from experiments.frame import Frame
from experiments.plan import Plan, plan_from_mapping
from experiments.reading import read
from experiments.rows import geo, synthetic

BEFORE, AFTER = 24, 6


def _stores(treated: int = 1, donors: int = 18, *, effect: float = 0.0, seed: int = 1) -> dict[str, list[Any]]:
    """Weekly sales of ``treated`` stores a0, a1, … and ``donors`` stores d0, d1, …; the effect begins in week 25."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(0, 1, BEFORE + AFTER).cumsum()
    columns: dict[str, list[Any]] = {
        name: [] for name in ("store", "week", "arm", "first", "sales", "receipts", "cost")
    }
    for number in range(treated + donors):
        is_treated = number < treated
        level, loading = 50 + 5 * rng.normal(), 1 + 0.3 * rng.normal()
        for week in range(1, BEFORE + AFTER + 1):
            on = is_treated and week > BEFORE
            columns["store"].append(f"a{number}" if is_treated else f"d{number - treated}")
            columns["week"].append(week)
            columns["arm"].append("pilot" if is_treated else "rest")
            columns["first"].append(BEFORE + 1 if is_treated else 0)
            columns["sales"].append(level + loading * factor[week - 1] + rng.normal() + effect * on)
            columns["receipts"].append(10.0)
            columns["cost"].append(2.0 if on else 0.0)
    return columns


def _plan(**changes: Any) -> dict[str, Any]:
    return {
        "data": {"unit": "store", "variant": "arm", "control": "rest", "period": "week"},
        "windows": {"before": [1, BEFORE], "during": [BEFORE + 1, BEFORE + AFTER]},
        "assignment": "observational",
        "metrics": [{"name": "sales", "kind": "mean", "value": "sales", "role": "primary"}],
        "seed": 3,
    } | changes


def _read(columns: dict[str, list[Any]], mapping: dict[str, Any]) -> tuple[Frame, Plan]:
    plan = plan_from_mapping(mapping)
    return read(columns, plan).frame, plan


def _row(columns: dict[str, list[Any]], mapping: dict[str, Any], variant: str = "pilot") -> Any:
    frame, plan = _read(columns, mapping)
    return synthetic.build(frame, plan, plan.metrics[0], variant)


def _without(columns: dict[str, list[Any]], store: str, week: int) -> dict[str, list[Any]]:
    kept = [not (s == store and w == week) for s, w in zip(columns["store"], columns["week"], strict=True)]
    return {name: [v for v, keep in zip(values, kept, strict=True) if keep] for name, values in columns.items()}


def test_the_headline_is_synthetic_did_with_its_placebo_error() -> None:
    columns = _stores(effect=8.0)
    row = _row(columns, _plan())
    y = np.array(columns["sales"]).reshape(-1, BEFORE + AFTER)
    assert row.headline.method == "synthetic_did"
    assert row.headline.effect == pytest.approx(synthetic_did(DonorPanel(y[:1], y[1:], BEFORE)).effect, abs=1e-6)
    assert row.headline.df == 17
    assert row.headline.interval[0] < 8.0 < row.headline.interval[1]
    assert row.headline.p_value < 0.001
    assert row.inference.p_value() == row.headline.p_value
    assert row.randomization_p is None
    assert (row.n_units, row.n_rows) == (19, 19 * 30)
    assert row.mean_variant == pytest.approx(y[0, BEFORE:].mean())
    assert row.mean_control == pytest.approx(y[1:, BEFORE:].mean())
    assert row.relative_effect == pytest.approx(row.headline.effect / (row.mean_variant - row.headline.effect))
    assert [f.method for f in row.alternatives] == [
        "synthetic_control_demeaned",
        "synthetic_control",
        "difference_in_differences",
    ]


def test_the_row_says_that_nobody_drew_the_units() -> None:
    row = _row(_stores(), _plan())
    assert [message.code for message in row.assumptions] == ["observational", "donors_untouched", "placebos_alike"]


def test_the_details_are_json_and_name_the_donors() -> None:
    row = _row(_stores(effect=2.0), _plan())
    details = json.loads(json.dumps(row.extra))["synthetic"]
    assert details["donors"] == 18
    assert sum(details["donor_weights"].values()) == pytest.approx(1.0, abs=0.01)
    assert set(details["donor_weights"]) <= {f"d{i}" for i in range(18)}
    assert set(details["period_weights"]) <= {str(week) for week in range(1, BEFORE + 1)}
    assert details["placebo_smallest_p"] == pytest.approx(1 / 19)
    assert details["total_effect"] == pytest.approx(row.headline.effect * AFTER)
    assert details["lift"] == pytest.approx(row.headline.effect / (row.mean_variant - row.headline.effect))
    assert details["convergence_gap"] < 1e-10


def test_the_start_can_come_from_the_units_themselves() -> None:
    columns = _stores()
    by_window = _row(columns, _plan())
    starts = _plan(data={"unit": "store", "period": "week", "treated_from": "first"})
    del starts["windows"]
    by_start = _row(columns, starts, "treated")
    assert by_start.headline.effect == pytest.approx(by_window.headline.effect)
    assert by_start.headline.std_error == pytest.approx(by_window.headline.std_error)


def test_the_order_of_the_rows_means_nothing_and_the_same_input_gives_the_same_bits() -> None:
    columns = _stores(treated=2)
    order = np.random.default_rng(0).permutation(len(columns["store"]))
    shuffled = {name: [values[i] for i in order] for name, values in columns.items()}
    first, again, other = _row(columns, _plan()), _row(columns, _plan()), _row(shuffled, _plan())
    assert first.headline == again.headline
    assert first.headline == other.headline
    assert dict(first.extra) == dict(other.extra)


def test_a_ratio_is_formed_in_every_store_and_week() -> None:
    metric = {"name": "basket", "kind": "ratio", "value": "sales", "denominator": "receipts", "role": "primary"}
    columns = _stores(effect=5.0)
    plain, ratio = _row(columns, _plan()), _row(columns, _plan(metrics=[metric]))
    assert ratio.headline.effect == pytest.approx(plain.headline.effect / 10)


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        (_stores(treated=5), "too_many_treated"),
        (_stores(donors=14), "few_donors"),
        (_without(_stores(), "a0", 4), "treated_with_gaps"),
    ],
)
def test_what_placebos_cannot_judge_is_refused_with_its_reason(columns: dict[str, list[Any]], code: str) -> None:
    with pytest.raises(NotEstimable) as refused:
        _row(columns, _plan())
    assert refused.value.message.code == code


def test_a_short_history_is_refused_or_said() -> None:
    with pytest.raises(NotEstimable, match="4 periods before"):
        _row(_stores(), _plan(windows={"before": [21, 24], "during": [25, 30]}))
    row = _row(_stores(), _plan(windows={"before": [15, 24], "during": [25, 30]}))
    assert "short_history" in [message.code for message in row.warnings]
    assert not _row(_stores(), _plan()).warnings


def test_several_starts_are_another_method() -> None:
    columns = _stores(treated=2)
    columns["first"] = [20 if s == "a0" else f for s, f in zip(columns["store"], columns["first"], strict=True)]
    starts = _plan(data={"unit": "store", "period": "week", "treated_from": "first"})
    del starts["windows"]
    with pytest.raises(NotEstimable, match="2 different periods"):
        _row(columns, starts, "treated")


def test_a_donor_with_a_gap_is_left_out_and_named() -> None:
    row = _row(_without(_stores(), "d3", 7), _plan())
    assert [(m.code, m.values["units"]) for m in row.warnings] == [("donors_with_gaps", "d3")]
    assert row.extra["synthetic"]["donors"] == 17
    assert row.n_units == 18


def test_a_covariate_is_named_as_unused() -> None:
    metric = {"name": "sales", "kind": "mean", "value": "sales", "role": "primary", "covariates": ["receipts"]}
    assert _row(_stores(), _plan(metrics=[metric])).assumptions[-1].code == "covariates_not_used"


def test_a_treated_store_that_the_donors_cannot_follow_is_a_warning() -> None:
    columns = _stores()
    wild = np.random.default_rng(5).normal(0, 12, BEFORE + AFTER)
    columns["sales"][: BEFORE + AFTER] = (np.array(columns["sales"][: BEFORE + AFTER]) + wild).tolist()
    row = _row(columns, _plan())
    assert {d.check: d.status.value for d in row.diagnostics} == {
        "pre_period_fit": "warn",
        "treated_like_donors": "warn",
    }
    assert row.diagnostics[0].value > 0.5


def test_alternatives_of_a_randomised_plan_are_placebos_for_few_and_bare_for_many() -> None:
    frame, plan = _read(_stores(treated=2), _plan(assignment="complete"))
    few = {f.method: f for f in synthetic.alternatives(frame, plan, plan.metrics[0], "pilot")}
    assert few["synthetic_did"].p_value is not None
    frame, plan = _read(_stores(treated=9, donors=9), _plan(assignment="complete"))
    many = {f.method: f for f in synthetic.alternatives(frame, plan, plan.metrics[0], "pilot")}
    assert many["synthetic_did"].p_value is None
    assert many["synthetic_control_demeaned"].interval == (None, None)
    assert 0.0 < many["synthetic_control_demeaned"].p_value <= 1.0


def test_there_are_no_alternatives_without_a_series() -> None:
    columns = {"store": ["a", "b", "c", "d"], "arm": ["pilot", "rest"] * 2, "sales": [1.0, 2.0, 3.0, 5.0]}
    mapping = _plan(assignment="complete", data={"unit": "store", "variant": "arm", "control": "rest"})
    del mapping["windows"]
    frame, plan = _read(columns, mapping)
    assert synthetic.alternatives(frame, plan, plan.metrics[0], "pilot") == ()
    assert geo.alternatives(frame, plan, plan.metrics[0], "pilot") == ()


def _geo(columns: dict[str, list[Any]], **changes: Any) -> dict[str, Any]:
    data = {"unit": "store", "variant": "arm", "control": "rest", "period": "week", "cost": "cost"}
    frame, plan = _read(columns, _plan(assignment="complete", data=data, **changes))
    return {finding.method: finding for finding in geo.alternatives(frame, plan, plan.metrics[0], "pilot")}


def test_geo_alternatives_return_the_total_and_what_a_unit_of_cost_brings() -> None:
    found = _geo(_stores(treated=12, donors=12, effect=6.0))
    total, per_cost = found["time_based_regression"], found["geo_regression"]
    assert (total.per, per_cost.per) == ("total", "unit of cost")
    assert total.extra["cost"] == 12 * AFTER * 2.0
    assert total.extra["effect_per_cost"] == pytest.approx(total.effect / total.extra["cost"])
    assert total.effect == pytest.approx(6.0 * 12 * AFTER, rel=0.25)
    assert per_cost.effect == pytest.approx(3.0, rel=0.25)


def test_a_cost_that_also_runs_without_treatment_has_no_fixed_return_over_time() -> None:
    columns = _stores(treated=12, donors=12, effect=6.0)
    columns["cost"] = [cost + 1.0 + (week % 3) for cost, week in zip(columns["cost"], columns["week"], strict=True)]
    found = _geo(columns)
    assert "effect_per_cost" not in found["time_based_regression"].extra
    assert found["geo_regression"].effect == pytest.approx(3.0, rel=0.25)


def test_geo_alternatives_take_the_start_from_the_units_too() -> None:
    columns = _stores(treated=6, donors=8, effect=6.0)
    data = {"unit": "store", "period": "week", "treated_from": "first", "cost": "cost"}
    mapping = _plan(assignment="complete", data=data)
    del mapping["windows"]
    frame, plan = _read(columns, mapping)
    by_start = {f.method: f for f in geo.alternatives(frame, plan, plan.metrics[0], "treated")}
    assert by_start["time_based_regression"] == _geo(columns)["time_based_regression"]
    columns["first"] = [20 if s == "a0" else f for s, f in zip(columns["store"], columns["first"], strict=True)]
    frame, plan = _read(columns, mapping)
    assert geo.alternatives(frame, plan, plan.metrics[0], "treated") == ()


def test_a_ratio_has_no_totals() -> None:
    metric = {"name": "basket", "kind": "ratio", "value": "sales", "denominator": "receipts"}
    assert _geo(_stores(treated=4), metrics=[metric]) == {}
