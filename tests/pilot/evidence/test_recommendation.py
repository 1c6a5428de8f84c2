"""The gate's rules on made-up reports: what advances, what waits, what stops."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from experiments.estimate.estimate import Estimate, Method
from experiments.look.report import Diagnostic, LookReport, NonInferiority, ReportRow, Stamp, Status
from experiments.messages import Message
from experiments.monitor.looks import look_rule
from pilot.evidence import gate
from pilot.evidence.recommendation import Cause, Recommendation, Recommended, RuleCode
from pilot.planning.plan import STANDARD_GATE, GateRule, Plan, StagePlan
from pilot.words import Message as OurMessage


def recommend(
    report: LookReport, stage: StagePlan, chapters: dict[str, dict[str, Any]] | None = None, **plan: Any
) -> Recommendation:
    variants = [{"code": code} for code in ("control", "card", "club")]
    made = Plan.from_document({"pilot": "p", "program": "card", "variants": variants, **plan})
    return gate.recommend(report, made, stage, chapters)


def a_stage(*, looks: int = 1, gate: tuple[GateRule, ...] = STANDARD_GATE) -> StagePlan:
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
    assert not failed(found) & {RuleCode.NO_HARM, RuleCode.HARM_UNLIKELY}


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
    rows = (a_leading_row(2, 0.05, variant="card"), a_leading_row(-8, 0.001, variant="club"))
    assert recommend(a_report(*rows, looks=2), a_stage(looks=2)).choice is Recommended.EXTEND


def test_what_is_harmed_is_dropped_by_name_while_the_other_waits() -> None:
    """Of two variants one is shown to harm at the first of two looks: extend, without it; never where all stop."""
    rows = [a_leading_row(-4.0, 0.0001, variant="club"), a_leading_row(2.0, 0.05)]
    waits = recommend(a_report(*rows, looks=2), a_stage(looks=2))
    assert (waits.choice, waits.dropped) == (Recommended.EXTEND, {"club": Cause.HARM})
    assert Recommendation.from_document(json.loads(json.dumps(waits.to_document()))).dropped == waits.dropped
    advances = recommend(a_report(rows[0], a_leading_row(4.0, 0.0001)), a_stage())
    assert (advances.choice, advances.variants, advances.dropped) == (
        Recommended.ADVANCE, ("card",), {"club": Cause.HARM},
    )  # fmt: skip
    assert recommend(a_report(rows[0]), a_stage()).dropped == {}


def test_waiting_is_worth_its_margin_in_the_treated_stores_less_what_the_extension_costs() -> None:
    """A worth of w a store-week over 52 weeks in 10 stores at a margin of 30 %; 8 weeks cost 80 of rewards and 16 of
    communication, so 4 more cost 48; the set-up is paid already."""
    account = [("margin", 500), ("rewards", -80), ("communication", -16), ("setup", -1_000), ("stores", -100)]
    chapter = {
        "margin_rate": 0.3,
        "horizon_weeks": 52,
        "variants": {
            "card": {
                "store_weeks": 80.0,
                "stores": 10,
                "account": [{"code": code, "amount_minor": amount} for code, amount in account],
            }
        },
    }
    offer = {
        "code": "o", "variant": "card", "segment": None, "name": "5 %", "mechanic": "personal_card",
        "terms": {"discount_share": "0.05"}, "enrolment": {},
    }  # fmt: skip
    found = recommend(
        a_report(a_leading_row(1.0, 0.3), looks=2), a_stage(looks=2), {"money": chapter},
        offers=[offer], economics={"margin_share": "0.3"},
    )  # fmt: skip
    (one,) = found.waiting
    assert one.worth > 0
    assert one.worth_minor == round(one.worth * 0.3 * 10 * 52)
    assert (one.cost_minor, one.horizon_weeks, one.stores) == (48, 52, 10)
    (unpriced,) = recommend(a_report(a_leading_row(1.0, 0.3), looks=2), a_stage(looks=2)).waiting
    assert (unpriced.worth_minor, unpriced.cost_minor) == (None, None)


def test_a_recommendation_survives_being_stored() -> None:
    found = recommend(a_report(a_leading_row(8, 0.01), a_guardrail(holds=False)), a_stage())
    assert Recommendation.from_document(found.to_document()) == found


MONEY_GATE = (*STANDARD_GATE, GateRule.MONEY)


def money(**numbers: Any) -> dict[str, dict[str, Any]]:
    found = {"net_minor": 500_00, "net_low_minor": -10_00, "net_high_minor": 900_00, "p_loss_sceptical": 0.1} | numbers
    return {"money": {"variants": {"card": found}}}


def test_what_is_significant_and_earns_advances() -> None:
    found = recommend(a_report(a_leading_row(8, 0.001)), a_stage(gate=MONEY_GATE), money())
    assert (found.choice, found.cause) == (Recommended.ADVANCE, None)


def test_what_is_significant_and_loses_money_is_stopped_by_the_money_rule() -> None:
    chapters = money(net_minor=-20_00, p_loss_sceptical=0.7)
    found = recommend(a_report(a_leading_row(8, 0.001)), a_stage(gate=MONEY_GATE), chapters)
    assert (found.choice, found.cause) == (Recommended.STOP, Cause.MONEY)
    assert failed(found) == {RuleCode.MONEY_EARNED, RuleCode.LOSS_UNLIKELY}


def test_a_loss_that_is_too_likely_does_not_pass_although_the_estimate_is_a_gain() -> None:
    found = recommend(a_report(a_leading_row(8, 0.001)), a_stage(gate=MONEY_GATE), money(p_loss_sceptical=0.2001))
    assert failed(found) == {RuleCode.LOSS_UNLIKELY}
    at_most = recommend(a_report(a_leading_row(8, 0.001)), a_stage(gate=MONEY_GATE), money(p_loss_sceptical=0.2))
    assert at_most.choice is Recommended.ADVANCE


def test_a_loss_beyond_doubt_stops_before_the_last_look() -> None:
    chapters = money(net_minor=-50_00, net_high_minor=-1, p_loss_sceptical=0.99)
    found = recommend(a_report(a_leading_row(8, 0.001), looks=2), a_stage(looks=2, gate=MONEY_GATE), chapters)
    assert (found.choice, found.cause) == (Recommended.STOP, Cause.MONEY)


def test_money_that_cannot_be_reckoned_does_not_pass_and_says_why() -> None:
    why = OurMessage("margin_unknown", "nobody knows the margin")
    for chapters in (
        {"money": {"refusal": why.to_dict()}},
        {"money": {"variants": {"card": {"refusal": why.to_dict()}}}},
    ):
        found = recommend(a_report(a_leading_row(8, 0.001)), a_stage(gate=MONEY_GATE), chapters)
        assert (found.choice, found.cause) == (Recommended.STOP, Cause.MONEY)
        assert [(result.rule, result.reason) for result in found.reasons] == [(RuleCode.MONEY_RECKONED, why)]
    without = recommend(a_report(a_leading_row(8, 0.001)), a_stage(gate=MONEY_GATE))
    assert failed(without) == {RuleCode.MONEY_RECKONED}


def test_money_counts_only_where_the_gate_asks_for_it() -> None:
    found = recommend(a_report(a_leading_row(8, 0.001)), a_stage(), money(net_minor=-20_00, p_loss_sceptical=0.7))
    assert found.choice is Recommended.ADVANCE


def test_only_identification_stops_however_significant() -> None:
    chapters = {"swiped": {"variants": {"card": {"only_identification": True}}}}
    found = recommend(a_report(a_leading_row(8, 0.001)), a_stage(), chapters)
    assert (found.choice, found.cause) == (Recommended.STOP, Cause.IDENTIFICATION)
    chapters["swiped"]["variants"]["card"]["only_identification"] = False
    assert recommend(a_report(a_leading_row(8, 0.001)), a_stage(), chapters).choice is Recommended.ADVANCE


def test_a_likely_fall_stops_before_the_test_of_harm_does() -> None:
    row = replace(a_leading_row(-6, 0.06), p_harm=0.03)
    found = recommend(a_report(row, looks=2), a_stage(looks=2))
    assert (found.choice, found.cause) == (Recommended.STOP, Cause.HARM)
    assert RuleCode.HARM_UNLIKELY in failed(found)
    assert RuleCode.NO_HARM not in failed(found)


def test_a_prior_alone_stops_nobody() -> None:
    """However bad the sceptic's expectation: an estimate that is not bad does not count as harm."""
    gloomy = {"sceptical": {"mean_share": "-0.05", "sd_share": "0.02", "source": "a gloomy mood"}}
    found = recommend(a_report(a_leading_row(4, 0.01), looks=2), a_stage(looks=2), priors=gloomy)
    assert RuleCode.HARM_UNLIKELY not in failed(found)


