"""What the gate's own rules say about a report: advance, extend or stop, with every rule, its value and threshold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from experiments.look.report import LookReport, ReportRow, Status
from pilot.planning.plan import GateRule, StagePlan


class Recommended(StrEnum):
    """What a report recommends; the executives choose."""

    ADVANCE = "advance"
    EXTEND = "extend"
    STOP = "stop"


class RuleCode(StrEnum):
    """The rules of a gate. ``sentences.RULES`` says each in words."""

    LOOK_MAY_ADVANCE = "look_may_advance"
    LEADING_ESTIMATED = "leading_estimated"
    LEADING_IMPROVES = "leading_improves"
    LEADING_TRUSTED = "leading_trusted"
    NO_HARM = "no_harm"
    GUARDRAIL_HOLDS = "guardrail_holds"
    GUARDRAIL_NOT_BROKEN = "guardrail_not_broken"
    NO_ALARM = "no_alarm"


# A broken rule of these means harm is shown: the pilot should stop at any look, however many looks are left.
HARM_RULES = frozenset({RuleCode.NO_HARM, RuleCode.GUARDRAIL_NOT_BROKEN})


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule applied: ``passed`` because ``value`` stands so against ``threshold`` (either None where there is none).

    ``variant`` and ``metric`` are None where the rule is about the whole report.
    """

    rule: RuleCode
    passed: bool
    value: float | None = None
    threshold: float | None = None
    variant: str | None = None
    metric: str | None = None

    def to_document(self) -> dict[str, Any]:
        """JSON-able data."""
        return {name: getattr(self, name) for name in RuleResult.__slots__} | {"rule": self.rule.value}

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> "RuleResult":
        return cls(**{**stored, "rule": RuleCode(stored["rule"])})


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The choice, the variants that passed every rule, and all rules; the reasons are those that were not passed."""

    choice: Recommended
    variants: tuple[str, ...]
    rules: tuple[RuleResult, ...]

    @property
    def reasons(self) -> tuple[RuleResult, ...]:
        """The rules that speak against advancing."""
        return tuple(result for result in self.rules if not result.passed)

    def to_document(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "choice": self.choice.value,
            "variants": list(self.variants),
            "rules": [result.to_document() for result in self.rules],
        }

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> "Recommendation":
        return cls(
            Recommended(stored["choice"]),
            tuple(stored["variants"]),
            tuple(RuleResult.from_document(rule) for rule in stored["rules"]),
        )


def recommend(report: LookReport, planned: StagePlan) -> Recommendation:
    """Apply the gate's rules to each variant of ``report``.

    A variant that passes every rule takes the pilot on (*advance*). Otherwise harm to every variant that is left means
    *stop*; so does the last planned look. With looks left, *extend*.
    """
    common = tuple(result for rule in _OF_REPORT for result in rule(report, planned))
    variants = tuple(dict.fromkeys(row.variant for row in report.rows))
    by_variant = {
        variant: tuple(result for rule in _OF_VARIANT for result in rule(report, planned, variant))
        for variant in variants
    }
    good = tuple(v for v in variants if all(result.passed for result in (*common, *by_variant[v])))
    harmful = [v for v in variants if any(r.rule in HARM_RULES and not r.passed for r in by_variant[v])]
    rules = (*common, *(result for variant in variants for result in by_variant[variant]))
    if good:
        choice = Recommended.ADVANCE
    elif len(harmful) == len(variants) or report.look.look >= planned.looks:
        choice = Recommended.STOP
    else:
        choice = Recommended.EXTEND
    return Recommendation(choice, good, rules)


def _look_may_advance(report: LookReport, _: StagePlan) -> list[RuleResult]:
    look = report.look
    return [RuleResult(RuleCode.LOOK_MAY_ADVANCE, look.may_advance, float(look.look), float(look.looks_planned))]


def _no_alarm(report: LookReport, planned: StagePlan) -> list[RuleResult]:
    if GateRule.NO_ALARM not in planned.gate:
        return []
    alarms = sum(diagnostic.status is Status.ALARM for diagnostic in report.diagnostics)
    return [RuleResult(RuleCode.NO_ALARM, alarms == 0, float(alarms), 0.0)]


def _leading(report: LookReport, planned: StagePlan, variant: str) -> list[RuleResult]:
    """Every leading row of the variant: estimated, trusted, and better where the gate demands it."""
    rows = [row for row in report.leading_rows if row.variant == variant]
    if not rows:
        return [RuleResult(RuleCode.LEADING_ESTIMATED, passed=False, variant=variant)]
    demanded = GateRule.LEADING_METRIC in planned.gate
    results = []
    for row in rows:
        on = (variant, row.metric)
        results.append(RuleResult(RuleCode.LEADING_ESTIMATED, row.estimate is not None, None, None, *on))
        results.append(RuleResult(RuleCode.LEADING_TRUSTED, not row.blocked, None, None, *on))
        if row.estimate is not None and demanded and report.look.may_advance:
            p_value = row.estimate.p_value if row.p_value_adjusted is None else row.p_value_adjusted
            # The effect alone: whether it can be believed is the rule above.
            better = p_value <= report.look.level and (row.estimate.effect > 0) == (row.direction == "up")
            results.append(RuleResult(RuleCode.LEADING_IMPROVES, better, p_value, report.look.level, *on))
    return results


def _no_harm(report: LookReport, _: StagePlan, variant: str) -> list[RuleResult]:
    look = report.look
    return [
        RuleResult(
            RuleCode.NO_HARM,
            not row.harms(look),
            row.p_harm,
            look.level if look.harm_only else look.level / 2.0,
            variant,
            row.metric,
        )
        for row in report.leading_rows
        if row.variant == variant and row.p_harm is not None
    ]


def _guardrails(report: LookReport, planned: StagePlan, variant: str) -> list[RuleResult]:
    """Each guardrail holds (the loss is smaller than its margin), and none is shown to be broken."""
    results = []
    for row in report.rows:
        if row.variant != variant or row.segment is not None or row.role != "guardrail":
            continue
        guard = row.non_inferiority
        if GateRule.GUARDRAILS in planned.gate:
            p_value = guard.p_value if guard else None
            holds = guard is not None and guard.holds
            results.append(RuleResult(RuleCode.GUARDRAIL_HOLDS, holds, p_value, report.look.level, variant, row.metric))
        if guard is not None and row.interval_gate is not None:
            best = _best_case(row)
            broken = best is not None and best < -guard.margin
            results.append(
                RuleResult(RuleCode.GUARDRAIL_NOT_BROKEN, not broken, best, -guard.margin, variant, row.metric)
            )
    return results


def _best_case(row: ReportRow) -> float | None:
    """The good end of the gate's interval, counted so that more is better; None where there is no limit."""
    if row.interval_gate is None:
        return None
    lower, upper = row.interval_gate
    if row.direction == "up":
        return upper
    return None if lower is None else -lower


_OF_REPORT: tuple[Callable[[LookReport, StagePlan], list[RuleResult]], ...] = (_look_may_advance, _no_alarm)
_OF_VARIANT: tuple[Callable[[LookReport, StagePlan, str], list[RuleResult]], ...] = (_leading, _no_harm, _guardrails)
