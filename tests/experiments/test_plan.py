"""A plan is read once, every mistake is named with its place, and its seed follows from what it says."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from experiments.errors import ExperimentError
from experiments.plan import Assignment, Better, MissingKey, Plan, Role, UnknownKey, WrongValue, plan_from_mapping
from experiments.plan_reading import KEYS

PAGE = Path(__file__).parents[2] / "docs" / "analyze.md"

FULL: dict[str, Any] = {
    "data": {
        "unit": "store_id", "variant": "promotion", "control": "1", "block": "market", "weight": "w", "period": "week",
        "treated_from": "first", "received": "took_up", "cost": "spend",
    },
    "windows": {"before": ["2015-01-05", "2015-02-15"], "during": ["2015-02-16", "2015-03-15"]},
    "assignment": "complete",
    "estimand": "units",
    "shares": {"1": 1, "2": 1},
    "metrics": [
        {"name": "repeat_7d", "kind": "proportion", "value": "retention_7", "role": "primary", "covariates": ["base"]},
        {"name": "basket", "kind": "ratio", "value": "sales", "denominator": "receipts", "role": "secondary"},
        {"name": "complaints", "kind": "mean", "value": "complaints", "role": "guardrail", "direction": "decrease",
         "margin": 0.02},
        {"name": "days_to_next", "kind": "duration", "value": "days", "event": "returned", "horizon": 60},
    ],
    "segments": ["age_band"],
    "alpha": 0.05,
    "looks": {"planned": 3, "spending": "obrien_fleming", "information": [0.33, 0.66]},
    "seed": 1,
    "draws": 999,
}  # fmt: skip


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    plan = copy.deepcopy(FULL)
    place: Any = plan
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return plan


def without(*path: str | int) -> dict[str, Any]:
    plan = copy.deepcopy(FULL)
    place: Any = plan
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return plan


def test_a_full_plan_survives_being_written_and_read() -> None:
    plan = plan_from_mapping(FULL)
    assert plan_from_mapping(plan.to_mapping()) == plan
    assert plan.metrics[3].role is Role.SECONDARY
    assert plan.metrics[2].direction is Better.DECREASE
    assert plan.looks is not None
    assert plan.looks.look == 2


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        (changed("alpha", to=1), WrongValue, "alpha: 1 will not do; it must be a number between 0 and 1"),
        (changed("alpha", to=0), WrongValue, "alpha: 0"),
        (changed("alpha", to="0.05"), WrongValue, "alpha: '0.05'"),
        (changed("alpah", to=0.1), UnknownKey, "did you mean alpha?"),
        (changed("metrics", 1, "kind", to="share"), WrongValue, "metrics[1].kind: 'share'"),
        (changed("metrics", 1, "nmae", to="x"), UnknownKey, "metrics[1].nmae"),
        (changed("metrics", 1, "name", to="repeat_7d"), WrongValue, "each metric its own"),
        (changed("metrics", to=[]), WrongValue, "at least one"),
        (changed("metrics", 0, "margin", to=1), WrongValue, "only a guardrail has a margin"),
        (changed("metrics", 0, "horizon", to=1), WrongValue, "metrics[0].horizon"),
        (changed("metrics", 2, "margin", to=-1), WrongValue, "greater than 0"),
        (changed("metrics", 0, "winsorise", to=0.9), WrongValue, "left out of a proportion"),
        (changed("looks", "information", to=[0.6, 0.3]), WrongValue, "increasing"),
        (changed("looks", "spending", to="all"), WrongValue, "looks.spending"),
        (changed("data", to=None), MissingKey, "data"),
        (changed("data", to="store"), WrongValue, "a mapping"),
        (changed("draws", to=10), WrongValue, "draws: 10"),
        (changed("seed", to=-1), WrongValue, "seed"),
        (changed("shares", to={"1": 0, "2": 1}), WrongValue, "shares.1"),
        (without("data", "unit"), MissingKey, "data.unit"),
        (without("data", "control"), MissingKey, "data.control"),
        (without("metrics", 1, "denominator"), MissingKey, "metrics[1].denominator"),
        (without("metrics", 3, "event"), MissingKey, "metrics[3].event"),
        (without("data", "period"), MissingKey, "data.period"),
        (changed("data", "unit", to=None), WrongValue, "a panel follows units over time"),
    ],
)
def test_a_mistake_is_named_with_its_place(plan: dict[str, Any], error: type[ExperimentError], said: str) -> None:
    with pytest.raises(error) as caught:
        plan_from_mapping(plan)
    assert said in str(caught.value)


def test_null_is_an_answer_for_the_unit_and_silence_is_not() -> None:
    plan = {"data": {"unit": None, "variant": "v", "control": 0}, "metrics": FULL["metrics"][:1]}
    assert plan_from_mapping(plan).data.unit is None
    with pytest.raises(MissingKey):
        plan_from_mapping({**plan, "data": {"variant": "v", "control": 0}})


@pytest.mark.parametrize("assignment", ["stratified", "matched_pairs"])
def test_a_draw_inside_blocks_names_its_blocks(assignment: str) -> None:
    plan = {"data": {"unit": "u", "variant": "v", "control": 0}, "metrics": FULL["metrics"][:1]}
    with pytest.raises(MissingKey, match=r"data\.block"):
        plan_from_mapping({**plan, "assignment": assignment})


def test_what_is_not_said_of_the_assignment_is_assumed_and_remembered() -> None:
    plan = plan_from_mapping({"data": {"unit": "u", "variant": "v", "control": 0}, "metrics": FULL["metrics"][:1]})
    assert plan.assignment is Assignment.COMPLETE
    assert not plan.assignment_stated


def test_labels_of_the_plan_are_text() -> None:
    found = plan_from_mapping(changed("data", "control", to=1.0))
    assert found.data.control == "1"
    assert plan_from_mapping(changed("shares", to={1: 1, 2: 3})).shares == {"1": 1.0, "2": 3.0}


def seed_of(mapping: dict[str, Any]) -> int:
    plan: Plan = plan_from_mapping(mapping)
    return plan.effective_seed


def test_the_seed_follows_from_what_the_plan_says_and_not_from_its_order() -> None:
    plain = without("seed")
    turned = dict(reversed(list(plain.items())))
    assert seed_of(plain) == seed_of(turned)
    assert seed_of(plain) != seed_of({**plain, "alpha": 0.1})
    assert 0 <= seed_of(plain) < 2**48
    assert seed_of(FULL) == 1


def test_the_page_names_exactly_the_keys_of_the_plan() -> None:
    named = set(re.findall(r"`([a-z_]+(?:\[\])?(?:\.[a-z_]+)?)`", PAGE.read_text("utf-8").split("## The plan")[1]))
    sections = {"data", "windows", "metrics[]", "looks", "rerandomized"}
    expected = {f"{section}.{key}" for section in sections for key in KEYS[section]}
    expected |= set(KEYS[""]) - {section.removesuffix("[]") for section in sections}
    assert expected - named == set()
    dotted = {name for name in named if "." in name and name.split(".")[0] in sections}
    assert dotted - expected == set()
