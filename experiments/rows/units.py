"""Rows of an experiment on units: the regression on unit means, its permutation, and what stands beside it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.cluster_robust import unit_means_cr2
from experiments.estimate.estimate import Inference, TInference
from experiments.estimate.permutation import PermutationInference, permutation_inference
from experiments.estimate.redraws import MAX_LISTED, Accept, redraws
from experiments.estimate.unit_means import Regression, fit
from experiments.estimate.unit_table import UnitTable
from experiments.estimate.wild_bootstrap import unit_means_wild_bootstrap
from experiments.frame import Floats, Frame
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.plan import Assignment, Estimand, Kind, MetricSpec, Plan, Role
from experiments.rows.contrast import Contrast, contrast, row_weight, unit_values
from experiments.rows.covariates import mean_before, unit_covariates
from experiments.rows.finding import Finding, RowResult, finding
from experiments.rows.two_samples import arm, pooled_t, welch_t

MOST_UNITS = 2_000  # up to here all draws fit; beyond, fewer draws keep time and memory bounded
MOST_PERMUTED = 20_000
FEWEST_STUDENTISED = 3
_FEWEST_WILD = 4
_WILD_DRAWS = 1_999  # an alternative, not the headline
_FEWEST_DRAWS = 999

UNITS, ROWS = Estimand.UNITS.value, Estimand.ROWS.value


def build(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> RowResult:
    """One metric of one variant against control, from one value per unit; see ``unit_row``."""
    weight = row_weight(frame, metric) if plan.estimand is Estimand.ROWS else None
    row = unit_row(frame, plan, metric, variant, unit_values(frame, metric), weight=weight)
    if min(_counts(frame, variant)) < 2:
        return row
    beside = (
        _other_estimand(frame, plan, metric, variant),
        _delta(frame, plan, metric, variant),
        with_partners(frame, plan, metric, variant, row, unit_values(frame, metric)),
    )
    return replace(row, alternatives=(*row.alternatives, *(found for found in beside if found is not None)))


def unit_row(
    frame: Frame,
    plan: Plan,
    metric: MetricSpec,
    variant: str,
    values: Floats,
    *,
    estimand: str | None = None,
    weight: Floats | None = None,
    before: Floats | None = None,
) -> RowResult:
    """The row of ready values (U,), one per unit, NaN for a unit that has none; ``weight`` (U,) None: each counts once.

    ``before`` (U,) is the unit's own value before the start, adjusted by like a covariate.

    Randomised: the coefficient of the regression on unit means (blocks, covariates) with p and interval by
    permutation inside the blocks; a rerandomised draw whose rule the plan does not give: the regression's t with its
    covariates. Observational: the same coefficient with the CR2 error and Bell–McCaffrey degrees of freedom. Raises
    ``NotEstimable`` where the row cannot be tested.
    """
    covariates, assumptions = unit_covariates(frame, plan, metric)
    names = list(metric.covariates)
    if before is not None:
        covariates, names = np.column_stack([covariates, before]), [*names, "before"]
        values = np.where(np.isfinite(before), values, np.nan)
    made = contrast(frame, plan, metric, variant, values, covariates, weight)
    table = made.table
    regression = fit(table)
    inference, headline = _headline(frame, plan, metric, made, regression)
    if table.covariates.shape[1] > len(regression.nuisance.covariates):
        used = {names[place] for place in regression.nuisance.covariates}
        assumptions += (_unused(sorted(set(names) - used)),)
    is_permuted = isinstance(inference, PermutationInference)
    return RowResult(
        headline=headline,
        inference=inference,
        estimand=estimand or (UNITS if weight is None else ROWS),
        mean_control=table.mean(treated=False),
        mean_variant=table.mean(treated=True),
        n_units=table.n_units,
        n_rows=table.n_rows,
        randomization_p=headline.p_value if is_permuted else None,
        assumptions=assumptions + _words(table, plan, headline.method),
        alternatives=tuple(_alternatives(plan, made.table, regression, headline.method)),
        warnings=made.warnings,
        diagnostics=_reach(table, plan, metric, variant) if is_permuted else (),
    )


def _headline(
    frame: Frame, plan: Plan, metric: MetricSpec, made: Contrast, regression: Regression
) -> tuple[Inference, Finding]:
    level = plan.confidence_level
    if not plan.is_randomised:
        cr2 = unit_means_cr2(regression)
        method = "cr2" if made.table.weight is None else "rows_cr2"
        return cr2, finding(cr2, method, std_error=cr2.std_error, df=cr2.df, level=level)
    if plan.assignment is Assignment.RERANDOMIZED and plan.rerandomized is None:
        if not regression.adjusted:
            raise NotEstimable(
                Message(
                    "no_rule",
                    N_(
                        "{metric}: the plan neither says which draws the rerandomisation accepted (rerandomized) nor "
                        "adjusts by the covariates it balanced; one of them is needed"
                    ),
                    {"metric": metric.name},
                )
            )
        adjusted = regression.inference
        return adjusted, finding(adjusted, "regression_t", std_error=adjusted.std_error, df=adjusted.df, level=level)
    in_blocks = made.table.n_blocks > 1 and any(min(counts) == 1 for counts in made.table.arm_counts())
    if in_blocks and made.table.n_units > MOST_PERMUTED:
        t = regression.inference  # of pairs the t test of their differences
        return t, finding(t, "regression_t", std_error=t.std_error, df=t.df, level=level)
    permuted_ = permuted(made.table, regression, plan, acceptance(frame, plan, made))
    return permuted_, _permuted_finding(permuted_, made.table, level)


def permuted(
    table: UnitTable, regression: Regression, plan: Plan, accept: Accept | None = None
) -> PermutationInference:
    """The permutation test that the plan's mechanism licenses; ``accept`` is the rule of a rerandomised draw."""
    draws = redraws(table, seed=plan.effective_seed, draws=n_draws(table, plan), accept=accept)
    return permutation_inference(regression, draws, studentise=studentised(table, plan))


