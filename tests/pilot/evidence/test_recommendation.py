"""The gate's rules on made-up reports: what advances, what waits, what stops."""

from dataclasses import replace
from datetime import date

import pytest

from experiments.estimate.estimate import Estimate, Method
from experiments.look.report import Diagnostic, LookReport, NonInferiority, ReportRow, Stamp, Status
from experiments.messages import Message
from experiments.monitor.looks import look_rule
from pilot.evidence.recommendation import Recommendation, Recommended, RuleCode, recommend
from pilot.planning.plan import GateRule, StagePlan


def a_stage(*, looks: int = 1, gate: tuple[GateRule, ...] = tuple(GateRule)) -> StagePlan:
    weeks = 4 if looks > 1 else 0
    return StagePlan(
        number=1, name="Some", starts_on=date(2026, 3, 2), weeks=8, looks=looks, extension_weeks=weeks, gate=gate
    )


def an_estimate(effect: float, p_value: float) -> Estimate:
    return Estimate(
        effect=effect,
        relative_effect=effect / 100,
        std_error=1.0,
        df=None,
        interval=(effect - 2, effect + 2),
        confidence_level=0.95,
        p_value=p_value,
        n_units=40,
        n_rows=400,
        mean_control=100.0,
        mean_variant=100.0 + effect,
        method=Method.PERMUTATION,
    )


def a_leading_row(effect: float, p_value: float, *, variant: str = "card", stamps: tuple[str, ...] = ()) -> ReportRow:
    return ReportRow(
        "store_total", "money", "store", "primary", "up", variant, None, an_estimate(effect, p_value),
        interval_gate=(effect - 2, effect + 2), gate_confidence=0.95, p_value_adjusted=p_value,
        p_harm=p_value / 2 if effect < 0 else 1 - p_value / 2, stamps=stamps, leads=True,
    )  # fmt: skip


def a_guardrail(*, holds: bool, effect: float = 0.0, margin: float = 5.0) -> ReportRow:
    guard = NonInferiority(margin, 0.01 if holds else 0.4, effect - 2, 0.95, holds)
    return ReportRow(
        "average_basket", "ratio", "store", "guardrail", "up", "card", None, an_estimate(effect, 0.5),
        interval_gate=(effect - 2, effect + 2), gate_confidence=0.95, non_inferiority=guard,
    )  # fmt: skip


def a_report(*rows: ReportRow, look: int = 1, looks: int = 1, n_units: int = 40, alarm: bool = False) -> LookReport:
    status = Status.ALARM if alarm else Status.OK
    ratio = Diagnostic("sample_ratio", status, 0.5, Message("sample_ratio", "a ratio"))
    rule = look_rule(look, looks, n_units=n_units, alpha=0.05)
    return LookReport("store", "matched_pairs", "store_totals", 0.05, rule, n_units, rows, (ratio,), ())


def failed(recommendation: Recommendation) -> set[RuleCode]:
    return {result.rule for result in recommendation.reasons}


def test_a_better_leading_metric_advances() -> None:
    found = recommend(a_report(a_leading_row(8, 0.01), a_guardrail(holds=True)), a_stage())
    assert (found.choice, found.variants, found.reasons) == (Recommended.ADVANCE, ("card",), ())


def test_chance_does_not_advance_and_the_last_look_stops() -> None:
    found = recommend(a_report(a_leading_row(8, 0.2)), a_stage())
    assert found.choice is Recommended.STOP
    assert failed(found) == {RuleCode.LEADING_IMPROVES}


def test_with_a_look_left_no_evidence_extends() -> None:
    found = recommend(a_report(a_leading_row(8, 0.2), looks=2), a_stage(looks=2))
    assert found.choice is Recommended.EXTEND


