"""Rows of an experiment on many independent units, mostly customers: Welch, adjusted and stratified; ratios by delta.

With θ = (Σ S_xx)⁻¹ Σ S_xy pooled over arms and strata, y − (x − x̄)'θ takes the place of y. Strata are weighted by
their units (rows estimand: by their weight). References: Deng, Xu, Kohavi and Walker (2013), WSDM (pre-period
adjustment); Deng et al. (2018), KDD (delta method).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.estimate import Inference, TInference
from experiments.frame import Bools, Floats, Frame, Ints
from experiments.messages import N_, Message
from experiments.plan import Assignment, Estimand, Kind, MetricSpec, Plan
from experiments.rows.contrast import row_weight, unit_values
from experiments.rows.covariates import unit_covariates
from experiments.rows.finding import Finding, RowResult, finding
from experiments.rows.two_samples import Arm, arm, require_spread, welch_t

_FEWEST_EVENTS = 20  # of events and of non-events in each arm, from which Wald and Newcombe hardly differ
_FEWEST_IN_CELL = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Arms:
    """The units of the two variants: values, covariates, arm, stratum, and what each counts (None: once)."""

    y: Floats
    x: Floats
    treated: Bools
    stratum: Ints
    weight: Floats | None
    warnings: tuple[Message, ...]

    def weights(self) -> Floats:
        return np.ones(len(self.y)) if self.weight is None else self.weight

    def mean(self, treated: bool) -> float:
        rows = self.treated == treated
        weight = self.weights()[rows]
        return float((weight * self.y[rows]).sum() / weight.sum())


def build(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> RowResult:
    """One metric of one variant against control, every unit independent of the others.

    Mean, count, proportion: Welch on the units' values, adjusted by the covariates, stratified by the blocks; a
    proportion of plain 0/1 with few events is Newcombe's. Ratio: Σ value / Σ denominator of each arm by the delta
    method where rows count, the mean of the units' ratios where units count. Raises ``NotEstimable``.
    """
    covariates, assumptions = unit_covariates(frame, plan, metric)
    if metric.kind is Kind.RATIO and plan.estimand is Estimand.ROWS and not frame.has_blocks:
        row = _ratio_of_sums(frame, plan, metric, variant, covariates, assumptions)
        return replace(row, alternatives=tuple(_other_estimand(frame, plan, metric, variant, covariates)))
    arms = _arms(frame, plan, metric, variant, covariates)
    adjusted = bool(metric.covariates)
    level = plan.confidence_level
    few, by_events = _newcombe(arms, metric, adjusted, level)
    is_sum = metric.kind is Kind.RATIO and plan.estimand is Estimand.ROWS  # weights are denominators: Σ / Σ of each arm
    base = "welch_delta" if is_sum else "welch"
    method = f"{base}_adjusted" if adjusted else base
    inference, headline, control_error, alternatives = _headline(arms, method, few, by_events, level)
    alternatives += _simpler(arms, base, level, adjusted=adjusted)
    alternatives += _other_estimand(frame, plan, metric, variant, covariates)
    pair = np.isin(frame.variant_of, (0, frame.variants.index(variant)))
    return RowResult(
        headline=headline,
        inference=inference,
        estimand=plan.estimand.value,
        mean_control=arms.mean(treated=False),
        mean_variant=arms.mean(treated=True),
        n_units=len(arms.y),
        n_rows=int(np.count_nonzero(pair[frame.unit_of])),
        randomization_p=None,
        assumptions=assumptions + words(plan),
        alternatives=tuple(alternatives),
        warnings=arms.warnings,
        control_error=control_error,
    )


def _headline(
    arms: _Arms, method: str, few: bool, by_events: tuple[Inference, Finding] | None, level: float
) -> tuple[Inference, Finding, float | None, list[Finding]]:
    """The headline, the squared error of control's mean for Dunnett's test, and the other of Welch and Newcombe."""
    try:
        welch, control_error = _welch(arms)
    except NotEstimable:
        if by_events is None or not few:
            raise
        return *by_events, None, []  # nobody, or everybody: Newcombe still says how far that may be chance
    found = finding(welch, method, std_error=welch.std_error, df=welch.df, level=level)
    if by_events is None:
        return welch, found, control_error, []
    if few:
        return *by_events, None, [found]
    return welch, found, control_error, [by_events[1]]


def words(plan: Plan) -> tuple[Message, ...]:
    """What a comparison of independent units rests on."""
    if plan.is_randomised:
        return (Message("independent_units", N_("the units were drawn at random and do not influence each other"), {}),)
    return (
        Message(
            "observational",
            N_("observational: nobody drew who got what, so the effect is causal only if nothing else differed"),
            {},
        ),
    )


def _arms(frame: Frame, plan: Plan, metric: MetricSpec, variant: str, covariates: Floats) -> _Arms:
    values = unit_values(frame, metric)
    number = frame.variants.index(variant)
    pair = np.isin(frame.variant_of, (0, number))
    kept = pair & np.isfinite(values)
    warnings: list[Message] = []
    if (pair & ~kept).any():
        warnings.append(
            Message(
                "zero_denominator",
                N_("{metric}: {n} units have nothing to divide by and are left out"),
                {"metric": metric.name, "n": int(np.count_nonzero(pair & ~kept))},
            )
        )
    stratum, dropped = _strata(frame, kept, number, paired=plan.assignment is Assignment.MATCHED_PAIRS)
    if dropped.any():
        names = ", ".join(frame.blocks[int(b)] for b in np.unique(frame.block_of[dropped])[:8])
        warnings.append(
            Message(
                "block_without_variant",
                N_("blocks without one of {variant} and {control} take no part in their comparison: {blocks}"),
                {"variant": variant, "control": frame.control, "blocks": names},
            )
        )
    kept &= ~dropped
    weight = row_weight(frame, metric)[kept] if plan.estimand is Estimand.ROWS else None
    if weight is not None and len(np.unique(weight)) <= 1:
        weight = None
    return _Arms(
        values[kept], covariates[kept], frame.variant_of[kept] == number, stratum[kept], weight, tuple(warnings)
    )


def _strata(frame: Frame, kept: Bools, number: int, *, paired: bool) -> tuple[Ints, Bools]:
    """(U,) the stratum of each unit, strata with fewer than two units in an arm put together, and (U,) the units of
    blocks that hold only one of the two variants."""
    counts = np.stack(
        [
            np.bincount(frame.block_of[kept & (frame.variant_of == code)], minlength=len(frame.blocks))
            for code in (0, number)
        ]
    )
    one_sided = (counts.min(axis=0) == 0) & (counts.max(axis=0) > 0)
    if frame.has_blocks and counts.min(axis=0).max() == 0:
        text = N_("no block holds units of both {variant} and {control}, so nothing can be compared inside one")
        values = {"variant": frame.variants[number], "control": frame.control}
        raise NotEstimable(Message("no_common_block", text, values))
    if not frame.has_blocks:
        return np.zeros(frame.n_units, dtype=np.int64), np.zeros(frame.n_units, dtype=np.bool_)
    small = (counts.min(axis=0) < _FEWEST_IN_CELL) & ~one_sided
    if small.any() and not paired and counts[:, small].sum(axis=1).min() < _FEWEST_IN_CELL:
        large = ~small & ~one_sided
        if large.any():  # with the smallest stratum that has a variance
            small[np.flatnonzero(large)[np.argmin(counts.sum(axis=0)[large])]] = True
    name = np.where(small, len(frame.blocks), np.arange(len(frame.blocks)))
    return name[frame.block_of].astype(np.int64), kept & one_sided[frame.block_of]


def _welch(arms: _Arms) -> tuple[TInference, float | None]:
    """The (adjusted, stratified) Welch test; without strata also the squared error of control's mean."""
    y = _adjusted(arms)
    total = float(arms.weights().sum())
    effect, variance, fourth = 0.0, 0.0, 0.0
    pairs: list[tuple[Arm, Arm]] = []
    for name in np.unique(arms.stratum):
        inside = arms.stratum == name
        cells = [_cell(y, arms, inside & (arms.treated == side)) for side in (False, True)]
        share = float(arms.weights()[inside].sum()) / total
        effect += share * (cells[1].mean - cells[0].mean)
        for cell in cells:
            if cell.n < _FEWEST_IN_CELL:
                return welch_t(cells[0], cells[1]), None  # raises with the counts
            variance += share**2 * cell.error
            fourth += (share**2 * cell.error) ** 2 / (cell.n - 1)
        pairs.append((cells[0], cells[1]))
    require_spread(variance, *pairs[0])
    inference = TInference(effect, float(np.sqrt(variance)), variance**2 / fourth)
    return inference, pairs[0][0].error if len(pairs) == 1 else None


