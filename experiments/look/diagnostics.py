"""Diagnostics: whether the experiment itself is sound, beside what it found."""

from collections.abc import Mapping, Sequence

from experiments.design.balance import balance
from experiments.design.mechanisms import MechanismKind
from experiments.design.reach import smallest_p
from experiments.errors import NotEstimable
from experiments.look.plan import LookPlan, PlannedMetric
from experiments.look.report import Diagnostic, Status
from experiments.look.rows import rows_per_unit
from experiments.measure.metrics import MetricLevel
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.messages import N_, Message
from experiments.monitor import sample_ratio as ratio
from experiments.monitor.identification import Identification
from experiments.monitor.looks import LookRule

_IMBALANCE = 0.25

Moments = Sequence[UnitMoments] | Sequence[ArmMoments]


def diagnose(
    plan: LookPlan, moments: Mapping[str, Moments], look: LookRule, found: Mapping[str, Identification]
) -> tuple[tuple[Diagnostic, ...], tuple[Message, ...]]:
    """The checks of one look, and the warnings that stand above the rows."""
    checks: list[Diagnostic] = [
        *_sample_ratio(plan, moments), *_rows_per_unit(plan, moments), *_reach(plan, look), *_balance(plan),
    ]  # fmt: skip
    for variant in () if plan.customers_assigned else plan.mechanism.treated_variants:
        checks.append(_identification(variant, found[variant]) if variant in found else _not_tested(variant))
    warnings = [check.message for check in checks if check.status is Status.ALARM]
    lost = _lost(plan, moments)
    if lost:
        warnings.append(
            Message("units_lost", N_("units without data: {units}"), {"units": ", ".join(lost), "n": len(lost)})
        )
    if look.exploratory:
        warnings.append(
            Message(
                "look_beyond_plan",
                N_("this look is beyond the planned ones ({planned}); everything in it is exploratory"),
                {"look": look.look, "planned": look.looks_planned},
            )
        )
    if look.harm_only:
        warnings.append(
            Message(
                "harm_only",
                N_("with few units this look can only stop the pilot for harm; look {planned} can advance it"),
                {"planned": look.looks_planned},
            )
        )
    return tuple(checks), tuple(warnings)


def _first(plan: LookPlan, moments: Mapping[str, Moments]) -> Moments:
    """The moments of the first planned metric that has any."""
    return next((moments[p.metric.code] for p in plan.metrics if moments.get(p.metric.code)), ())


def _lost(plan: LookPlan, moments: Mapping[str, Moments]) -> list[str]:
    rows = _first(plan, moments)
    if plan.customers_assigned or not rows:
        return []
    present = {row.unit for row in rows if isinstance(row, UnitMoments) and row.n > 0}
    return sorted(set(plan.assignment) - present)


def _sample_ratio(plan: LookPlan, moments: Mapping[str, Moments]) -> list[Diagnostic]:
    counts: dict[str, int] = {}
    for row in _first(plan, moments):
        if isinstance(row, ArmMoments):
            counts[row.variant] = counts.get(row.variant, 0) + row.n
        elif row.n > 0 and row.unit in plan.assignment:
            variant = plan.assignment[row.unit]
            counts[variant] = counts.get(variant, 0) + 1
    if not sum(counts.values()):
        return []
    result = ratio.sample_ratio(counts, plan.mechanism.shares)
    text = ", ".join(f"{variant}: {counts.get(variant, 0)}" for variant in plan.mechanism.variants)
    message = Message(
        "sample_ratio",
        N_("units with data ({counts}) against the drawn shares: p {p:p}"),
        {"counts": text, "p": result.p_value},
    )
    return [Diagnostic("sample_ratio", _ratio_status(result.p_value), result.p_value, message)]


