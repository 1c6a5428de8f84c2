"""One effect: the headline estimate of one metric and variant, and what stands beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.design.acceptance import acceptance_of
from experiments.design.mechanisms import CONTROL, MechanismKind
from experiments.errors import NotEstimable
from experiments.estimate.cluster_robust import unit_means_cr2
from experiments.estimate.customer_weighted import StoreMoments, customer_weighted
from experiments.estimate.estimate import Estimate, Inference, Method, TInference, make_estimate
from experiments.estimate.permutation import permutation_inference
from experiments.estimate.redraws import redraws
from experiments.estimate.unit_means import Regression, fit
from experiments.estimate.unit_table import Flags, UnitTable, unit_table
from experiments.estimate.welch import Welch, welch
from experiments.look.plan import LookPlan
from experiments.look.report import Stamp
from experiments.measure.metrics import Metric, MetricLevel, MetricUnit, spend_per_customer
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.messages import N_, Message

CONFIDENCE_LEVEL = 0.95
_UNEQUAL = 1.5  # arms this many times apart, and fewer customers than this: docs/methods/error_rates.md
_MANY_CUSTOMERS = 20_000
FEW_IN_AN_ARM = 3


@dataclass(frozen=True, slots=True)
class Effect:
    """A headline ``estimate`` at 95 %, the ``inference`` it came from, and what stands beside. ``control_share`` is the
    part of the squared error that comes from control (customers only)."""

    estimate: Estimate
    inference: Inference
    alternatives: tuple[Estimate, ...]
    stamps: tuple[str, ...]
    assumption: Message | None
    regression_error: float
    regression_df: float
    control_share: float = 0.5


def unit_effect(plan: LookPlan, metric: Metric, moments: Sequence[UnitMoments], variant: str) -> Effect:
    """Stores or regions: the regression coefficient permuted over the mechanism; its t and CR2 intervals beside.

    Compared are only draws that a criterion of the mechanism, or units that it keeps apart, would have let pass.
    """
    table = unit_table(metric, moments, mechanism=plan.mechanism, assignment=plan.assignment, variant=variant)
    regression = fit(table)
    paired = plan.mechanism.kind is MechanismKind.MATCHED_PAIRS
    few = table.smaller_arm() < FEW_IN_AN_ARM
    studentise = not paired and not few
    accept = acceptance_of(plan.mechanism, plan.assignment, variant, table.units)
    again = redraws(table, seed=plan.seed, draws=plan.draws, accept=accept)
    inference = permutation_inference(regression, again, studentise=studentise)
    headline = _of_table(
        table,
        inference,
        method=Method.PERMUTATION_STUDENTISED if studentise else Method.PERMUTATION,
        std_error=inference.std_error,
        df=None,
    )
    alternatives = [_of_t(table, regression.inference, Method.REGRESSION_T), *_cr2(table, regression, Method.CR2)]
    stamps = []
    measured = {row.unit for row in moments}
    if not measured.issuperset(table.lost):
        stamps.append(Stamp.UNITS_LOST.value)
    if measured.intersection(table.lost):  # there, with nothing to divide by: no such customer is at home there
        stamps.append(Stamp.UNITS_EMPTY.value)
    if metric.level is MetricLevel.CUSTOMER and not metric.is_ratio and not few:
        alternatives += _customer_weighted(metric, moments, table)
    if table.partners:
        alternatives += _with_partners(plan, metric, moments, variant)
    if not regression.adjusted:
        stamps.append(Stamp.NO_COVARIATE.value)
    assumption = None
    if not paired and few:
        stamps.append(Stamp.ASSUMES_SAME_EFFECT.value)
        assumption = Message(
            "assumes_same_effect",
            N_("with {n} units in the smaller arm the test assumes the same effect in every unit"),
            {"n": table.smaller_arm()},
        )
    return Effect(
        headline, inference, tuple(alternatives), tuple(stamps), assumption, regression.std_error, float(regression.df)
    )


def rows_per_unit(plan: LookPlan, moments: Sequence[UnitMoments], variant: str) -> Estimate:
    """The number of rows beneath each unit as a value of the unit: plain difference, permuted over the mechanism.

    Raises ``NotEstimable`` where every unit has as many, or the units are too few.
    """
    counts = [
        UnitMoments(unit=row.unit, n=1, y=row.n, yy=row.n**2, x=0, xx=0, xy=0, n_x=0, days=row.days, days_x=0)
        for row in moments
    ]
    return unit_effect(plan, spend_per_customer(), counts, variant).estimate  # a sum per row, on no scale of its own


def customer_effect(plan: LookPlan, metric: Metric, moments: Sequence[ArmMoments], variant: str) -> Effect:
    """Customers: Welch with the pooled pre-period adjustment; the unadjusted test beside."""
    stratified = plan.mechanism.kind is MechanismKind.STRATIFIED
    adjusted = welch(metric, moments, variant=variant, by_stratum=stratified)
    plain = welch(metric, moments, variant=variant, adjust=False, by_stratum=stratified)
    alternatives = (_of_welch(plain),) if adjusted.method != plain.method else ()
    stamps = (Stamp.NO_COVARIATE.value,) if adjusted.method == plain.method else ()
    inference = adjusted.inference
    return Effect(
        _of_welch(adjusted),
        inference,
        alternatives,
        stamps,
        _unequal_arms(metric, moments, variant),
        inference.std_error,
        inference.df,
        adjusted.control_share,
    )


def _unequal_arms(metric: Metric, moments: Sequence[ArmMoments], variant: str) -> Message | None:
    """What Welch's test of amounts rests on where one arm is much larger; a permutation would need every customer."""
    if metric.unit is MetricUnit.SHARE:
        return None
    control, treated = (sum(m.n for m in moments if m.variant == arm) for arm in (CONTROL, variant))
    if max(control, treated) < _UNEQUAL * min(control, treated) or control + treated > _MANY_CUSTOMERS:
        return None
    return Message(
        "unequal_arms",
        N_(
            "{control} customers in control, {variant} in the variant: if a few customers make most of the total, the "
            "test gives more false alarms than its level"
        ),
        {"control": control, "variant": treated},
    )


