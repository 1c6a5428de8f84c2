"""The plan as a value: one content, one text, one hash; and the differences between two texts."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.planning.amendments import difference, require_started_stages_untouched
from pilot.planning.errors import AmendmentTouchesStartedStage, NoSuchStage, PlanUnreadable
from pilot.planning.plan import GateRule, Objective, Plan, StagePlan
from tests.pilot.planning.a_network import a_document, a_stage

IDENTITY = {"pilot": "points-1", "program": "card"}
CODES = st.text("abcdefghij-0123456789", min_size=1, max_size=12)


def a_plan(**changes: Any) -> Plan:
    return Plan.from_document({**IDENTITY, **a_document(**changes)})


documents = st.fixed_dictionaries(
    {"pilot": CODES, "program": CODES},
    optional={
        "objective": st.sampled_from([o.value for o in Objective]),
        "hypothesis": st.text(max_size=50),
        "alpha": st.sampled_from(["0.05", "0.050", "0.1", "0.01"]),
        "draws": st.integers(999, 99_999),
        "secondary": st.lists(CODES, max_size=3),
        "guardrails": st.lists(st.fixed_dictionaries({"metric": CODES, "margin_share": st.just("0.02")}), max_size=2),
        "variants": st.lists(st.fixed_dictionaries({"code": CODES, "weight": st.integers(1, 9)}), max_size=3),
        "stages": st.lists(
            st.fixed_dictionaries(
                {
                    "number": st.integers(1, 9),
                    "name": st.just("A stage"),
                    "starts_on": st.dates(date(2020, 1, 1), date(2030, 1, 1)).map(str),
                    "weeks": st.integers(1, 52),
                },
                optional={"gate": st.lists(st.sampled_from([g.value for g in GateRule]), max_size=3, unique=True)},
            ),
            max_size=3,
        ),
    },
)


@given(documents)
def test_a_plan_survives_its_document_and_its_text(document: dict[str, Any]) -> None:
    plan = Plan.from_document(document)
    assert Plan.from_document(plan.to_document()) == plan
    assert Plan.from_document(json.loads(plan.text())).hash() == plan.hash()


@given(documents, st.randoms())
def test_the_order_of_keys_does_not_matter_to_the_hash(document: dict[str, Any], random: Any) -> None:
    keys = list(document)
    random.shuffle(keys)
    assert Plan.from_document({key: document[key] for key in keys}).hash() == Plan.from_document(document).hash()


def test_equal_decimals_and_left_out_defaults_have_the_same_hash() -> None:
    assert a_plan(alpha="0.05").hash() == a_plan(alpha="0.0500").hash() == a_plan().hash()


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": "0.04"},
        {"hypothesis": "Another"},
        {"unit": "region"},
        {"applies_by": "home"},
        {"draws": 1999},
        {"windows": {"pre_weeks": 11, "home_weeks": 12}},
        {"holdout": ["S09"]},
        {"stages": [a_stage(weeks=9)]},
        {"stages": [a_stage(gate=["leading_metric"])]},
        {"guardrails": [{"metric": "average_basket", "margin_share": "0.02"}]},
        {"revision": 2},
    ],
)
def test_every_part_of_the_plan_is_under_the_hash(change: dict[str, Any]) -> None:
    assert a_plan(**change).hash() != a_plan().hash()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"alpha": 0.05}, "alpha: must be a decimal number written as text"),
        ({"alpha": "1"}, "alpha: must be less than 1"),
        ({"colour": "red"}, "colour: is not a term of it"),
        ({"unit": "till"}, "unit: must be one of"),
        ({"draws": 10}, "draws: must be at least 999"),
        ({"stages": [a_stage(weeks=0)]}, r"stages\.0\.weeks: must be at least 1"),
        ({"stages": [a_stage(starts_on="soon")]}, r"stages\.0\.starts_on: "),
        ({"stages": [a_stage(weeks=2.0)]}, "must be a whole number"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_with_the_field_and_what_would_do(
    change: dict[str, Any], says: str
) -> None:
    with pytest.raises(PlanUnreadable, match=says):
        a_plan(**change)


def test_each_look_reads_the_planned_extension_more() -> None:
    stage = StagePlan(number=1, name="One", starts_on=date(2026, 3, 9), weeks=8, looks=3, extension_weeks=4)
    assert [stage.ends_on(look) for look in (1, 2, 3)] == [date(2026, 5, 3), date(2026, 5, 31), date(2026, 6, 28)]
    assert stage.last_possible_day == stage.ends_on(3)


def test_windows_before_a_stage_end_the_day_before_it() -> None:
    assert a_plan().pre_window(date(2026, 3, 9)) == (date(2025, 12, 15), date(2026, 3, 8))


def test_a_stage_that_is_not_there_is_asked_for_in_vain_by_name() -> None:
    with pytest.raises(NoSuchStage, match="no stage 2; its stages are 1"):
        a_plan().stage(2)


def test_alpha_is_an_exact_decimal() -> None:
    assert a_plan(alpha="0.10").alpha == Decimal("0.1")


def test_a_difference_names_the_path_and_both_values() -> None:
    old, new = a_plan(), a_plan(alpha="0.01", stages=[a_stage(weeks=9), a_stage(2)])
    rows = {row.path: (row.old, row.new) for row in difference(old.text(), new.text())}
    assert rows["alpha"] == ('"0.05"', '"0.01"')
    assert rows["stages.1.weeks"] == ("8", "9")
    assert rows["stages.2.name"] == (None, '"Stage 2"')
    assert "stages.1.name" not in rows


def test_the_order_of_variants_is_a_difference_too() -> None:
    swapped = a_plan(variants=list(reversed(a_document()["variants"])))
    assert [row.path for row in difference(a_plan().text(), swapped.text())] == ["variants.order"]


def test_once_a_stage_has_started_only_later_stages_may_change() -> None:
    sealed = a_plan(stages=[a_stage(1), a_stage(2)])
    later = a_plan(stages=[a_stage(1), a_stage(2, weeks=12), a_stage(3)])
    require_started_stages_untouched(sealed, later, last_started=1)
    with pytest.raises(AmendmentTouchesStartedStage, match=r"stages\.2\.weeks"):
        require_started_stages_untouched(sealed, later, last_started=2)
    with pytest.raises(AmendmentTouchesStartedStage, match="alpha"):
        require_started_stages_untouched(sealed, a_plan(alpha="0.1", stages=[a_stage(1), a_stage(2)]), last_started=1)
    require_started_stages_untouched(sealed, a_plan(alpha="0.1"), last_started=0)