def _rows_per_unit(plan: LookPlan, moments: Mapping[str, Moments]) -> list[Diagnostic]:
    """Customers beneath stores or regions, tested as what they are: a value of each unit. Never χ² of the customers."""
    found = next((rows for p in plan.metrics if (rows := _customers_beneath(p, moments.get(p.metric.code, ())))), None)
    if plan.customers_assigned or found is None:
        return []
    checks = []
    for variant in plan.mechanism.treated_variants:
        try:
            estimate = rows_per_unit(plan, found, variant)
        except NotEstimable:  # as many in every unit, or too few units to say
            continue
        message = Message(
            "rows_per_unit",
            N_("customers per unit: control {control:.4g}, variant {treated:.4g}; by permutation p {p:p}"),
            {"control": estimate.mean_control, "treated": estimate.mean_variant, "p": estimate.p_value},
        )
        checks.append(Diagnostic("rows_per_unit", _ratio_status(estimate.p_value), estimate.p_value, message, variant))
    return checks


def _customers_beneath(planned: PlannedMetric, rows: Moments) -> list[UnitMoments]:
    if planned.metric.level is not MetricLevel.CUSTOMER:
        return []
    return [row for row in rows if isinstance(row, UnitMoments)]


def _ratio_status(p_value: float) -> Status:
    return Status.ALARM if p_value < ratio.ALARM else Status.WARN if p_value < ratio.WARNING else Status.OK


def _reach(plan: LookPlan, look: LookRule) -> list[Diagnostic]:
    if plan.mechanism.kind is MechanismKind.BERNOULLI_HASH or plan.customers_assigned:
        return []
    checks = []
    for variant in plan.mechanism.treated_variants:
        smallest = smallest_p(plan.mechanism, variant)
        # one-sided at a harm-only look: half of a mirrored two-sided p-value is reachable
        reachable = smallest / 2.0 if look.harm_only else smallest
        message = Message(
            "smallest_p",
            N_("the smallest p-value this draw can give: p {smallest:p}; this look tests at {level:.3g}"),
            {"smallest": smallest, "level": look.level},
        )
        status = Status.OK if reachable <= look.level else Status.ALARM
        checks.append(Diagnostic("smallest_p", status, smallest, message, variant))
    return checks


def _balance(plan: LookPlan) -> list[Diagnostic]:
    checks = []
    for row in balance(plan.mechanism, plan.assignment):
        difference = row.standardised_difference
        message = Message(
            "balance",
            N_("{covariate}: control {control:.4g}, variant {treated:.4g} before the start"),
            {"covariate": row.covariate, "control": row.mean_control, "treated": row.mean_variant},
        )
        status = Status.WARN if difference is not None and abs(difference) > _IMBALANCE else Status.OK
        checks.append(Diagnostic(f"balance:{row.covariate}", status, difference, message, row.variant))
    return checks


def _identification(variant: str, test: Identification) -> Diagnostic:
    values: dict[str, str | int | float] = {
        "p": test.p_value,
        "effect_points": test.effect * 100,
        "detectable_points": test.detectable_shift * 100,
        "hidden_artefact": test.hidden_artefact if test.hidden_artefact is not None else 0.0,
    }
    template = (
        N_(
            "the share of receipts with a customer moved by {effect_points:+.2f} points (p {p:p}): "
            "customer rows may be identification rather than buying"
        )
        if test.moved
        else N_(
            "no evidence that the share of receipts with a customer moved ({effect_points:+.2f} points, p {p:p}); "
            "a shift of {detectable_points:.2f} points would be found, and could hide {hidden_artefact:.1%} of a "
            "customer metric"
        )
    )
    code = "identification_moved" if test.moved else "identification_quiet"
    status = Status.WARN if test.moved else Status.OK
    return Diagnostic("identification", status, test.p_value, Message(code, template, values), variant)


def _not_tested(variant: str) -> Diagnostic:
    message = Message(
        "identification_not_tested",
        N_(
            "whether the share of receipts with a customer moved could not be tested: the shares are missing or the "
            "units are too few; customer rows cannot pass a gate"
        ),
        {},
    )
    return Diagnostic("identification", Status.WARN, None, message, variant)