def test_the_level_of_a_look_is_shared_between_the_looks() -> None:
    found = recommend(a_report(a_leading_row(8, 0.03), looks=2), a_stage(looks=2))
    (rule,) = [result for result in found.rules if result.rule is RuleCode.LEADING_IMPROVES]
    assert (rule.value, rule.threshold, rule.passed) == (0.03, 0.025, False)


def test_under_twenty_units_a_look_before_the_last_never_advances() -> None:
    found = recommend(a_report(a_leading_row(8, 0.001), looks=2, n_units=12), a_stage(looks=2))
    assert found.choice is Recommended.EXTEND
    assert failed(found) == {RuleCode.LOOK_MAY_ADVANCE}


def test_harm_stops_at_any_look() -> None:
    found = recommend(a_report(a_leading_row(-8, 0.001), looks=3), a_stage(looks=3))
    assert found.choice is Recommended.STOP
    assert RuleCode.NO_HARM in failed(found)


def test_a_fall_within_chance_is_no_harm() -> None:
    found = recommend(a_report(a_leading_row(-1, 0.6), looks=3), a_stage(looks=3))
    assert found.choice is Recommended.EXTEND


@pytest.mark.parametrize("stamp", [Stamp.MAY_BE_IDENTIFICATION, Stamp.IDENTIFICATION_NOT_TESTED])
def test_a_stamped_leading_row_does_not_pass_a_gate(stamp: Stamp) -> None:
    found = recommend(a_report(a_leading_row(8, 0.001, stamps=(stamp.value,))), a_stage())
    assert found.choice is Recommended.STOP
    assert failed(found) == {RuleCode.LEADING_TRUSTED}


def test_a_leading_row_without_an_estimate_does_not_pass() -> None:
    row = replace(a_leading_row(8, 0.001), estimate=None, p_harm=None, refusal=Message("no", "no"))
    found = recommend(a_report(row), a_stage())
    assert failed(found) == {RuleCode.LEADING_ESTIMATED}


def test_a_guardrail_that_is_not_shown_to_hold_keeps_the_stage() -> None:
    found = recommend(a_report(a_leading_row(8, 0.01), a_guardrail(holds=False), looks=2), a_stage(looks=2))
    assert found.choice is Recommended.EXTEND
    assert failed(found) >= {RuleCode.GUARDRAIL_HOLDS}


def test_a_broken_guardrail_stops_although_the_leading_metric_is_better() -> None:
    found = recommend(a_report(a_leading_row(8, 0.001), a_guardrail(holds=False, effect=-9), looks=2), a_stage(looks=2))
    assert found.choice is Recommended.STOP
    assert RuleCode.GUARDRAIL_NOT_BROKEN in failed(found)


def test_an_alarm_keeps_the_stage() -> None:
    found = recommend(a_report(a_leading_row(8, 0.001), alarm=True), a_stage())
    assert failed(found) == {RuleCode.NO_ALARM}


def test_a_gate_that_does_not_demand_the_leading_metric_does_not_ask_for_it() -> None:
    found = recommend(a_report(a_leading_row(1, 0.6)), a_stage(gate=(GateRule.NO_ALARM,)))
    assert found.choice is Recommended.ADVANCE


def test_one_good_variant_of_two_advances_with_its_name() -> None:
    rows = (a_leading_row(8, 0.001, variant="card"), a_leading_row(-8, 0.001, variant="club"))
    found = recommend(a_report(*rows), a_stage())
    assert (found.choice, found.variants) == (Recommended.ADVANCE, ("card",))


def test_harm_in_one_variant_of_two_waits_while_a_look_is_left() -> None:
    rows = (a_leading_row(1, 0.6, variant="card"), a_leading_row(-8, 0.001, variant="club"))
    assert recommend(a_report(*rows, looks=2), a_stage(looks=2)).choice is Recommended.EXTEND


def test_a_recommendation_survives_being_stored() -> None:
    found = recommend(a_report(a_leading_row(8, 0.01), a_guardrail(holds=False)), a_stage())
    assert Recommendation.from_document(found.to_document()) == found