def _cell(y: Floats, arms: _Arms, rows: Bools) -> Arm:
    return arm(y[rows], None if arms.weight is None else arms.weight[rows])


def _adjusted(arms: _Arms) -> Floats:
    """y less what the covariates explain inside arms and strata."""
    if not arms.x.shape[1]:
        return arms.y
    cell = arms.stratum * 2 + arms.treated
    cell = np.unique(cell, return_inverse=True)[1]
    weight = arms.weights()
    total = np.bincount(cell, weights=weight)

    def centred(values: Floats) -> Floats:
        return np.asarray(values - (np.bincount(cell, weights=weight * values) / total)[cell])

    x = np.stack([centred(column) for column in arms.x.T], axis=1)
    keep = (x**2).sum(axis=0) > 1e-12 * np.maximum((arms.x**2).sum(axis=0), 1e-300)
    if not keep.any():
        return arms.y
    x, y = x[:, keep], centred(arms.y)
    scale = np.sqrt((weight[:, None] * x * x).sum(axis=0))
    inner = np.array([[float((weight * a * b).sum()) for a in x.T] for b in x.T]) / np.outer(scale, scale)
    cross = np.array([float((weight * a * y).sum()) for a in x.T]) / scale
    theta = np.linalg.lstsq(inner, cross, rcond=1e-9)[0] / scale
    raw = arms.x[:, keep]
    means = (weight[:, None] * raw).sum(axis=0) / weight.sum()
    return np.asarray(arms.y - ((raw - means) * theta).sum(axis=1))


