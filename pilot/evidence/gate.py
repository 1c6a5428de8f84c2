"""The gate of a stage: each rule applied to a look, and what follows. Everything comes from the frozen evidence.

Harm stops in two ways: the test of harm fires at the level of the look, or a fall of more than the plan's own share (at
least one standard deviation of the sceptical prior, which by itself starts at 16 %) is likelier than the plan allows,
given that prior, while the estimate itself is bad. Futility: the largest chance that the last look could advance, given
the neutral prior.
Money: the chapter's own numbers. A look beyond the planned ones passes no gate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.estimate.estimate import Estimate
from experiments.forecast.futility import Outlook, chance_to_advance, visible_effect
from experiments.forecast.shrinkage import Prior
from experiments.forecast.waiting import value_of_waiting
from experiments.look.report import LookReport, ReportRow, Status
from experiments.monitor.looks import look_rule
from pilot.evidence.chapters.registry import REFUSAL, ChapterCode, refusal_of
from pilot.evidence.recommendation import Recommendation, RuleCode, RuleResult, Waiting, conclude
from pilot.planning.economics import store_total_break_even_share
from pilot.planning.plan import STORE_TOTAL, GateRule, Plan, StagePlan
from pilot.planning.plan_parts import PlannedPrior
from pilot.words import N_, Message

_CHANCE_UNKNOWN = Message("loss_unknown", N_("the probability of a loss cannot be said: stores do not differ"), {})
_PAID_ONCE = ("setup", "stores")
_NOT_IN_REPORT = Message("money_not_in_report", N_("the report has no account of the money"), {})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a gate reads: the look's analysis, the chapters beside it, and the plan under which the stage was drawn."""

    report: LookReport
    plan: Plan
    stage: StagePlan
    chapters: Mapping[str, Mapping[str, Any]]

    @property
    def look_left(self) -> bool:
        """Whether a planned look comes after this one."""
        return self.report.look.look < self.stage.looks

    def leading(self, variant: str) -> list[ReportRow]:
        """The rows of the variant that decide."""
        return [row for row in self.report.leading_rows if row.variant == variant]


def recommend(
    report: LookReport, plan: Plan, stage: StagePlan, chapters: Mapping[str, Mapping[str, Any]] | None = None
) -> Recommendation:
    """Apply the gate's rules to each variant of ``report``; ``chapters`` are those computed with it."""
    evidence = Evidence(report, plan, stage, chapters or {})
    variants = tuple(dict.fromkeys(row.variant for row in report.rows))
    return conclude(
        tuple(result for rule in _OF_REPORT for result in rule(evidence)),
        {variant: tuple(result for rule in _OF_VARIANT for result in rule(evidence, variant)) for variant in variants},
        look_left=evidence.look_left,
        waiting=tuple(one for variant in variants for one in _waiting(evidence, variant)),
    )


def _look_may_advance(evidence: Evidence) -> list[RuleResult]:
    look = evidence.report.look
    may = look.may_advance and not look.exploratory
    return [RuleResult(RuleCode.LOOK_MAY_ADVANCE, may, float(look.look), float(look.looks_planned))]


def _no_alarm(evidence: Evidence) -> list[RuleResult]:
    if GateRule.NO_ALARM not in evidence.stage.gate:
        return []
    alarms = sum(diagnostic.status is Status.ALARM for diagnostic in evidence.report.diagnostics)
    return [RuleResult(RuleCode.NO_ALARM, alarms == 0, float(alarms), 0.0)]


def _leading(evidence: Evidence, variant: str) -> list[RuleResult]:
    """Every leading row of the variant: estimated, trusted, and better where the gate demands it."""
    rows, look = evidence.leading(variant), evidence.report.look
    if not rows:
        return [RuleResult(RuleCode.LEADING_ESTIMATED, passed=False, variant=variant)]
    demanded = GateRule.LEADING_METRIC in evidence.stage.gate
    results = []
    for row in rows:
        on = (variant, row.metric)
        results.append(RuleResult(RuleCode.LEADING_ESTIMATED, row.estimate is not None, None, None, *on))
        results.append(RuleResult(RuleCode.LEADING_TRUSTED, not row.blocked, None, None, *on))
        if row.estimate is not None and demanded and look.may_advance:
            p_value = row.estimate.p_value if row.p_value_adjusted is None else row.p_value_adjusted
            # The effect alone: whether it can be believed is the rule above.
            better = p_value <= look.level and (row.estimate.effect > 0) == (row.direction == "up")
            results.append(RuleResult(RuleCode.LEADING_IMPROVES, better, p_value, look.level, *on))
    return results


def _more_than_identification(evidence: Evidence, variant: str) -> list[RuleResult]:
    """The account of the store total: a program that only made shoppers show their card does not pass."""
    found = evidence.chapters.get(ChapterCode.SWIPED.value, {}).get("variants", {}).get(variant, {})
    if "only_identification" not in found:
        return []
    return [RuleResult(RuleCode.MORE_THAN_IDENTIFICATION, not found["only_identification"], variant=variant)]