def test_a_wide_prior_does_not_turn_a_slightly_bad_estimate_into_harm() -> None:
    """A prior of 10 % by itself holds a fall of more than 5 % for likelier than the plan allows."""
    wide = {
        "sceptical": {"mean_share": "0", "sd_share": "0.1", "source": "large effects"},
        "neutral": {"mean_share": "0", "sd_share": "0.2", "source": "larger ones"},
    }
    row = a_leading_row(-0.5, 0.95)
    assert row.estimate is not None
    unsure = replace(row, estimate=replace(row.estimate, std_error=20.0))
    found = recommend(a_report(unsure, looks=2), a_stage(looks=2), priors=wide)
    assert RuleCode.HARM_UNLIKELY not in failed(found)


def test_what_can_no_longer_succeed_is_stopped_for_futility() -> None:
    found = recommend(a_report(a_leading_row(0.1, 0.9), looks=2), a_stage(looks=2))
    assert (found.choice, found.cause) == (Recommended.STOP, Cause.FUTILITY)
    (rule,) = [result for result in found.rules if result.rule is RuleCode.NOT_FUTILE]
    assert rule.threshold == 0.1
    assert rule.value is not None
    assert rule.value < 0.1


def test_a_plan_may_be_more_patient() -> None:
    thresholds = {"futility_probability": "0.0001"}
    found = recommend(a_report(a_leading_row(0.1, 0.9), looks=2), a_stage(looks=2), thresholds=thresholds)
    assert found.choice is Recommended.EXTEND


