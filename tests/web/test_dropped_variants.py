"""What a reader sees of a variant that must not go on while others do, and of what waiting is worth in money."""

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from pilot.evidence.recommendation import Cause, Recommendation, Recommended, RuleCode, RuleResult, Waiting
from pilot.evidence.sentences import report_ready
from pilot.governance.model import Choice
from web import gate_words


def a_report(choice: Recommended, *waiting: Waiting) -> Any:
    rules = (
        RuleResult(RuleCode.NO_HARM, passed=False, variant="club"),
        RuleResult(RuleCode.NO_HARM, passed=True, variant="card"),
    )
    return SimpleNamespace(
        recommendation=Recommendation(choice, (), rules, None, waiting),
        document=SimpleNamespace(exploratory=False, currency="EUR"),
        variant_names={"club": "Family club", "card": "Points card"},
    )


def test_an_extension_names_what_to_go_on_without_and_says_that_nothing_drops_it(app: Flask) -> None:
    extended = a_report(Recommended.EXTEND)
    assert extended.recommendation.dropped == {"club": Cause.HARM}
    with app.test_request_context():
        assert gate_words.dropped(extended).startswith("Go on without “Family club”: harm is shown")
        assert "“Family club” goes on being offered" in gate_words.keeps_dropped(extended, Choice.EXTEND)
        assert "draws every variant of the plan, “Family club” among them" in gate_words.keeps_dropped(
            extended, Choice.APPROVE
        )
        assert gate_words.keeps_dropped(extended, Choice.STOP) == ""
        assert gate_words.dropped(a_report(Recommended.STOP)) == ""


def test_the_notice_names_it() -> None:
    said = report_ready("Cards", 1, Recommended.EXTEND, ["Family club"])
    assert str(said).endswith("It recommends to extend without “Family club”.")
    assert str(report_ready("Cards", 1, Recommended.STOP, ["Family club"])).endswith("It recommends to stop.")


@pytest.mark.parametrize(
    ("worth", "cost", "end"),
    [
        (500_000, 120_000, "Waiting is worth at most €3,800."),
        (100_000, 120_000, "Waiting costs at least €200 more than it is worth."),
    ],
)
def test_waiting_is_told_in_money(app: Flask, worth: int, cost: int, end: str) -> None:
    one = Waiting("card", "store_total", 4, "2026-04-26", 0.4, 100.0, 200.0, 900.0, 700.0, 300.0, worth, cost, 52, 16)
    with app.test_request_context():
        (said,) = gate_words.waiting(a_report(Recommended.EXTEND, one))
    assert "over 52 weeks in the 16 treated stores" in said
    assert said.endswith(end)
