"""``analyze``: any table and a plan in, a report out."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from experiments.errors import ExperimentError, NotEstimable
from experiments.frame import Frame
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.monitor.looks import LookRule, look_rule
from experiments.plan import MetricSpec, Plan, Role, plan_from_mapping
from experiments.reading import read
from experiments.report import Report, Row
from experiments.rows.choice import choose, with_additions
from experiments.rows.families import Adjusted, Member, adjust
from experiments.rows.finding import RowResult
from experiments.rows.guardrails import guarded
from experiments.rows.health import balance_of, examine, series_of, start_label
from experiments.rows.omnibus import omnibus
from experiments.rows.segments import Part, compare_parts, parts_of
from experiments.rows.verdict import Question, verdict

_LIBRARIES = ("loyalty-pilot", "numpy", "scipy", "pyarrow")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row before the families are known."""

    metric: MetricSpec
    variant: str
    part: Part | None
    reason: Message | None
    result: RowResult | None
    refusal: Message | None


def analyze(data: Any, plan: Plan | Mapping[str, Any]) -> Report:
    """The report of ``plan`` on ``data``: a pandas, polars, Arrow or Ibis table, or a mapping of columns to arrays.

    Inference happens at the unit of assignment that the plan names. Each row says its method and why it was chosen; a
    row that cannot be tested has a refusal and no number. The same data and plan give the same report, byte for byte.
    Raises an ``ExperimentError`` that names the place for what spoils the whole file: a plan that cannot be read,
    unknown columns, a variant that varies inside a unit, outcomes that are not finite.
    """
    stated = plan if isinstance(plan, Plan) else plan_from_mapping(plan)
    reading = read(data, stated)
    frame = reading.frame
    look = _look(stated, frame)
    level = stated.alpha if look is None else 1.0 - look.gate_confidence
    inner = replace(stated, alpha=level, seed=stated.effective_seed)
    parts, warnings = parts_of(frame, inner)
    asked = [_ask(frame, inner, metric, variant, None) for metric in stated.metrics for variant in frame.variants[1:]]
    asked += [
        _ask(part.frame, inner, metric, variant, part)
        for part in parts
        for metric in stated.metrics
        for variant in frame.variants[1:]
    ]
    asked, interactions = _compared(frame, inner, asked)
    families = adjust(frame, inner, [_member(i, a, a.result) for i, a in enumerate(asked) if a.result is not None])
    examined = examine(frame, inner)
    alarms = any(d.check == "sample_ratio" and d.status is Status.ALARM for d in examined)
    rows = tuple(_row(frame, stated, inner, look, a, families.get(i), alarms) for i, a in enumerate(asked))
    overall = [omnibus(frame, inner, metric) for metric in stated.metrics]
    diagnostics = _once([*examined, *(d for a in asked if a.result for d in _of_row(a)), *interactions])
    said = [*reading.warnings, *_plan_words(stated, look), *warnings]
    said += [message for a in asked if a.result and a.part is None for message in a.result.warnings]
    said += [d.message for d in diagnostics if d.status is not Status.OK]
    return Report(
        rows=rows,
        omnibus=tuple(found for found in overall if found is not None),
        diagnostics=diagnostics,
        warnings=tuple({str(message): message for message in said}.values()),
        versions=_versions(),
        seed=stated.effective_seed,
        alpha=stated.alpha,
        control=frame.control,
        look=look,
        plan=stated.to_mapping(),
        balance=balance_of(frame, inner),
        series=series_of(frame, inner),
        start=start_label(frame, inner),
    )


def _look(plan: Plan, frame: Frame) -> LookRule | None:
    looks = plan.looks
    if looks is None:
        return None
    return look_rule(
        looks.look,
        looks.planned,
        n_units=frame.n_units,
        alpha=plan.alpha,
        spending=looks.spending,
        information=looks.information,
    )


def _ask(frame: Frame, plan: Plan, metric: MetricSpec, variant: str, part: Part | None) -> _Asked:
    reason = None
    try:
        sizes = frame.arm_sizes()
        if sizes[frame.variants.index(variant)] == 0 or (sizes[0] == 0 and frame.first_treated is None):
            raise NotEstimable(
                Message(
                    "empty_arm",
                    N_("no unit of {variant} or none of {control} is here"),
                    {"variant": variant, "control": frame.control},
                )
            )
        choice = choose(frame, plan, metric, variant)
        reason = choice.reason
        result = _answer(frame, plan, metric, variant)
        if metric.role is Role.GUARDRAIL:
            result = guarded(result, metric, plan.alpha)
        if not math.isfinite(result.headline.effect):
            text = N_("{metric}: the numbers are too large or too small to compute with")
            raise NotEstimable(Message("not_computable", text, {"metric": metric.name}))
    except ExperimentError as refused:
        return _Asked(metric, variant, part, reason, None, refused.message)
    return _Asked(metric, variant, part, reason, result, None)