def _no_harm(evidence: Evidence, variant: str) -> list[RuleResult]:
    """The one-sided test of harm at the level of the look, and the probability of a fall that matters."""
    look, results = evidence.report.look, []
    for row in evidence.leading(variant):
        if row.p_harm is not None:
            level = look.level if look.harm_only else look.level / 2.0
            harms = row.harms(look)
            results.append(RuleResult(RuleCode.NO_HARM, not harms, row.p_harm, level, variant, row.metric))
        chance = _chance_of_a_fall(evidence, row)
        if chance is not None:
            most = float(evidence.plan.thresholds.harm_probability)
            results.append(RuleResult(RuleCode.HARM_UNLIKELY, chance <= most, chance, most, variant, row.metric))
    return results


def _chance_of_a_fall(evidence: Evidence, row: ReportRow) -> float | None:
    """P(a fall of more than the plan's ``harm_share`` of control's mean), given the sceptical prior; None where it
    cannot be said.

    The fall is at least one standard deviation of that prior: a wide prior by itself makes no fall likelier than 16 %.
    0 where the estimate itself is not bad: a prior alone stops nobody. With few units only the test stops a look
    before the last.
    """
    from experiments.forecast.harm import posterior

    estimate, look = row.estimate, evidence.report.look
    if estimate is None or not _can_be_weighed(estimate) or look.exploratory or look.harm_only:
        return None
    prior = _prior("sceptical", evidence.plan.priors.sceptical, estimate)
    margin = max(float(evidence.plan.thresholds.harm_share) * abs(estimate.mean_control), prior.sd)
    good = _good(row, estimate)
    if good >= 0.0:
        return 0.0
    return posterior(good, estimate.std_error, _df(row), prior).probability_below(-margin)


def _not_futile(evidence: Evidence, variant: str) -> list[RuleResult]:
    """While a look is left, the last one must still have a chance to advance; a look for harm only does not ask."""
    if GateRule.LEADING_METRIC not in evidence.stage.gate or evidence.report.look.harm_only:
        return []
    least = float(evidence.plan.thresholds.futility_probability)
    return [
        RuleResult(RuleCode.NOT_FUTILE, found.chance >= least, found.chance, least, variant, row.metric)
        for row in evidence.leading(variant)
        if (found := _outlook(evidence, row, evidence.stage.looks)) is not None
    ]


def _guardrails(evidence: Evidence, variant: str) -> list[RuleResult]:
    """Each guardrail holds (the loss is smaller than its margin), and none is shown to be broken."""
    results = []
    for row in evidence.report.rows:
        if row.variant != variant or row.segment is not None or row.role != "guardrail":
            continue
        guard, level = row.non_inferiority, evidence.report.look.level
        if GateRule.GUARDRAILS in evidence.stage.gate:
            p_value = guard.p_value if guard else None
            holds = guard is not None and guard.holds
            results.append(RuleResult(RuleCode.GUARDRAIL_HOLDS, holds, p_value, level, variant, row.metric))
        if guard is not None and row.interval_gate is not None:
            best = _best_case(row)
            broken = best is not None and best < -guard.margin
            results.append(
                RuleResult(RuleCode.GUARDRAIL_NOT_BROKEN, not broken, best, -guard.margin, variant, row.metric)
            )
    return results


def _money(evidence: Evidence, variant: str) -> list[RuleResult]:
    """Where the gate asks for it: the net is positive, a loss is unlikely given the sceptical prior, none is shown.

    All three are over the plan's horizon (documents of before: of the stage). A loss is shown at the confidence of the
    gate; a look that can only stop for harm does not ask.
    """
    look = evidence.report.look
    if GateRule.MONEY not in evidence.stage.gate:
        return []
    chapter = evidence.chapters.get(ChapterCode.MONEY.value, {})
    found = chapter.get("variants", {}).get(variant, {})
    if REFUSAL in chapter or REFUSAL in found or "net_minor" not in found:
        reason = refusal_of(dict(chapter)) or refusal_of(dict(found)) or _NOT_IN_REPORT
        return [RuleResult(RuleCode.MONEY_RECKONED, passed=False, variant=variant, reason=reason)]
    net = float(found.get("horizon_minor", found["net_minor"]))
    high = found.get("horizon_high_gate_minor", found.get("horizon_high_minor", found.get("net_high_minor")))
    loss, most = found.get("p_loss_sceptical"), float(evidence.plan.thresholds.loss_probability)
    unknown = None if loss is not None else _CHANCE_UNKNOWN
    results = [
        RuleResult(RuleCode.MONEY_EARNED, net > 0, net, 0.0, variant),
        RuleResult(RuleCode.LOSS_UNLIKELY, loss is not None and loss <= most, loss, most, variant, reason=unknown),
    ]
    if not (look.harm_only or look.exploratory):
        shown = None if high is None else float(high)
        results.append(RuleResult(RuleCode.LOSS_NOT_SHOWN, shown is None or shown >= 0.0, shown, 0.0, variant))
    return results


