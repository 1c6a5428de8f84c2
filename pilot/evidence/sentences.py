"""Words for the codes of a report: rules, stamps, methods, checks, recommendations. Numbers are for presenters."""

from collections.abc import Sequence

from experiments.estimate.estimate import Method
from experiments.look.report import Stamp
from pilot.evidence.recommendation import Cause, Recommended, RuleCode
from pilot.planning.candidate_words import COVARIATES
from pilot.words import N_, Message, SpokenMessage

RULES: dict[RuleCode, Message] = {
    RuleCode.LOOK_MAY_ADVANCE: Message("rule_look", N_("This look may take the pilot on")),
    RuleCode.LEADING_ESTIMATED: Message("rule_estimated", N_("The leading metric can be estimated")),
    RuleCode.LEADING_IMPROVES: Message("rule_improves", N_("The leading metric moved the right way, beyond chance")),
    RuleCode.LEADING_TRUSTED: Message("rule_trusted", N_("The leading metric carries no stamp that blocks it")),
    RuleCode.NO_HARM: Message("rule_no_harm", N_("The leading metric shows no harm")),
    RuleCode.GUARDRAIL_HOLDS: Message(
        "rule_guardrail", N_("The guardrail holds: a loss beyond its margin is ruled out")
    ),
    RuleCode.GUARDRAIL_NOT_BROKEN: Message("rule_not_broken", N_("The guardrail is not shown to be broken")),
    RuleCode.MORE_THAN_IDENTIFICATION: Message(
        "rule_more_than_identification", N_("More than the showing of cards has changed")
    ),
    RuleCode.HARM_UNLIKELY: Message(
        "rule_harm_unlikely", N_("A fall that matters is unlikely, given the sceptical prior")
    ),
    RuleCode.NOT_FUTILE: Message(
        "rule_not_futile", N_("The last look still has a chance to advance, given the neutral prior")
    ),
    RuleCode.MONEY_RECKONED: Message("rule_money_reckoned", N_("What it earns can be reckoned")),
    RuleCode.MONEY_EARNED: Message("rule_money_earned", N_("Over the plan's horizon it earns more than it costs")),
    RuleCode.LOSS_UNLIKELY: Message(
        "rule_loss_unlikely", N_("A loss over the plan's horizon is unlikely, given the sceptical prior")
    ),
    RuleCode.LOSS_NOT_SHOWN: Message(
        "rule_loss_not_shown", N_("It is not shown to lose money over the plan's horizon")
    ),
    RuleCode.NO_ALARM: Message("rule_no_alarm", N_("No check of the experiment itself gives an alarm")),
}

RECOMMENDATIONS: dict[Recommended, Message] = {
    Recommended.ADVANCE: Message("recommend_advance", N_("Advance: every rule of the gate is met")),
    Recommended.EXTEND: Message("recommend_extend", N_("Extend: the gate is not met yet, and a planned look is left")),
    Recommended.STOP: Message("recommend_stop", N_("Stop: the gate is not met")),
}

CAUSES: dict[Cause, Message] = {
    Cause.HARM: Message("cause_harm", N_("harm is shown, or too likely given the sceptical prior")),
    Cause.MONEY: Message("cause_money", N_("it does not earn its cost")),
    Cause.FUTILITY: Message("cause_futility", N_("the looks that are left could hardly change the picture")),
    Cause.IDENTIFICATION: Message("cause_identification", N_("only identification rose: cards were shown more often")),
    Cause.EVIDENCE: Message("cause_evidence", N_("the planned looks are over and the evidence does not carry it")),
}

