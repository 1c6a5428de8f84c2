"""Rows of durations through the door: customers, stores, few, adjusted; what is refused."""

from typing import Any

import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.estimate.rmst import compare_rmst, rmst
from experiments.reading import OutOfRange


def _customers(n: int = 300, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    variant = np.arange(n) % 2
    event, sight = np.ceil(rng.exponential(np.where(variant, 20, 30))), np.where(np.arange(n) % 3, 60.0, 45.0)
    return {
        "days": np.minimum(event, sight),
        "returned": (event <= sight).astype(int),
        "offer": np.where(variant, "points", "none"),
        "age": rng.integers(20, 70, n).astype(float),
    }


def _stores(n: int = 16, each: int = 40, *, sight: float = 30.0) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    store = np.repeat(np.arange(n), each)
    event = np.ceil(rng.exponential(20 * np.exp(rng.normal(0, 0.2, n))[store]))
    return {
        "days": np.minimum(event, sight),
        "returned": (event <= sight).astype(int),
        "offer": np.where(store % 2, "points", "none"),
        "store": np.array([f"s{i:02}" for i in store]),
    }


def _plan(unit: str | None = None, *, horizon: float = 28.0, metric: dict[str, Any] | None = None, **more: Any) -> Any:
    data = {"unit": unit, "variant": "offer", "control": "none", **more.pop("data", {})}
    spec = {
        "name": "days_to_next", "kind": "duration", "value": "days", "event": "returned", "horizon": horizon,
        "role": "primary", "direction": "decrease", **(metric or {}),
    }  # fmt: skip
    return {"data": data, "metrics": [spec], "assignment": "complete", "seed": 1, **more}


def _row(data: dict[str, Any], plan: Any) -> dict[str, Any]:
    (row,) = analyze(data, plan).to_dict()["rows"]
    return dict(row)


def _methods(row: dict[str, Any]) -> list[str]:
    return [found["method"] for found in row["alternatives"]]


def test_many_customers_are_compared_by_their_curves() -> None:
    data = _customers()
    row = _row(data, _plan())
    treated = (data["offer"] == "points").astype(float)
    expected = compare_rmst(data["days"], data["returned"].astype(float), treated, tau=28.0)
    assert row["method"] == "rmst"
    assert (row["mean_control"], row["mean_variant"]) == (expected.control.value, expected.variant.value)
    assert (row["effect"], row["p_value"]) == (expected.difference.effect, expected.difference.p_value())
    assert row["interval"] == list(expected.difference.interval(0.95))
    assert row["df"] is None
    assert _methods(row) == ["cox"]


def test_unequal_arms_keep_the_normal_test_for_times_end_at_the_horizon() -> None:
    data = _customers(400)
    data["offer"] = np.where(np.arange(400) % 5, "none", "points")
    assert _row(data, _plan())["method"] == "rmst"


def test_few_events_before_the_horizon_leave_the_normal_test_beside() -> None:
    row = _row(_customers(120), _plan(horizon=4.0))
    assert row["method"] != "rmst"
    assert "rmst" in _methods(row)


def test_the_report_carries_both_curves_up_to_the_horizon() -> None:
    row = _row(_customers(), _plan())
    curves = row["extra"]["kaplan_meier"]
    assert sorted(curves) == ["none", "points"]
    for curve in curves.values():
        assert len(curve["time"]) == len(curve["survival"]) == len(curve["lower"]) == len(curve["at_risk"])
        assert max(curve["time"]) <= 28.0
        assert all(
            low <= s <= high for low, s, high in zip(curve["lower"], curve["survival"], curve["upper"], strict=True)
        )
    assert row["extra"]["log_rank"]["df"] == 1


def test_stores_are_compared_by_one_restricted_mean_each() -> None:
    data = _stores()
    row = _row(data, _plan("store"))
    means = {
        store: rmst(
            data["days"][data["store"] == store], data["returned"][data["store"] == store].astype(float), tau=28.0
        )
        for store in np.unique(data["store"])
    }
    arms = [np.mean([m.value for s, m in means.items() if int(s[1:]) % 2 == arm]) for arm in (0, 1)]
    assert row["method"] == "permutation_studentised"
    assert (row["n_units"], row["n_rows"]) == (16, 640)
    assert row["effect"] == pytest.approx(arms[1] - arms[0])
    assert row["randomization_p"] == row["p_value"]
    assert "rmst" not in _methods(row), "no normal test on customers of drawn stores"
    assert {"regression_t", "cr2", "welch", "cox"} <= set(_methods(row))
    assert "lower" not in row["extra"]["kaplan_meier"]["none"], "no interval of a curve of clustered rows"


def test_with_few_stores_the_hazard_ratio_has_no_p_value() -> None:
    (few,) = [found for found in _row(_stores(), _plan("store"))["alternatives"] if found["method"] == "cox"]
    assert (few["p_value"], few["std_error"], few["interval"]) == (None, None, [None, None])
    (many,) = [found for found in _row(_stores(44), _plan("store"))["alternatives"] if found["method"] == "cox"]
    assert many["n_clusters"] == 44
    assert many["p_value"] is not None
    assert many["per"] == "log hazard ratio"


def test_rows_count_by_their_pseudo_values_where_rows_are_the_estimand() -> None:
    row = _row(_stores(), _plan("store", estimand="rows"))
    assert (row["estimand"], row["method"]) == ("rows", "permutation_studentised")
    assert any("pseudo-value" in str(words) for words in row["assumptions"])


def test_few_customers_are_permuted_and_the_curves_stand_beside() -> None:
    row = _row(_customers(40), _plan())
    assert row["method"] == "permutation_studentised"
    assert "rmst" in _methods(row)


def test_covariates_adjust_the_pseudo_values_and_narrow_the_interval() -> None:
    data = _customers(400)
    early = np.round(data["days"] + np.random.default_rng(3).normal(0, 2, 400))
    plain, adjusted = _row(data, _plan()), _row({**data, "before": early}, _plan(metric={"covariates": ["before"]}))
    assert adjusted["method"] == "welch_adjusted"
    assert adjusted["std_error"] < 0.8 * plain["std_error"]
    assert "rmst" in _methods(adjusted)


def test_weights_leave_no_curve_test() -> None:
    row = _row({**_customers(), "w": np.arange(300) % 3 + 1.0}, _plan(data={"weight": "w"}, estimand="rows"))
    assert not {"rmst", "cox"} & {row["method"], *_methods(row)}
    assert "lower" not in row["extra"]["kaplan_meier"]["none"]


def test_swapping_the_arms_flips_the_sign() -> None:
    data = _customers()
    plan = _plan(data={"control": "points"})
    assert _row(data, plan)["effect"] == -_row(data, _plan())["effect"]


@pytest.mark.parametrize("unit", [None, "store"])
def test_a_horizon_beyond_the_follow_up_of_an_arm_is_refused(unit: str | None) -> None:
    row = _row(_stores(), _plan(unit, horizon=31.0))
    assert row["effect"] is None
    assert "beyond the last follow-up" in row["refusal"]


def test_a_store_that_was_not_watched_to_the_horizon_is_left_out_and_named() -> None:
    data = _stores()
    first = data["store"] == "s00"
    data["returned"] = np.where(first & (data["days"] > 20), 0, data["returned"])
    data["days"] = np.where(first, np.minimum(data["days"], 20.0), data["days"])
    report = analyze(data, _plan("store")).to_dict()
    assert report["rows"][0]["n_units"] == 15
    assert any("s00" in str(warning) for warning in report["warnings"])


def test_what_is_no_duration_is_refused() -> None:
    data = _customers()
    with pytest.raises(OutOfRange, match="an event is 0 or 1"):
        _row({**data, "returned": data["returned"] * 2}, _plan())
    with pytest.raises(OutOfRange):
        _row({**data, "days": data["days"] - 30}, _plan())
    week = {**data, "week": np.arange(300) % 2, "id": np.array([f"{i // 4}{o}" for i, o in enumerate(data["offer"])])}
    panel = _plan("id", data={"period": "week"}, windows={"during": [0, 1]})
    assert "periods" in _row(week, panel)["refusal"]


@pytest.mark.slow
def test_the_level_holds_for_customers_of_stores() -> None:
    """250 draws of 14 stores whose waiting times differ: permutation 2 to 8 % false alarms."""
    rng, hits = np.random.default_rng(5), 0
    store = np.repeat(np.arange(14), 20)
    plan = _plan("store", draws=199)
    names = np.array([f"s{i:02}" for i in store])
    for _ in range(250):
        arm = rng.permutation(np.repeat(["none", "points"], 7))[store]
        event = np.ceil(rng.exponential(20 * np.exp(rng.normal(0, 0.4, 14))[store]))
        data = {"days": np.minimum(event, 30), "returned": (event <= 30).astype(int), "offer": arm, "store": names}
        hits += _row(data, plan)["p_value"] <= 0.05
    assert 0.02 <= hits / 250 <= 0.08
