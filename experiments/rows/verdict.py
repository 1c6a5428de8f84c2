"""The verdict of a row in one plain sentence: an interval over zero reads "no evidence of a difference"."""

from dataclasses import dataclass

from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Status
from experiments.monitor.looks import LookRule
from experiments.plan import Kind, MetricSpec, Plan, Role
from experiments.rows.finding import RowResult


@dataclass(frozen=True, slots=True)
class Question:
    """What a verdict is about: the row, its variants, and the level at which it is read."""

    metric: MetricSpec
    variant: str
    control: str
    segment: str | None
    level: float
    p_value: float | None
    p_adjusted: float | None
    exploratory: bool
    ratio_alarms: bool = False
    look: LookRule | None = None


def level(value: float | None, kind: Kind) -> str:
    """A mean for a table: per cent for a proportion, four digits otherwise."""
    if value is None:
        return ""
    return f"{value * 100:.4g} %" if kind is Kind.PROPORTION else amount(value, kind, signed=False)


def amount(value: float | None, kind: Kind, *, signed: bool = True) -> str:
    """A number for a sentence: points of a hundred for a proportion, four digits otherwise; an open end is "no
    limit"."""
    if value is None:
        return "no limit"
    shown = value * 100 if kind is Kind.PROPORTION else value
    text = f"{shown:+.4g}" if signed else f"{shown:.4g}"
    if abs(shown) >= 10_000:
        text = f"{shown:+,.0f}" if signed else f"{shown:,.0f}"
    return f"{text} points" if kind is Kind.PROPORTION else text


def verdict(row: RowResult, plan: Plan, question: Question) -> Message:
    """One sentence: what was found, how sure it is, and what it may not be used for."""
    found = _at_look(_found(row, plan, question), question)
    if not question.ratio_alarms:
        return found
    text = N_("{finding}; not to be relied on: the units do not stand in the ratio that was drawn")
    return Message("ratio_alarms", text, {"finding": str(found)})


def _at_look(found: Message, question: Question) -> Message:
    """``found`` with what the look lets it say: nothing good where it can only stop for harm, nothing beyond the
    plan."""
    look = question.look
    if look is None:
        return found
    if look.harm_only and found.code == "better":
        template = N_(
            "{metric}{segment}: {variant} is ahead of {control} by {effect} ({low} to {high}, p {p:p}), but this look "
            "can only stop for harm; look {planned} alone can show that it is better"
        )
        return Message("ahead", template, {**found.values, "planned": look.looks_planned})
    if look.harm_only and found.code == "guardrail_holds":
        template = N_("{finding}; this look can only stop for harm, so look {planned} has to show it again")
        return Message("harm_only_finding", template, {"finding": str(found), "planned": look.looks_planned})
    if look.exploratory and question.segment is None:
        template = N_("{finding}; look {look} is beyond the {planned} planned, so nothing in it decides")
        values: dict[str, str | int | float] = {
            "finding": str(found),
            "look": look.look,
            "planned": look.looks_planned,
        }
        return Message("beyond_plan", template, values)
    return found


def _out_of_reach(row: RowResult) -> float | None:
    """The smallest p-value that the draw can give, where that is above the level of the row."""
    for check in row.diagnostics:
        if check.check == "reach" and check.status is Status.ALARM:
            return check.value
    return None


def _found(row: RowResult, plan: Plan, question: Question) -> Message:
    metric, head = question.metric, row.headline
    low, high = head.interval
    values: dict[str, str | int | float] = {
        "metric": metric.name,
        "variant": question.variant,
        "control": question.control,
        "segment": f" ({question.segment})" if question.segment else "",
        "effect": amount(head.effect, metric.kind),
        "low": amount(low, metric.kind),
        "high": amount(high, metric.kind),
        "p": question.p_value if question.p_value is not None else 1.0,
        "margin": amount(metric.margin, metric.kind, signed=False),
    }
    smallest = _out_of_reach(row)
    if smallest is not None:
        template = N_(
            "{metric}{segment}: {variant} against {control} cannot be tested at the {level} level: the smallest "
            "p-value that this draw can give is {smallest:.2g}; the estimate {effect} is descriptive"
        )
        level_text = f"{question.level * 100:.3g} %"
        return Message("cannot_be_tested", template, {**values, "level": level_text, "smallest": smallest})
    if metric.role is Role.GUARDRAIL:
        return _guardrail(values, question, endless=low is None and high is None)
    if question.p_value is None:
        if low is None and high is None:
            template = N_("{metric}{segment}: {variant} against {control} {effect}; no test is made")
            return Message("described_without_interval", template, values)
        return Message(
            "described",
            N_("{metric}{segment}: {variant} against {control} {effect} ({low} to {high}); no test is made"),
            values,
        )
    decides = question.p_value if question.p_adjusted is None else question.p_adjusted
    if decides > question.level:
        if question.p_value <= question.level:
            return Message(
                "lost_in_family",
                N_(
                    "{metric}{segment}: {variant} against {control} {effect} ({low} to {high}, p {p:p}), but no "
                    "evidence of a difference once all comparisons of its family count"
                ),
                values,
            )
        if low is None and high is None:
            template = N_(
                "{metric}{segment}: no evidence of a difference between {variant} and {control}: {effect}, to which "
                "the data set no limit (p {p:p})"
            )
            return Message("no_evidence_endless", template, values)
        return Message(
            "no_evidence",
            N_(
                "{metric}{segment}: no evidence of a difference between {variant} and {control}: {effect} ({low} to "
                "{high}, p {p:p})"
            ),
            values,
        )
    if question.exploratory or not plan.is_randomised:
        template = (
            N_(
                "{metric}{segment}: {variant} differs from {control} by {effect} ({low} to {high}, p {p:p}); "
                "exploratory"
            )
            if question.exploratory
            else N_(
                "{metric}{segment}: {variant} differs from {control} by {effect} ({low} to {high}, p {p:p}); "
                "observational, so other causes are possible"
            )
        )
        return Message("exploratory" if question.exploratory else "observational_difference", template, values)
    better = (head.effect > 0) == metric.good_is_up
    template = (
        N_("{metric}{segment}: {variant} is better than {control} by {effect} ({low} to {high}, p {p:p})")
        if better
        else N_("{metric}{segment}: {variant} is worse than {control} by {effect} ({low} to {high}, p {p:p})")
    )
    return Message("better" if better else "worse", template, values)


def _guardrail(values: dict[str, str | int | float], question: Question, *, endless: bool) -> Message:
    if question.p_value is not None and question.p_value <= question.level:
        return Message(
            "guardrail_holds",
            N_(
                "{metric}{segment}: a loss of {margin} or more in {variant} against {control} is ruled out "
                "({effect}, {low} to {high}, p {p:p})"
            ),
            values,
        )
    if endless:
        template = N_(
            "{metric}{segment}: a loss of {margin} or more in {variant} against {control} cannot be ruled out "
            "({effect}, to which the data set no limit, p {p:p})"
        )
        return Message("guardrail_open_endless", template, values)
    return Message(
        "guardrail_open",
        N_(
            "{metric}{segment}: a loss of {margin} or more in {variant} against {control} cannot be ruled out "
            "({effect}, {low} to {high}, p {p:p})"
        ),
        values,
    )
