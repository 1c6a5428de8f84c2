"""A plan in words, part by part: nothing that a plan fixes is left out, and a difference names exactly what differs."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from pilot.planning import plan_parts
from pilot.planning.plan import Eligibility, Plan, StagePlan
from tests.builders import WIND_DOWN
from web import difference_words


def document(**changes: Any) -> dict[str, Any]:
    stage = {"number": 1, "name": "A few stores", "starts_on": "2026-03-02", "weeks": 4}
    whole = {
        "pilot": "points", "program": "card", "stages": [stage], "wind_down": WIND_DOWN,
        "variants": [{"code": "control"}, {"code": "points"}], "economics": {"margin_share": "0.30"},
        "guardrails": [{"metric": "average_basket", "margin_share": "0.05"}],
    }  # fmt: skip
    return Plan.from_document(whole | changes).to_document()


def changed(app: Flask, old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    with app.test_request_context("/"):
        found = difference_words.rows(json.dumps(old), json.dumps(new))
    return [(row.part, row.old, row.new) for row in found]


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"alpha": "0.025"}, ("Level of the test", "5%", "2.5%")),
        ({"primary": "average_basket"}, ("Primary metric", "Store total", "Average basket")),
        ({"holdout": ["S01", "S02"]}, ("Holdout", "–", "S01, S02")),
        ({"objective": "win"}, ("Objective", "Keep the customers we have", "Win new customers")),
        ({"windows": {"pre_weeks": 13}}, ("Compared with the time before", "weeks: 26", "weeks: 13")),
        ({"guardrails": []}, ("Guardrail: Average basket", "at most 5% worse", "–")),
        ({"economics": {"margin_share": "0.275"}}, ("Profit margin before rewards", "30%", "27.5%")),
        (
            {"wind_down": {**WIND_DOWN, "exit_cost_minor": 250_000}},
            ("Cost of the exit", "€0.00", "€2,500.00"),
        ),
    ],
)
def test_a_change_reads_as_people_say_it(app: Flask, change: dict[str, Any], row: tuple[str, str, str]) -> None:
    assert changed(app, document(), document(**change)) == [row]


def test_a_new_stage_says_all_that_it_is(app: Flask) -> None:
    first = document()["stages"][0]
    second = first | {"number": 2, "name": "All", "starts_on": "2026-06-01", "is_network": True}
    rows = changed(app, document(), document(stages=[first, second]))
    assert ("Stage 2: start", "–", "Jun 1, 2026") in rows
    assert ("Stage 2: the whole network", "–", "yes") in rows
    assert all(part.startswith("Stage 2: ") and old == "–" for part, old, _new in rows)


def test_the_number_of_the_version_is_no_change(app: Flask) -> None:
    assert changed(app, document(), document(revision=2)) == []


def test_a_part_without_words_is_shown_all_the_same(app: Flask) -> None:
    assert changed(app, document(), document() | {"something_new": 3}) == [("something_new", "–", "3")]


def test_every_part_of_a_plan_has_words() -> None:
    assert set(Plan.model_fields) <= set(difference_words._PARTS)
    tables = {
        StagePlan: difference_words._STAGE,
        Eligibility: difference_words._ELIGIBILITY,
        plan_parts.Economics: difference_words._ECONOMICS,
        plan_parts.WindDown: difference_words._WIND_DOWN,
        plan_parts.GateThresholds: difference_words._THRESHOLDS,
    }
    for part, table in tables.items():
        assert set(part.model_fields) - {"number"} <= set(table), part.__name__


def test_words_hide_no_code_of_ours(app: Flask) -> None:
    with app.test_request_context("/"):
        said = [one for one in difference_words.parts(document()) if one.key not in ("pilot", "program")]
    assert not [one for one in said if re.search(r"[a-z]_[a-z]", f"{one.part} {one.words}")]