STAMPS: dict[Stamp, Message] = {
    Stamp.MAY_BE_IDENTIFICATION: Message(
        "stamp_identification", N_("May be identification: shoppers may have shown their card more, not bought more")
    ),
    Stamp.IDENTIFICATION_NOT_TESTED: Message(
        "stamp_not_tested", N_("Identification could not be tested: nothing separates buying from showing the card")
    ),
    Stamp.ASSUMES_SAME_EFFECT: Message("stamp_same_effect", N_("Assumes the same effect in every store")),
    Stamp.UNITS_LOST: Message(
        "stamp_lost", N_("Units were lost after the draw and left the headline with their pairs")
    ),
    Stamp.UNITS_EMPTY: Message(
        "stamp_empty", N_("Units with nobody to measure here stay out, where units were paired with their partner")
    ),
    Stamp.NO_COVARIATE: Message("stamp_no_covariate", N_("Not adjusted by the period before the start")),
    Stamp.EXPLORATORY: Message("stamp_exploratory", N_("Exploratory: no decision can rest on it")),
}

METHODS: dict[Method, Message] = {
    Method.PERMUTATION: Message("method_permutation", N_("Permutation over the recorded draw")),
    Method.PERMUTATION_STUDENTISED: Message(
        "method_permutation_studentised", N_("Permutation over the recorded draw, studentised")
    ),
    Method.REGRESSION_T: Message("method_regression_t", N_("Regression on unit means, t interval")),
    Method.CR2: Message("method_cr2", N_("Regression on unit means, CR2 error with Bell–McCaffrey degrees of freedom")),
    Method.UNPAIRED_CR2: Message("method_unpaired_cr2", N_("The same with the partners of lost units, without pairs")),
    Method.CUSTOMER_WEIGHTED: Message(
        "method_customer_weighted", N_("Every customer counts once instead of every store; CR2 error by store")
    ),
    Method.WELCH: Message("method_welch", N_("Welch's t test")),
    Method.WELCH_ADJUSTED: Message("method_welch_adjusted", N_("Welch's t test, adjusted by the period before")),
    Method.WELCH_DELTA: Message("method_welch_delta", N_("Ratio of means, delta method")),
    Method.WELCH_DELTA_ADJUSTED: Message(
        "method_welch_delta_adjusted", N_("Ratio of means, delta method, adjusted by the period before")
    ),
}

CHECKS: dict[str, Message] = {
    "sample_ratio": Message("check_sample_ratio", N_("Sample ratio")),
    "rows_per_unit": Message("check_rows_per_unit", N_("Customers per unit")),
    "smallest_p": Message("check_smallest_p", N_("Smallest p-value this draw can give")),
    "balance": Message("check_balance", N_("Balance before the start")),
    "identification": Message("check_identification", N_("Identification rate")),
}

CONTROL = Message("variant_control", N_("Control"))


def check_title(check: str) -> Message:
    """The title of a diagnostic, such as ``balance:net_minor_per_week``; its own code where the table has none."""
    return CHECKS.get(check.split(":", 1)[0], Message("check", "{check}", {"check": check}))


def check_sentence(said: SpokenMessage) -> Message:
    """What a diagnostic says, with the covariate that it is about in words instead of its code."""
    label = COVARIATES.get(said.values.get("covariate", ""))
    return Message("check", said.template, {**said.values, **({"covariate": label} if label else {})})


def report_ready(pilot: str, stage: int, choice: Recommended, without: Sequence[str] = ()) -> Message:
    """What the author reads when a report of their stage is frozen; ``without`` names variants that must not go on."""
    templates = {
        Recommended.ADVANCE: N_("The report on stage {stage} of “{pilot}” is ready. It recommends to advance."),
        Recommended.EXTEND: N_("The report on stage {stage} of “{pilot}” is ready. It recommends to extend."),
        Recommended.STOP: N_("The report on stage {stage} of “{pilot}” is ready. It recommends to stop."),
    }
    narrower = {
        Recommended.ADVANCE: N_(
            "The report on stage {stage} of “{pilot}” is ready. It recommends to advance without {without}."
        ),
        Recommended.EXTEND: N_(
            "The report on stage {stage} of “{pilot}” is ready. It recommends to extend without {without}."
        ),
    }
    values = {"pilot": pilot, "stage": stage}
    if without and choice in narrower:
        names = ", ".join(f"“{name}”" for name in without)
        return Message(f"report_ready_{choice.value}_without", narrower[choice], {**values, "without": names})
    return Message(f"report_ready_{choice.value}", templates[choice], values)