def _customer_weighted(metric: Metric, moments: Sequence[UnitMoments], table: UnitTable) -> list[Estimate]:
    """The same units with every customer counted once: another estimand, named by its method."""
    by_unit = {row.unit: row for row in moments}
    rows = [by_unit[unit] for unit in table.units]
    adjusted = all(row.n_x == row.n for row in rows)
    sums = {name: np.array([[float(getattr(row, name)) for row in rows]]) for name in ("n", "x", "xx", "y", "xy")}
    n_covariates = int(adjusted)
    found = StoreMoments(
        n=sums["n"],
        x=sums["x"][:, :, None][:, :, :n_covariates],
        xx=sums["xx"][:, :, None, None][:, :, :n_covariates, :n_covariates],
        y=sums["y"],
        xy=sums["xy"][:, :, None][:, :, :n_covariates],
    )
    try:
        result = customer_weighted(found, table.treated, block=table.block).inference()
    except NotEstimable:
        return []
    scale = metric.scale(rows[0].days)
    inference = TInference(result.effect * scale, result.std_error * scale, result.df)
    control, variant = (_mean_of_customers(rows, table.treated == arm) * scale for arm in (0.0, 1.0))
    return [
        make_estimate(
            inference,
            method=Method.CUSTOMER_WEIGHTED,
            std_error=inference.std_error,
            df=inference.df,
            confidence_level=CONFIDENCE_LEVEL,
            n_units=table.n_units,
            n_rows=table.n_rows,
            mean_control=control,
            mean_variant=variant,
        )
    ]


def _mean_of_customers(rows: Sequence[UnitMoments], chosen: Flags) -> float:
    mine = [row for row, is_chosen in zip(rows, chosen, strict=True) if is_chosen]
    return sum(row.y for row in mine) / sum(row.n for row in mine)


def _with_partners(plan: LookPlan, metric: Metric, moments: Sequence[UnitMoments], variant: str) -> list[Estimate]:
    """The sensitivity analysis that keeps the partners of lost units: all units, without the pairs."""
    table = unit_table(
        metric, moments, mechanism=plan.mechanism, assignment=plan.assignment, variant=variant, keep_partners=True
    )
    try:
        return _cr2(table, fit(table), Method.UNPAIRED_CR2)
    except NotEstimable:
        return []


def _cr2(table: UnitTable, regression: Regression, method: Method) -> list[Estimate]:
    try:
        return [_of_t(table, unit_means_cr2(regression), method)]
    except NotEstimable:  # a single unit carries the effect: there is no such error, and no row for it
        return []


def _of_t(table: UnitTable, inference: TInference, method: Method) -> Estimate:
    return _of_table(table, inference, method=method, std_error=inference.std_error, df=inference.df)


def _of_table(
    table: UnitTable, inference: Inference, *, method: Method, std_error: float, df: float | None
) -> Estimate:
    return make_estimate(
        inference,
        method=method,
        std_error=std_error,
        df=df,
        confidence_level=CONFIDENCE_LEVEL,
        n_units=table.n_units,
        n_rows=table.n_rows,
        mean_control=table.mean(False),
        mean_variant=table.mean(True),
    )


def _of_welch(result: Welch) -> Estimate:
    return make_estimate(
        result.inference,
        method=result.method,
        std_error=result.inference.std_error,
        df=result.inference.df,
        confidence_level=CONFIDENCE_LEVEL,
        n_units=result.n_units,
        n_rows=result.n_units,
        mean_control=result.mean_control,
        mean_variant=result.mean_variant,
    )
