"""What the gate's own rules say about a report: advance, extend or stop, why, and what waiting would tell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pilot.words import Message


class Recommended(StrEnum):
    """What a report recommends; the executives choose."""

    ADVANCE = "advance"
    EXTEND = "extend"
    STOP = "stop"


class Cause(StrEnum):
    """Why a report recommends to stop."""

    HARM = "harm"
    MONEY = "money"
    FUTILITY = "futility"
    IDENTIFICATION = "identification"
    EVIDENCE = "evidence"


class RuleCode(StrEnum):
    """The rules of a gate. ``sentences.RULES`` says each in words."""

    LOOK_MAY_ADVANCE = "look_may_advance"
    LEADING_ESTIMATED = "leading_estimated"
    LEADING_IMPROVES = "leading_improves"
    LEADING_TRUSTED = "leading_trusted"
    MORE_THAN_IDENTIFICATION = "more_than_identification"
    NO_HARM = "no_harm"
    HARM_UNLIKELY = "harm_unlikely"
    NOT_FUTILE = "not_futile"
    GUARDRAIL_HOLDS = "guardrail_holds"
    GUARDRAIL_NOT_BROKEN = "guardrail_not_broken"
    MONEY_RECKONED = "money_reckoned"
    MONEY_EARNED = "money_earned"
    LOSS_UNLIKELY = "loss_unlikely"
    LOSS_NOT_SHOWN = "loss_not_shown"
    NO_ALARM = "no_alarm"


# A rule of these that is not passed stops the pilot at any look, however many looks are left; the first cause counts.
STOPS: Mapping[RuleCode, Cause] = {
    RuleCode.NO_HARM: Cause.HARM,
    RuleCode.HARM_UNLIKELY: Cause.HARM,
    RuleCode.GUARDRAIL_NOT_BROKEN: Cause.HARM,
    RuleCode.LOSS_NOT_SHOWN: Cause.MONEY,
    RuleCode.NOT_FUTILE: Cause.FUTILITY,
}
# At the last look: what stopped the best variant, where it is one of these.
_AT_THE_END: Mapping[RuleCode, Cause] = {
    RuleCode.MORE_THAN_IDENTIFICATION: Cause.IDENTIFICATION,
    RuleCode.MONEY_RECKONED: Cause.MONEY,
    RuleCode.MONEY_EARNED: Cause.MONEY,
    RuleCode.LOSS_UNLIKELY: Cause.MONEY,
}


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule applied: ``passed`` because ``value`` stands so against ``threshold`` (either None where there is none).

    ``variant`` and ``metric`` are None where the rule is about the whole report; ``reason`` says why a rule could not
    be applied.
    """

    rule: RuleCode
    passed: bool
    value: float | None = None
    threshold: float | None = None
    variant: str | None = None
    metric: str | None = None
    reason: Message | None = None

    def to_document(self) -> dict[str, Any]:
        """JSON-able data; a reason only where there is one, as in documents of before."""
        plain = {name: getattr(self, name) for name in RuleResult.__slots__ if name != "reason"}
        reason = {"reason": self.reason.to_dict()} if self.reason else {}
        return plain | {"rule": self.rule.value} | reason

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> "RuleResult":
        reason = {"reason": Message.from_dict(stored["reason"])} if stored.get("reason") else {}
        return cls(**{**stored, "rule": RuleCode(stored["rule"]), **reason})


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the extension to the next planned look would tell about one leading row, in the metric's own unit.

    It runs ``weeks`` more, ``until`` (ISO). ``chance``: that the last look advances, given the neutral prior.
    ``worth``: what deciding after it is worth on average against deciding now, for every unit and week that the
    decision is about; ``worth_knowing``: what knowing the effect would be. The smallest effect it sees falls from
    ``visible`` at best to ``visible_then``; where stores differ for good it falls less. ``break_even`` is None where
    the plan cannot reckon it; the worth is then against an effect of nothing.

    In money, where it can be reckoned: ``worth_minor`` is the worth over the plan's ``horizon_weeks`` in the
    ``stores`` that are treated now, before ``cost_minor``, what the extension costs at the stage's rate.
    """

    variant: str
    metric: str
    weeks: int
    until: str
    chance: float
    worth: float
    worth_knowing: float
    visible: float
    visible_then: float
    break_even: float | None
    worth_minor: int | None = None
    cost_minor: int | None = None
    horizon_weeks: int | None = None
    stores: int | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The choice, the variants that passed every rule, and all rules; the reasons are those that were not passed.

    ``cause`` is there where the choice is to stop (and was stored), ``waiting`` where a planned look is left.
    """

    choice: Recommended
    variants: tuple[str, ...]
    rules: tuple[RuleResult, ...]
    cause: Cause | None = None
    waiting: tuple[Waiting, ...] = ()

    @property
    def dropped(self) -> dict[str, Cause]:
        """The variants that a rule of ``STOPS`` speaks against while the pilot may go on with others, and why; nothing
        where all of them stop."""
        if self.choice is Recommended.STOP:
            return {}
        by_variant: dict[str, list[RuleResult]] = {}
        for result in self.rules:
            if result.variant is not None:
                by_variant.setdefault(result.variant, []).append(result)
        found = {variant: _first(tuple(results), STOPS) for variant, results in by_variant.items()}
        return {variant: cause for variant, cause in found.items() if cause is not None}

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
            "cause": self.cause.value if self.cause else None,
            "waiting": [{name: getattr(one, name) for name in Waiting.__slots__} for one in self.waiting],
        }

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> "Recommendation":
        """What ``to_document`` wrote, or an earlier release, which knew neither cause nor waiting."""
        return cls(
            Recommended(stored["choice"]),
            tuple(stored["variants"]),
            tuple(RuleResult.from_document(rule) for rule in stored["rules"]),
            Cause(stored["cause"]) if stored.get("cause") else None,
            tuple(Waiting(**one) for one in stored.get("waiting", ())),
        )


def conclude(
    common: tuple[RuleResult, ...],
    by_variant: Mapping[str, tuple[RuleResult, ...]],
    *,
    look_left: bool,
    waiting: tuple[Waiting, ...] = (),
) -> Recommendation:
    """The choice that follows from the rules.

    A variant that passes every rule takes the pilot on. Otherwise the pilot stops when every variant is stopped by a
    rule of ``STOPS``, or when no planned look is left; and runs on for one more look when one is.
    """
    rules = (*common, *(result for results in by_variant.values() for result in results))
    good = tuple(v for v, results in by_variant.items() if all(r.passed for r in (*common, *results)))
    if good:
        return Recommendation(Recommended.ADVANCE, good, rules, None, waiting)
    stopped = {v: found for v, results in by_variant.items() if (found := _first(results, STOPS))}
    if by_variant and len(stopped) == len(by_variant):
        return Recommendation(Recommended.STOP, (), rules, _gravest(stopped.values()), waiting)
    if look_left:
        return Recommendation(Recommended.EXTEND, (), rules, None, waiting)
    ends = [_first(results, STOPS) or _first(results, _AT_THE_END) or Cause.EVIDENCE for results in by_variant.values()]
    return Recommendation(Recommended.STOP, (), rules, _gravest(ends) if ends else Cause.EVIDENCE, waiting)


def _first(results: tuple[RuleResult, ...], causes: Mapping[RuleCode, Cause]) -> Cause | None:
    """The cause of the first rule of ``causes``, in its order, that was not passed."""
    failed = {result.rule for result in results if not result.passed}
    return next((cause for rule, cause in causes.items() if rule in failed), None)


def _gravest(causes: Iterable[Cause]) -> Cause:
    return min(causes, key=tuple(Cause).index)
