"""The complier effect and its Anderson–Rubin set beside a row, through the door."""

from typing import Any

import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.estimate.complier_effect import clustered_reduced_form, complier_effect


def _stores(uptake: float = 0.5, n: int = 20, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    store = np.repeat(np.arange(n), 30)
    treated = store % 2
    took = (rng.random(len(store)) < uptake * treated).astype(int)
    return {
        "spend": 10 + took + 0.3 * rng.normal(0, 1, n)[store] + rng.normal(0, 1, len(store)),
        "took": took,
        "offer": np.where(treated, "points", "none"),
        "store": np.array([f"s{i:02}" for i in store]),
    }


def _plan(unit: str | None = "store", **more: Any) -> Any:
    data = {"unit": unit, "variant": "offer", "control": "none", "received": "took", **more.pop("data", {})}
    metric = {"name": "spend", "kind": "mean", "value": "spend", "role": "primary", **more.pop("metric", {})}
    return {"data": data, "metrics": [metric], "assignment": "complete", "seed": 1, **more}


def _both(report: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    found = {a["method"]: a for a in report.to_dict()["rows"][0]["alternatives"]}
    return found["complier_effect"], found["anderson_rubin"]


def test_the_headline_stays_the_intention_to_treat_and_the_exclusion_is_said() -> None:
    data = _stores()
    with_, without = analyze(data, _plan()).to_dict()["rows"][0], _plan()
    del without["data"]["received"]
    plain = analyze(data, without).to_dict()["rows"][0]
    assert (with_["method"], with_["effect"], with_["p_value"]) == (plain["method"], plain["effect"], plain["p_value"])
    assert any("only through what was received" in str(words) for words in with_["assumptions"])
    assert with_["extra"]["uptake"]["none"] == 0.0


def test_stores_give_the_ratio_of_means_and_the_set_of_their_permutation() -> None:
    data = _stores()
    report = analyze(data, _plan())
    wald, rubin = _both(report)
    row = report.to_dict()["rows"][0]
    assert wald["effect"] == pytest.approx(row["effect"] / wald["uptake_difference"])
    assert (wald["per"], wald["estimand"]) == ("complier", "complier")
    assert rubin["by_permutation"]
    assert rubin["p_value"] == row["p_value"]
    assert rubin["set"] == [rubin["interval"]]
    assert rubin["interval"] == pytest.approx(wald["interval"], rel=0.2)


def test_rows_of_stores_equal_two_stage_least_squares_clustered_on_stores() -> None:
    data = _stores()
    wald, _ = _both(analyze(data, _plan(estimand="rows")))
    _, cluster = np.unique(data["store"], return_inverse=True)
    form = clustered_reduced_form((data["offer"] == "points").astype(float), cluster)
    expected = complier_effect(data["spend"], data["took"].astype(float), form).inference
    assert (wald["effect"], wald["std_error"], wald["df"]) == pytest.approx(
        (expected.effect, expected.std_error, expected.df)
    )


def test_customers_have_the_cluster_robust_set() -> None:
    data = {name: values for name, values in _stores().items() if name != "store"}
    wald, rubin = _both(analyze(data, _plan(None)))
    assert not rubin["by_permutation"]
    assert rubin["interval"] == pytest.approx(wald["interval"], rel=0.1)


def test_weak_uptake_is_warned_of_and_the_set_loses_its_ends() -> None:
    data = _stores(0.0)
    data["took"] = np.random.default_rng(4).integers(0, 2, len(data["took"]))
    report = analyze(data, _plan())
    wald, rubin = _both(report)
    said = [str(warning) for warning in report.to_dict()["warnings"]]
    assert wald["first_stage_f"] < 10
    assert rubin["interval"] == [None, None]
    assert any("uptake differs too little" in text for text in said)
    assert any("whole line" in text or "has no ends" in text for text in said)
    (check,) = [d for d in report.to_dict()["diagnostics"] if d["check"] == "first_stage"]
    assert check["status"] == "warn"


@pytest.mark.parametrize("share", [0, 1])
def test_when_nobody_or_everybody_took_up_there_is_a_reason_and_no_number(share: int) -> None:
    data = _stores()
    data["took"] = np.full(len(data["took"]), share)
    report = analyze(data, _plan()).to_dict()
    assert not {"complier_effect", "anderson_rubin"} & {a["method"] for a in report["rows"][0]["alternatives"]}
    assert report["rows"][0]["effect"] is not None
    assert any("no complier effect" in str(warning) for warning in report["warnings"])


def test_without_chance_there_is_no_complier_effect() -> None:
    report = analyze(_stores(), _plan(assignment="observational")).to_dict()
    assert not {"complier_effect", "anderson_rubin"} & {a["method"] for a in report["rows"][0]["alternatives"]}
    assert any("assignment by chance" in str(warning) for warning in report["warnings"])


def test_scaling_the_outcome_scales_both() -> None:
    data = _stores()
    one = _both(analyze(data, _plan()))
    other = _both(analyze({**data, "spend": 100 * data["spend"]}, _plan()))
    for before, after in zip(one, other, strict=True):
        assert after["effect"] == pytest.approx(100 * before["effect"])
        assert after["interval"] == pytest.approx([100 * end for end in before["interval"]])