def _answer(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> RowResult:
    """The row as the plan wants it; winsorised where it says so, with the raw answer beside."""
    build = choose(frame, plan, metric, variant).build
    if metric.winsorise is None:
        return with_additions(frame, plan, metric, variant, build(frame, plan, metric, variant))
    from experiments.measure.winsorise import winsorise

    cut = winsorise(frame.columns[metric.value], quantile=metric.winsorise, weight=frame.weight)
    columns = {**frame.columns, metric.value: cut.values}
    found = _answer(replace(frame, columns=columns), plan, replace(metric, winsorise=None), variant)
    raw = build(frame, plan, metric, variant).headline
    beside = replace(raw, extra={**raw.extra, "winsorised": False})
    return replace(
        found,
        assumptions=(*found.assumptions, cut.assumption),
        alternatives=(*found.alternatives, beside),
        extra={**found.extra, "winsorised_above": cut.threshold, "winsorised_values": cut.n_capped},
    )


def _compared(frame: Frame, plan: Plan, asked: list[_Asked]) -> tuple[list[_Asked], list[Diagnostic]]:
    """Segments beside each other: an interaction test per metric, variant and column, and shrunk effects."""
    found = list(asked)
    checks: list[Diagnostic] = []
    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, a in enumerate(asked):
        if a.part is not None and a.result is not None:
            groups.setdefault((a.metric.name, a.variant, a.part.column), []).append(place)
    for (_, variant, column), places in groups.items():
        members = [asked[place] for place in places]
        results = [a.result for a in members if a.result is not None]
        check, shrunk = compare_parts(frame, plan, members[0].metric, variant, column, results)
        checks += check
        for place, result, extra in zip(places, results, shrunk, strict=True):
            found[place] = replace(asked[place], result=replace(result, extra={**result.extra, **extra}))
    return found, checks


def _member(place: int, asked: _Asked, result: RowResult) -> Member:
    p = result.headline.p_value
    name = asked.part.name if asked.part else None
    return Member(place, asked.metric, asked.variant, name, result, 1.0 if p is None else p)


def _row(
    frame: Frame,
    stated: Plan,
    plan: Plan,
    look: LookRule | None,
    asked: _Asked,
    adjusted: Adjusted | None,
    ratio_alarms: bool,
) -> Row:
    metric, part, result = asked.metric, asked.part, asked.result
    exploratory = part is not None or (look is not None and look.exploratory)
    row = Row(
        metric=metric.name,
        kind=metric.kind.value,
        role=metric.role.value,
        direction=metric.direction.value,
        variant=asked.variant,
        segment=part.name if part else None,
        refusal=asked.refusal,
        exploratory=exploratory,
    )
    if result is None:
        return row
    head = result.headline
    question = Question(
        metric=metric,
        variant=asked.variant,
        control=frame.control,
        segment=row.segment,
        level=plan.alpha,
        p_value=head.p_value,
        p_adjusted=None if adjusted is None else adjusted.p_value,
        exploratory=exploratory,
        ratio_alarms=ratio_alarms,
        look=look,
    )
    beside = result.inference.interval(stated.confidence_level) if look is not None and result.inference else None
    return replace(
        row,
        n_units=result.n_units,
        n_rows=result.n_rows,
        mean_control=_finite(result.mean_control),
        mean_variant=_finite(result.mean_variant),
        effect=head.effect,
        relative_effect=result.relative_effect,
        std_error=head.std_error,
        df=head.df,
        interval=head.interval,
        interval_level=head.interval_level,
        interval_plan=None if beside is None else (beside, stated.confidence_level),
        p_value=head.p_value,
        p_value_adjusted=None if adjusted is None or head.p_value is None else adjusted.p_value,
        adjusted_by=None if adjusted is None or head.p_value is None else adjusted.method,
        randomization_p=result.randomization_p,
        method=head.method,
        reason=asked.reason,
        estimand=result.estimand,
        assumptions=result.assumptions,
        alternatives=result.alternatives,
        verdict=verdict(result, plan, question),
        extra=result.extra if part is None else {**result.extra, "warnings": [str(w) for w in result.warnings]},
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _of_row(asked: _Asked) -> tuple[Diagnostic, ...]:
    return asked.result.diagnostics if asked.result is not None and asked.part is None else ()


def _once(found: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple({(d.check, d.variant, str(d.message)): d for d in found}.values())


def _plan_words(plan: Plan, look: LookRule | None) -> list[Message]:
    said = []
    if not plan.assignment_stated:
        text = N_("the plan does not say how the units were assigned; {assignment} is assumed")
        said.append(Message("assignment_assumed", text, {"assignment": plan.assignment.value}))
    if look is not None and look.exploratory:
        text = N_("this look is beyond the planned ones ({planned}); everything in it is exploratory")
        said.append(Message("look_beyond_plan", text, {"look": look.look, "planned": look.looks_planned}))
    if look is not None and look.harm_only:
        text = N_(
            "with few units this look can only stop for harm, one-sided at level {level:.3g} (intervals are two-sided "
            "at {confidence:.4g}); look {planned} can advance"
        )
        values: dict[str, str | int | float] = {
            "level": look.level,
            "confidence": look.gate_confidence,
            "planned": look.looks_planned,
        }
        said.append(Message("harm_only", text, values))
    return said


@lru_cache(maxsize=1)
def _versions() -> Mapping[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
