"""A stage plan and moments in, a report out: the headline at the unit of assignment, and what stands beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.design.reach import smallest_p
from experiments.errors import NotEstimable, UnknownMetric, WrongUnitOfAnalysis
from experiments.estimate.estimate import Side
from experiments.estimate.unit_means import NO_VARIATION
from experiments.look.diagnostics import diagnose
from experiments.look.families import Measured, adjust
from experiments.look.plan import Leads, LookPlan, MarginScale, PlannedMetric, Role
from experiments.look.report import LookReport, NonInferiority, ReportRow, Stamp
from experiments.look.rows import Effect, customer_effect, unit_effect
from experiments.measure.metrics import MetricKind, MetricLevel, identification_rate, metric_from_code
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.messages import N_, Message
from experiments.monitor.identification import UNMOVED, Identification, can_be_tested, identification
from experiments.monitor.looks import LookRule, look_rule

Moments = Sequence[UnitMoments] | Sequence[ArmMoments]


@dataclass(frozen=True, slots=True)
class _Context:
    """What all rows of one report share."""

    plan: LookPlan
    look: LookRule
    found: Mapping[str, Identification]
    identified_share: float | None
    refusals: Mapping[str, Message]


def analyze_look(
    plan: LookPlan,
    moments: Mapping[str, Moments],
    identification_moments: Sequence[UnitMoments] | None = None,
    *,
    refusals: Mapping[str, Message] | None = None,
    segments: Mapping[str, Mapping[str, Moments]] | None = None,
) -> LookReport:
    """The report of one look. ``moments`` are per metric code: one ``UnitMoments`` per unit, or ``ArmMoments`` for
    customers.

    ``identification_moments`` are those of the identification rate; without them customer rows are stamped as not
    tested. ``refusals`` (metric code → message) are metrics that could not be measured. ``segments`` (segment → metric
    code → moments of its customers) give exploratory rows. What cannot be estimated becomes a row with a ``refusal``.
    Raises ``UnknownMetric`` for moments of a metric that is not planned
    and ``WrongUnitOfAnalysis`` for moments finer than the unit of assignment.
    """
    for group in (moments, *(segments or {}).values()):
        _check_moments(plan, group)
    n_units = _n_units(plan, moments)
    look = look_rule(plan.look, plan.looks_planned, n_units=n_units, alpha=plan.alpha)
    found = _identify(plan, identification_moments)
    context = _Context(plan, look, found, _identified_share(identification_moments), refusals or {})
    variants = plan.mechanism.treated_variants
    found_rows = [_row(context, planned, variant, None, moments) for variant in variants for planned in plan.metrics]
    for segment, group in sorted((segments or {}).items()):
        measured = [planned for planned in plan.metrics if planned.metric.code in group]
        found_rows += [_row(context, planned, variant, segment, group) for variant in variants for planned in measured]
    rows = _lead(plan, adjust(plan, found_rows, moments), look)
    diagnostics, warnings = diagnose(plan, moments, look, found)
    return LookReport(
        plan.unit.value,
        plan.mechanism.kind.value,
        plan.leads.value,
        plan.alpha,
        look,
        n_units,
        tuple(rows),
        diagnostics,
        warnings,
    )


def _check_moments(plan: LookPlan, moments: Mapping[str, Moments]) -> None:
    planned = {metric.metric.code for metric in plan.metrics}
    expected = ArmMoments if plan.customers_assigned else UnitMoments
    for code, rows in moments.items():
        if code not in planned:
            raise UnknownMetric(metric=code)
        if any(not isinstance(row, expected) for row in rows):
            raise WrongUnitOfAnalysis(unit=plan.unit.value, metric=code)


def _n_units(plan: LookPlan, moments: Mapping[str, Moments]) -> int:
    if not plan.customers_assigned:
        return len(plan.assignment)
    return max((sum(row.n for row in rows) for rows in moments.values()), default=0)


def _identify(plan: LookPlan, moments: Sequence[UnitMoments] | None) -> dict[str, Identification]:
    """The identification test of every variant for which it can be made: with enough units, and shares in all of
    them."""
    if moments is None or plan.customers_assigned:
        return {}
    found = {}
    for variant in plan.mechanism.treated_variants:
        if not can_be_tested(smallest_p(plan.mechanism, variant)):
            continue
        try:
            effect = unit_effect(plan, identification_rate(), moments, variant)
        except NotEstimable as refused:
            if refused.message.code == NO_VARIATION:
                found[variant] = UNMOVED
            continue
        found[variant] = identification(effect.estimate, std_error=effect.regression_error, df=effect.regression_df)
    return found


def _identified_share(moments: Sequence[UnitMoments] | None) -> float | None:
    """The share of receipts before the start that carry a customer; None where it is not known."""
    receipts = sum(m.n_x for m in moments or ())
    return sum(m.x for m in moments or ()) / receipts if receipts else None


def _row(
    context: _Context, planned: PlannedMetric, variant: str, segment: str | None, moments: Mapping[str, Moments]
) -> Measured:
    look, test = context.look, context.found.get(variant)
    metric = planned.metric
    stamps = _stamps(context.plan, metric.level, test, exploratory=segment is not None or look.exploratory)
    row = ReportRow(
        metric.code,
        metric.unit.value,
        metric.level.value,
        planned.role.value,
        metric.direction.value,
        variant,
        segment,
        None,
    )
    try:
        effect = _effect(context, planned, variant, moments.get(metric.code))
    except NotEstimable as refused:
        return Measured(replace(row, stamps=stamps, refusal=refused.message), None)
    bad = Side.LESS if planned.good_is_up else Side.GREATER
    row = replace(
        row,
        estimate=effect.estimate,
        interval_gate=effect.inference.interval(look.gate_confidence),
        gate_confidence=look.gate_confidence,
        p_harm=effect.inference.p_one_sided(bad),
        non_inferiority=_guard(planned, effect, look),
        alternatives=effect.alternatives,
        stamps=stamps + effect.stamps,
        assumption=effect.assumption,
    )
    return Measured(row, effect)


def _effect(context: _Context, planned: PlannedMetric, variant: str, moments: Moments | None) -> Effect:
    plan, code = context.plan, planned.metric.code
    if code in context.refusals:
        raise NotEstimable(context.refusals[code])
    if not moments:
        raise NotEstimable(Message("no_moments", N_("there are no data for {metric}"), {"metric": code}))
    if plan.customers_assigned:
        return customer_effect(plan, planned.metric, [m for m in moments if isinstance(m, ArmMoments)], variant)
    if planned.metric.level is MetricLevel.CUSTOMER:
        _require_identified(context)
    return unit_effect(plan, planned.metric, [m for m in moments if isinstance(m, UnitMoments)], variant)


def _require_identified(context: _Context) -> None:
    """Customer metrics need customers who were known before: few identified receipts before the start refuse them."""
    share, floor = context.identified_share, context.plan.identified_share_floor
    if share is not None and share < floor:
        raise NotEstimable(
            Message(
                "few_identified",
                N_("only {share:.1%} of receipts before the start carry a customer; customer metrics need {floor:.0%}"),
                {"share": share, "floor": floor},
            )
        )


def _stamps(plan: LookPlan, level: MetricLevel, test: Identification | None, *, exploratory: bool) -> tuple[str, ...]:
    stamps: list[str] = [Stamp.EXPLORATORY.value] if exploratory else []
    if plan.customers_assigned:
        if plan.identification_cannot_differ is None:
            stamps.append(Stamp.MAY_BE_IDENTIFICATION.value)
    elif level is MetricLevel.CUSTOMER:
        if test is None:
            stamps.append(Stamp.IDENTIFICATION_NOT_TESTED.value)
        elif test.moved:
            stamps.append(Stamp.MAY_BE_IDENTIFICATION.value)
    return tuple(stamps)


def _guard(planned: PlannedMetric, effect: Effect, look: LookRule) -> NonInferiority | None:
    """One-sided at the level of the look: the loss is smaller than the margin."""
    if planned.margin is None:
        return None
    share = abs(effect.estimate.mean_control) if planned.margin_scale is MarginScale.RELATIVE else 1.0
    margin = planned.margin * share
    side, limit = (Side.GREATER, -margin) if planned.good_is_up else (Side.LESS, margin)
    p_value = effect.inference.p_one_sided(side, limit)
    confidence = 1.0 - look.level
    return NonInferiority(margin, p_value, effect.inference.bound(side, confidence), confidence, p_value <= look.level)


def _lead(plan: LookPlan, rows: Sequence[ReportRow], look: LookRule) -> list[ReportRow]:
    """Mark the rows that decide. Where customers lead, a stamp hands the lead of that variant to the store total."""
    result = []
    for row in rows:
        is_total = row.metric == MetricKind.STORE_TOTAL.value
        if row.segment is not None or look.exploratory:
            leads = False
        elif plan.leads is Leads.STORE_TOTALS:
            leads = row.role == Role.PRIMARY and metric_from_code(row.metric).is_total
        else:
            stamped = not plan.customers_assigned and any(
                other.blocked
                for other in rows
                if other.variant == row.variant and other.segment is None and _is_customer_primary(other)
            )
            leads = (
                (is_total and row.role != Role.GUARDRAIL) if stamped else (row.role == Role.PRIMARY and not is_total)
            )
        result.append(replace(row, leads=leads))
    return result


def _is_customer_primary(row: ReportRow) -> bool:
    return row.role == Role.PRIMARY and row.level == MetricLevel.CUSTOMER