def test_at_the_last_look_nobody_asks_what_waiting_would_tell() -> None:
    found = recommend(a_report(a_leading_row(0.1, 0.9), look=2, looks=2), a_stage(looks=2))
    assert (found.cause, found.waiting) == (Cause.EVIDENCE, ())
    assert RuleCode.NOT_FUTILE not in {result.rule for result in found.rules}


def test_few_units_leave_a_look_before_the_last_for_harm_alone() -> None:
    """Under 20 units neither futility nor a probability ends the stage early: only the test of harm does."""
    dull = recommend(a_report(a_leading_row(0.1, 0.9), looks=2, n_units=12), a_stage(looks=2))
    falling = recommend(a_report(replace(a_leading_row(-6, 0.06), p_harm=0.03), looks=2, n_units=12), a_stage(looks=2))
    broken = recommend(a_report(a_leading_row(-8, 0.001), looks=2, n_units=12), a_stage(looks=2))
    assert [dull.choice, falling.choice, broken.choice] == [Recommended.EXTEND, Recommended.EXTEND, Recommended.STOP]


def test_an_extension_says_what_it_would_tell() -> None:
    found = recommend(a_report(a_leading_row(2, 0.06), looks=2), a_stage(looks=2))
    (waiting,) = found.waiting
    assert (found.choice, waiting.weeks, waiting.until) == (Recommended.EXTEND, 4, "2026-05-24")
    assert 0.1 < waiting.chance < 1
    assert 0 < waiting.worth < waiting.worth_knowing
    assert waiting.visible_then == pytest.approx(waiting.visible * (8 / 12) ** 0.5)


def test_a_look_beyond_the_plan_never_advances() -> None:
    found = recommend(a_report(a_leading_row(80, 1e-9), look=3, looks=2), a_stage(looks=2))
    assert (found.choice, found.variants, found.waiting) == (Recommended.STOP, (), ())
    assert RuleCode.LOOK_MAY_ADVANCE in failed(found)


def test_a_recommendation_with_all_that_it_holds_survives_being_stored() -> None:
    stopped = recommend(a_report(a_leading_row(8, 0.001)), a_stage(gate=MONEY_GATE))
    extended = recommend(a_report(a_leading_row(2, 0.06), looks=2), a_stage(looks=2))
    for found in (stopped, extended):
        assert Recommendation.from_document(json.loads(json.dumps(found.to_document()))) == found


def test_a_recommendation_of_an_earlier_release_can_be_read() -> None:
    stored = {
        "choice": "stop",
        "variants": [],
        "rules": [{"rule": "no_harm", "passed": False, "value": 0.01, "threshold": 0.025, "variant": "card",
                   "metric": "store_total"}],
    }  # fmt: skip
    found = Recommendation.from_document(stored)
    assert (found.choice, found.cause, found.waiting) == (Recommended.STOP, None, ())
    assert found.reasons[0].reason is None


def test_money_is_judged_over_the_plans_horizon() -> None:
    """The whole set-up is charged to the stage: its own net is a loss, and over the horizon it earns."""
    chapters = money(
        net_minor=-520_000_00, net_high_minor=-400_000_00, horizon_minor=2_100_000_00,
        horizon_high_minor=2_900_000_00, horizon_high_gate_minor=3_000_000_00, p_loss_sceptical=0.01,
    )  # fmt: skip
    found = recommend(a_report(a_leading_row(8, 0.001), looks=2), a_stage(looks=2, gate=MONEY_GATE), chapters)
    assert (found.choice, found.reasons) == (Recommended.ADVANCE, ())


def test_a_loss_is_shown_at_the_confidence_of_the_gate_and_never_at_a_look_for_harm_only() -> None:
    losing = money(horizon_minor=-50_00, horizon_high_minor=-1, horizon_high_gate_minor=3, p_loss_sceptical=0.99)
    many = recommend(a_report(a_leading_row(8, 0.02), looks=2), a_stage(looks=2, gate=MONEY_GATE), losing)
    assert RuleCode.LOSS_NOT_SHOWN not in failed(many)
    lost = money(horizon_minor=-50_00, horizon_high_gate_minor=-1, p_loss_sceptical=0.99)
    few = recommend(a_report(a_leading_row(8, 0.02), looks=2, n_units=12), a_stage(looks=2, gate=MONEY_GATE), lost)
    assert few.choice is Recommended.EXTEND
    assert RuleCode.LOSS_NOT_SHOWN not in {result.rule for result in few.rules}