def n_draws(table: UnitTable, plan: Plan) -> int:
    """The plan's draws; with more than 2,000 units fewer, so that units × draws stays the same, at least 999."""
    n = len(table.units)
    return plan.draws if n <= MOST_UNITS else min(plan.draws, max(_FEWEST_DRAWS, plan.draws * MOST_UNITS // n))


def studentised(table: UnitTable, plan: Plan) -> bool:
    """Plain in matched pairs and with fewer than three units in an arm, else divided by the HC2 error."""
    return plan.assignment is not Assignment.MATCHED_PAIRS and table.smaller_arm() >= FEWEST_STUDENTISED


def acceptance(frame: Frame, plan: Plan, made: Contrast) -> Accept | None:
    """The rule of a rerandomised draw over the units of the table; None for other mechanisms."""
    if plan.assignment is not Assignment.RERANDOMIZED or plan.rerandomized is None:
        return None
    from experiments.design.acceptance import balance_rule

    balanced = [mean_before(frame, plan, frame.columns[name])[made.place] for name in plan.rerandomized.covariates]
    return balance_rule(np.stack(balanced, axis=1), plan.rerandomized.max_distance)


def _permuted_finding(inference: PermutationInference, table: UnitTable, level: float) -> Finding:
    method = "permutation_studentised" if inference.studentised else "permutation"
    error: float | None = inference.std_error
    if min(_arms(table)) < 2:
        error = None  # one unit has no spread to measure
    return finding(inference, method, std_error=error, df=None, level=level)


def _words(table: UnitTable, plan: Plan, method: str) -> tuple[Message, ...]:
    """What the headline rests on."""
    if not plan.is_randomised:
        return (
            Message(
                "observational",
                N_("observational: nobody drew who got what, so the effect is causal only if nothing else differed"),
                {},
            ),
        )
    if method == "regression_t" and plan.assignment is not Assignment.RERANDOMIZED:
        text = N_("the units were drawn at random inside their blocks, {n} of them: enough for the t distribution")
        return (Message("many_in_blocks", text, {"n": table.n_units}),)
    if method == "regression_t":
        return (
            Message(
                "rerandomised_t",
                N_("the covariates of the regression are those that the rerandomisation balanced"),
                {},
            ),
        )
    words = [
        Message(
            "permuted_in_blocks" if table.n_blocks > 1 else "permuted",
            N_("the units were drawn at random inside their blocks, and any other such draw could have come out")
            if table.n_blocks > 1
            else N_("the units were drawn at random from one list, and any other draw of so many could have come out"),
            {},
        )
    ]
    if plan.assignment is Assignment.BERNOULLI:
        words.append(Message("given_counts", N_("given how many units fell to each variant"), {}))
    if method == "permutation" and plan.assignment is not Assignment.MATCHED_PAIRS:
        words.append(Message("same_effect", N_("assumes the same effect in every unit"), {}))
    if method == "permutation_studentised" and table.smaller_arm() == FEWEST_STUDENTISED:
        words.append(
            Message(
                "three_units",
                N_(
                    "with three units in the smaller arm, values far from normal together with effects that differ "
                    "between units can bring more false alarms than the level says (measured up to 8.4 %)"
                ),
                {},
            )
        )
    draws = n_draws(table, plan)
    if draws < plan.draws:
        words.append(Message("fewer_draws", N_("{draws} draws, for {n} units"), {"draws": draws, "n": table.n_units}))
    return tuple(words)


def _unused(names: list[str]) -> Message:
    return Message(
        "covariate_unused",
        N_("not adjusted by {names}: constant, the same as others, or more than these units can carry"),
        {"names": ", ".join(names)},
    )


def _alternatives(plan: Plan, table: UnitTable, regression: Regression, headline: str) -> Iterator[Finding]:
    """What other methods say. With one unit in an arm there is none: only a permutation can be made."""
    if min(_arms(table)) < 2:
        return
    level = plan.confidence_level
    tries: list[tuple[str, Callable[[], TInference]]] = [
        ("regression_t", lambda: regression.inference),
        ("cr2" if table.weight is None else "rows_cr2", lambda: unit_means_cr2(regression)),
    ]
    if table.n_blocks == 1 and not regression.adjusted and table.weight is None:
        control, treated = (table.y[table.moves & (table.treated == side)] for side in (0.0, 1.0))
        tries += [
            ("welch", lambda: welch_t(arm(control), arm(treated))),
            ("pooled_t", lambda: pooled_t(control, treated)),
        ]
    for method, make in tries:
        found = None if method == headline else _tried(method, make, level)
        if found is not None:
            yield found
    if min(_arms(table)) >= _FEWEST_WILD and len(table.units) <= MOST_UNITS and not _mirrored(table):
        draws = min(plan.draws, _WILD_DRAWS)
        try:
            wild = unit_means_wild_bootstrap(regression, seed=plan.effective_seed, draws=draws)
        except NotEstimable:  # both arms without any spread: nothing to resample
            return
        yield finding(wild, "wild_cluster_bootstrap", std_error=wild.std_error, df=None, level=level)


def _mirrored(table: UnitTable) -> bool:
    """Whether some block is a pair: its two residuals mirror each other, so signs cannot be drawn for each alone."""
    return any(counts == (1, 1) for counts in table.arm_counts())


def _tried(method: str, make: Callable[[], TInference], level: float, estimand: str | None = None) -> Finding | None:
    try:
        inference = make()
    except NotEstimable:
        return None
    interval, p = inference.interval(level), inference.p_value()
    return Finding(method, inference.effect, inference.std_error, inference.df, interval, p, level, estimand=estimand)


def _other_estimand(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> Finding | None:
    """The estimand that the plan did not choose, named; None where every unit is one row of weight 1."""
    if frame.rows_are_units and frame.weight is None and metric.kind is not Kind.RATIO:
        return None
    is_rows = plan.estimand is Estimand.UNITS
    try:
        covariates, _ = unit_covariates(frame, plan, metric)
        weight = row_weight(frame, metric) if is_rows else None
        regression = fit(contrast(frame, plan, metric, variant, unit_values(frame, metric), covariates, weight).table)
    except NotEstimable:
        return None
    method, estimand = ("rows_cr2", ROWS) if is_rows else ("cr2", UNITS)
    return _tried(method, lambda: unit_means_cr2(regression), plan.confidence_level, estimand)


def _delta(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> Finding | None:
    """The ratio of the arms' sums by the delta method over units, where there are no blocks to keep."""
    if metric.kind is not Kind.RATIO or metric.denominator is None or frame.has_blocks:
        return None
    from experiments.estimate.ratio import ratio_of_sums

    number = frame.variants.index(variant)
    pair = np.isin(frame.variant_of, (0, number))
    above, below = (frame.unit_sum(frame.columns[name])[pair] for name in (metric.value, metric.denominator))
    treated = (frame.variant_of[pair] == number).astype(np.float64)
    method = "welch_delta_adjusted" if metric.covariates else "welch_delta"

    def make() -> TInference:
        covariates, _ = unit_covariates(frame, plan, metric)
        return ratio_of_sums(above, below, treated, covariates=covariates[pair]).inference

    return _tried(method, make, plan.confidence_level, ROWS)


def with_partners(
    frame: Frame,
    plan: Plan,
    metric: MetricSpec,
    variant: str,
    row: RowResult,
    values: Floats,
    before: Floats | None = None,
) -> Finding | None:
    """Where pairs left the headline: the units whose partner is lost kept, everything analysed as unpaired.

    ``values`` and ``before`` (U,) as in ``unit_row``.
    """
    broken = any(message.code == "block_without_variant" for message in row.warnings)
    if plan.assignment is not Assignment.MATCHED_PAIRS or not broken:
        return None
    loose = replace(frame, blocks=("",), block_of=np.zeros_like(frame.block_of))
    unpaired = replace(plan, assignment=Assignment.COMPLETE)
    covariates, _ = unit_covariates(frame, plan, metric)
    if before is not None:
        covariates = np.column_stack([covariates, before])
        values = np.where(np.isfinite(before), values, np.nan)

    def make() -> TInference:
        made = contrast(loose, unpaired, metric, variant, values, covariates)
        return unit_means_cr2(fit(made.table))

    found = _tried("cr2", make, plan.confidence_level, UNITS)
    return None if found is None else replace(found, extra={"keeps_partners": True})


def _counts(frame: Frame, variant: str) -> tuple[int, int]:
    sizes = frame.arm_sizes()
    return int(sizes[0]), int(sizes[frame.variants.index(variant)])


def _arms(table: UnitTable) -> tuple[int, int]:
    treated = int(np.count_nonzero(table.treated[table.moves]))
    return table.n_units - treated, treated


def smallest_p(table: UnitTable, *, one_sided: bool = False) -> float:
    """The smallest p-value that permuting the two variants inside blocks can give: two-sided 2/C where every block
    has as many of the one as of the other (each draw has a mirror), else 1/C."""
    mixed = [(c, t) for c, t in table.arm_counts() if c and t]
    draws = math.prod(math.comb(c + t, t) for c, t in mixed)
    mirrored = all(c == t for c, t in mixed)
    return min(1.0, (2 if mirrored and not one_sided else 1) / draws)


def _reach(table: UnitTable, plan: Plan, metric: MetricSpec, variant: str) -> tuple[Diagnostic, ...]:
    """The smallest p-value of the row, two-sided or a guardrail's one-sided one, against the level."""
    smallest = smallest_p(table, one_sided=metric.role is Role.GUARDRAIL)
    if smallest * MAX_LISTED < 1.0:  # sampled: no draw counts for less than one of them
        smallest = max(smallest, 1.0 / (1 + n_draws(table, plan)))
    can = smallest <= plan.alpha
    template = (
        N_("the smallest p-value that the draws can give for {variant} is {smallest:.2g}")
        if can
        else N_(
            "the smallest p-value that the draws can give for {variant} is {smallest:.2g}, above the level "
            "{level:.2g}: it can never show an effect, however large"
        )
    )
    values: dict[str, str | int | float] = {"variant": variant, "smallest": smallest, "level": plan.alpha}
    return (
        Diagnostic("reach", Status.OK if can else Status.ALARM, smallest, Message("reach", template, values), variant),
    )