def _waiting(evidence: Evidence, variant: str) -> list[Waiting]:
    """What an extension to the next look would tell, for each leading row with an estimate."""
    stage, look, results = evidence.stage, evidence.report.look, []
    for row in evidence.leading(variant):
        nearest = _outlook(evidence, row, look.look + 1)
        last = _outlook(evidence, row, stage.looks)
        if nearest is None or last is None or nearest.new_error is None or row.estimate is None:
            continue
        share = store_total_break_even_share(evidence.plan, variant) if row.metric == STORE_TOTAL else None
        pays = None if share is None or isinstance(share, Message) else float(share) * row.estimate.mean_control
        gain = value_of_waiting(
            prior_mean=nearest.mean, prior_sd=nearest.sd, std_error=nearest.new_error, break_even=pays or 0.0
        )
        level = _level(evidence, stage.looks)
        visible = visible_effect(row.estimate.std_error, _df(row), level=level)
        shrinks = (stage.ends_on(look.look) - stage.starts_on).days + 1
        grows = (stage.ends_on(look.look + 1) - stage.starts_on).days + 1
        results.append(
            Waiting(
                variant, row.metric, stage.extension_weeks, stage.ends_on(look.look + 1).isoformat(), last.chance,
                gain.evsi, gain.evpi, visible, visible * (shrinks / grows) ** 0.5, pays,
                **(_in_money(evidence, variant, gain.evsi) if pays is not None else {}),
            )
        )  # fmt: skip
    return results


def _in_money(evidence: Evidence, variant: str, worth: float) -> dict[str, int]:
    """The worth of waiting and the cost of the extension in minor units; nothing where the money is not reckoned.

    A unit of sales a store-week is worth its margin, over the plan's horizon in the stores treated now. What runs costs
    what it did in the stage so far; set-up and stores are paid already.
    """
    chapter = evidence.chapters.get(ChapterCode.MONEY.value, {})
    found = chapter.get("variants", {}).get(variant, {})
    if REFUSAL in chapter or REFUSAL in found or not found.get("store_weeks"):
        return {}
    weeks = (evidence.stage.ends_on(evidence.report.look.look) - evidence.stage.starts_on).days // 7 + 1
    running = sum(row["amount_minor"] for row in found["account"] if row["code"] not in ("margin", *_PAID_ONCE))
    horizon, stores = int(chapter["horizon_weeks"]), int(found["stores"])
    return {
        "worth_minor": round(worth * float(chapter["margin_rate"]) * stores * horizon),
        "cost_minor": round(-running * evidence.stage.extension_weeks / weeks),
        "horizon_weeks": horizon,
        "stores": stores,
    }


def _outlook(evidence: Evidence, row: ReportRow, until_look: int) -> Outlook | None:
    """What a later look could show; None where none is left, or where the row cannot be trusted anyway."""
    stage, look, estimate = evidence.stage, evidence.report.look, row.estimate
    if not evidence.look_left or look.exploratory or row.blocked or estimate is None or not _can_be_weighed(estimate):
        return None
    return chance_to_advance(
        _good(row, estimate),
        estimate.std_error,
        _df(row),
        prior=_prior("neutral", evidence.plan.priors.neutral, estimate),
        level=_level(evidence, until_look),
        growth=((stage.ends_on(until_look) - stage.starts_on).days + 1)
        / ((stage.ends_on(look.look) - stage.starts_on).days + 1),
    )


def _level(evidence: Evidence, look: int) -> float:
    report = evidence.report
    return look_rule(look, report.look.looks_planned, n_units=report.n_units, alpha=report.alpha).level


def _can_be_weighed(estimate: Estimate) -> bool:
    return estimate.std_error > 0.0 and estimate.mean_control > 0.0


def _prior(name: str, planned: PlannedPrior, estimate: Estimate) -> Prior:
    """The plan's prior, a share of control's mean, in the metric's unit; what is good counts as positive."""
    mean = estimate.mean_control
    return Prior(name, float(planned.mean_share) * mean, float(planned.sd_share) * mean, planned.source)


def _good(row: ReportRow, estimate: Estimate) -> float:
    return estimate.effect if row.direction == "up" else -estimate.effect


def _df(row: ReportRow) -> float | None:
    """Degrees of freedom of the row's error; where it comes from permutation, those of the regression beside."""
    estimates = (row.estimate, *row.alternatives)
    return next((one.df for one in estimates if one is not None and one.df is not None), None)


def _best_case(row: ReportRow) -> float | None:
    """The good end of the gate's interval, counted so that more is better; None where there is no limit."""
    if row.interval_gate is None:
        return None
    lower, upper = row.interval_gate
    if row.direction == "up":
        return upper
    return None if lower is None else -lower


_OF_REPORT: tuple[Callable[[Evidence], list[RuleResult]], ...] = (_look_may_advance, _no_alarm)
_OF_VARIANT: tuple[Callable[[Evidence, str], list[RuleResult]], ...] = (
    _leading, _more_than_identification, _no_harm, _not_futile, _guardrails, _money,
)  # fmt: skip