def _newcombe(
    arms: _Arms, metric: MetricSpec, adjusted: bool, level: float
) -> tuple[bool, tuple[Inference, Finding] | None]:
    """Whether an arm has too few events for Wald, and Newcombe's answer; nothing but for plain 0/1 outcomes."""
    plain = (
        metric.kind is Kind.PROPORTION and not adjusted and arms.weight is None and len(np.unique(arms.stratum)) == 1
    )
    if not plain or not bool(np.isin(arms.y, (0.0, 1.0)).all()):
        return False, None
    from experiments.estimate.newcombe import Newcombe

    n = [int(np.count_nonzero(arms.treated == side)) for side in (False, True)]
    events = [int(arms.y[arms.treated == side].sum()) for side in (False, True)]
    found = Newcombe(events[0], n[0], events[1], n[1])
    few = min(*events, n[0] - events[0], n[1] - events[1]) < _FEWEST_EVENTS
    return few, (found, finding(found, "newcombe", std_error=found.std_error, df=None, level=level))


def _simpler(arms: _Arms, method: str, level: float, *, adjusted: bool) -> Iterator[Finding]:
    """The comparison without covariates and strata, where the headline has them."""
    if not adjusted and len(np.unique(arms.stratum)) == 1:
        return
    cells = [_cell(arms.y, arms, arms.treated == side) for side in (False, True)]
    try:
        plain = welch_t(cells[0], cells[1])
    except NotEstimable:
        return
    yield finding(plain, method, std_error=plain.std_error, df=plain.df, level=level)


def _other_estimand(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, covariates: Floats
) -> Iterator[Finding]:
    """What the estimand that the plan did not choose would say, named; nothing where both are the same."""
    is_ratio = metric.kind is Kind.RATIO
    if frame.rows_are_units and frame.weight is None and not is_ratio:
        return
    other = Estimand.ROWS if plan.estimand is Estimand.UNITS else Estimand.UNITS
    is_sum = is_ratio and other is Estimand.ROWS
    try:
        if is_sum and not frame.has_blocks:
            yield replace(_ratio_of_sums(frame, plan, metric, variant, covariates, ()).headline, estimand=other.value)
            return
        found, _ = _welch(_arms(frame, replace(plan, estimand=other), metric, variant, covariates))
    except NotEstimable:
        return
    base = "welch_delta" if is_sum else "welch"
    method = f"{base}_adjusted" if metric.covariates else base
    answer = finding(found, method, std_error=found.std_error, df=found.df, level=plan.confidence_level)
    yield replace(answer, estimand=other.value)


def _ratio_of_sums(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, covariates: Floats, assumptions: tuple[Message, ...]
) -> RowResult:
    from experiments.estimate.ratio import ratio_of_sums

    number = frame.variants.index(variant)
    pair = np.isin(frame.variant_of, (0, number))
    above = frame.unit_sum(frame.columns[metric.value])[pair]
    below = frame.unit_sum(frame.columns[metric.denominator or ""])[pair]
    treated = (frame.variant_of[pair] == number).astype(np.float64)
    used = covariates[pair] if metric.covariates else None
    found = ratio_of_sums(above, below, treated, covariates=used)
    method = "welch_delta_adjusted" if metric.covariates else "welch_delta"
    t = found.inference
    return RowResult(
        headline=finding(t, method, std_error=t.std_error, df=t.df, level=plan.confidence_level),
        inference=t,
        estimand=plan.estimand.value,
        mean_control=found.ratio_control,
        mean_variant=found.ratio_variant,
        n_units=found.n_units,
        n_rows=int(np.count_nonzero(pair[frame.unit_of])),
        randomization_p=None,
        assumptions=assumptions + words(plan),
        alternatives=(),
    )
