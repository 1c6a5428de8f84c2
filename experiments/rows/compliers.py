"""Beside a row: the effect on those who took it up because they were assigned, and its Anderson–Rubin set.

The row itself stays the intention to treat on everybody assigned. Both alternatives use the units, values, blocks,
covariates (in a panel the mean before the start) and estimand of the row, so that the complier effect times the uptake
difference is the row's effect; the Anderson–Rubin set inverts the row's own kind of test, by permutation where units
were drawn and else the cluster-robust one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.anderson_rubin import (
    AndersonRubin,
    AndersonRubinPermutation,
    Segments,
    anderson_rubin,
    anderson_rubin_permutation,
    two_rays,
)
from experiments.estimate.complier_effect import (
    EXCLUSION,
    WEAK_F,
    ComplierEffect,
    ReducedForm,
    complier_effect,
    unit_reduced_form,
)
from experiments.estimate.estimate import TInference
from experiments.estimate.redraws import redraws
from experiments.estimate.unit_table import UnitTable
from experiments.frame import Bools, Floats, Frame
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.plan import Assignment, MetricSpec, Plan
from experiments.rows.contrast import Contrast
from experiments.rows.finding import Finding

PER = "complier"


@dataclass(frozen=True, slots=True)
class Compliers:
    """What the received column adds to a row."""

    findings: tuple[Finding, ...] = ()
    assumptions: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


def complier_findings(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> Compliers:
    """The alternatives ``complier_effect`` and ``anderson_rubin`` of one row; a warning with the reason where there
    are none.

    What a unit received is the mean over its rows, by the row weights, in a panel from the start on.
    """
    if frame.received is None:
        return Compliers()
    try:
        return _compliers(frame, plan, metric, variant, frame.received)
    except NotEstimable as reason:
        said = Message(
            "no_complier_effect",
            N_("{metric}, {variant}: no complier effect: {reason}"),
            {"metric": metric.name, "variant": variant, "reason": str(reason.message)},
        )
        return Compliers(warnings=(said,))


def _compliers(frame: Frame, plan: Plan, metric: MetricSpec, variant: str, received: Floats) -> Compliers:
    from experiments.rows.row_table import row_contrast, rows_of_test

    if not plan.is_randomised:
        raise NotEstimable(
            Message("assignment_not_random", N_("it needs an assignment by chance, and this one was not"), {})
        )
    _require_one_start(frame, plan, metric, variant)
    share = _share(frame, received, rows_of_test(frame, plan))
    made = row_contrast(frame, plan, metric, variant, usable=np.isfinite(share))
    _require_takers(made, share[made.place])
    y, took, form = _reduced_form(frame, plan, metric, variant, made, share)
    found = complier_effect(y, took, form)
    weak = anderson_rubin(y, took, form)
    permuted = _permuted(frame, plan, metric, variant, made, share[made.place])
    level = plan.confidence_level
    robust: AndersonRubin | AndersonRubinPermutation = permuted or weak
    segments = robust.segments(level)
    findings = (
        Finding(
            method="complier_effect",
            effect=found.inference.effect,
            std_error=found.inference.std_error,
            df=found.inference.df,
            interval=found.inference.interval(level),
            p_value=found.inference.p_value(),
            interval_level=level,
            per=PER,
            estimand=PER,
            extra={"first_stage_f": _json(found.first_stage_f), "uptake_difference": found.uptake.effect},
        ),
        Finding(
            method="anderson_rubin",
            effect=found.inference.effect,
            std_error=None,
            df=None if permuted else weak.df,
            interval=(segments[0][0], segments[-1][1]) if segments else (None, None),
            p_value=robust.p_value(0.0),
            interval_level=level,
            per=PER,
            estimand=PER,
            extra={"set": [list(part) for part in segments], "by_permutation": permuted is not None},
        ),
    )
    uptake = replace(made.table, y=share[made.place])
    arms = {frame.control: uptake.mean(treated=False), variant: uptake.mean(treated=True)}
    return Compliers(
        findings=findings,
        assumptions=(EXCLUSION,),
        warnings=_warnings(metric, variant, found, segments),
        diagnostics=(_first_stage(found, variant),),
        extra={"uptake": arms},
    )


def _require_one_start(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> None:
    from experiments.rows import staggered
    from experiments.rows.choice import choose

    if choose(frame, plan, metric, variant).build is staggered.build:
        raise NotEstimable(
            Message("several_starts_of_compliers", N_("units start at different times; there is no one complier"), {})
        )


def _share(frame: Frame, received: Floats, rows: Bools) -> Floats:
    """(U,) the weighted mean of what was received over the unit's ``rows`` (N,), NaN where it has none."""
    weight = np.where(rows, frame.weights(), 0.0)
    total, took = (
        np.bincount(frame.unit_of, weights=values, minlength=frame.n_units) for values in (weight, weight * received)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, took / total, np.nan), dtype=np.float64)


def _reduced_form(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, made: Contrast, share: Floats
) -> tuple[Floats, Floats, ReducedForm]:
    """Outcome, share received, and the regression of the row: on unit means; of many independent units in blocks by
    strata, of their ratio of sums with covariates by the delta method."""
    from experiments.rows import customers
    from experiments.rows.choice import choose
    from experiments.rows.row_table import has_regression

    took = share[made.place]
    if choose(frame, plan, metric, variant).build is not customers.build or has_regression(
        frame, plan, metric, variant
    ):
        return made.table.y, took, unit_reduced_form(made.table)
    if not frame.has_blocks:
        return made.table.y, took, _delta_form(frame, metric, made)
    kept, table = _by_strata(made.table)
    return table.y, took[kept], unit_reduced_form(table)


def _by_strata(table: UnitTable) -> tuple[Bools, UnitTable]:
    """The units of ``table`` that are compared, and the regression whose coefficient is the effect inside each block
    weighted by the block's units: treatment times each block's indicator less its share are covariates."""
    mixed = np.array([c > 0 and t > 0 for c, t in table.arm_counts()])
    kept = np.asarray(table.moves & mixed[table.block], dtype=np.bool_)
    block = np.unique(table.block[kept], return_inverse=True)[1].astype(np.int64)
    treated = table.treated[kept]
    weight = np.ones(len(block)) if table.weight is None else table.weight[kept]
    cells = np.bincount(block * 2 + treated.astype(np.int64), minlength=2 * (int(block.max()) + 1))
    if cells.min() < 2:
        raise NotEstimable(
            Message("block_too_small", N_("a block has fewer than two units of a variant"), {"n": int(cells.min())})
        )
    share = np.bincount(block, weights=weight) / weight.sum()
    inside = (block[:, None] == np.arange(1, len(share))) - share[1:]
    columns = np.column_stack([treated[:, None] * inside, table.covariates[kept]])
    return kept, replace(
        table,
        units=tuple(unit for unit, keep in zip(table.units, kept, strict=True) if keep),
        y=table.y[kept],
        treated=treated,
        block=block,
        covariates=columns,
        bystanders=np.zeros((len(block), 0)),
        weight=None if table.weight is None else weight,
    )


def _delta_form(frame: Frame, metric: MetricSpec, made: Contrast) -> ReducedForm:
    from experiments.estimate.ratio import ratio_of_sums

    below = frame.unit_sum(frame.columns[metric.denominator or ""])[made.place]

    def regress(outcome: Floats) -> TInference:
        return ratio_of_sums(outcome * below, below, made.table.treated, covariates=made.table.covariates).inference

    return regress


def _require_takers(made: Contrast, took: Floats) -> None:
    own = took[made.table.moves]
    if float(own.min()) == float(own.max()):
        raise NotEstimable(
            Message(
                "all_received_alike",
                N_("all units of the two variants received {share:g}; some must have taken it up and some not"),
                {"share": float(own[0])},
            )
        )


def _permuted(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, made: Contrast, took: Floats
) -> AndersonRubinPermutation | None:
    """The set by permutation, where the row's own p-value is one."""
    from experiments.rows import customers, units
    from experiments.rows.choice import choose

    if choose(frame, plan, metric, variant).build is customers.build or len(made.table.units) > units.MOST_UNITS:
        return None
    accept = units.acceptance(frame, plan, made)
    if accept is None and plan.assignment is Assignment.RERANDOMIZED:
        return None
    draws = redraws(made.table, seed=plan.effective_seed, draws=units.n_draws(made.table, plan), accept=accept)
    return anderson_rubin_permutation(made.table, took, draws, studentise=units.studentised(made.table, plan))


def _warnings(metric: MetricSpec, variant: str, found: ComplierEffect, segments: Segments) -> tuple[Message, ...]:
    names: dict[str, str | int | float] = {"metric": metric.name, "variant": variant}
    warnings = []
    if found.is_weak:
        warnings.append(
            Message(
                "weak_uptake",
                N_(
                    "{metric}, {variant}: uptake differs too little (F {f:.1f}, under 10); of the complier effects "
                    "only the Anderson–Rubin set can be trusted"
                ),
                {**names, "f": found.first_stage_f},
            )
        )
    if found.uptake.effect < 0.0:
        text = N_(
            "{metric}, {variant}: fewer took it up in {variant} than in control ({uptake:+.3g}); the complier effect "
            "is that of taking it up, so its sign is not that of the row"
        )
        warnings.append(Message("uptake_reversed", text, {**names, "uptake": found.uptake.effect}))
    if two_rays(segments) and segments[0][0] is None and segments[-1][1] is None:
        text = N_(
            "{metric}, {variant}: the Anderson–Rubin set has no ends: every complier effect is possible but those from "
            "{low:.4g} to {high:.4g}"
        )
        low, high = segments[0][1], segments[-1][0]
        warnings.append(Message("set_of_two_rays", text, {**names, "low": low or 0.0, "high": high or 0.0}))
    elif segments == ((None, None),):
        text = N_("{metric}, {variant}: the Anderson–Rubin set is the whole line: no complier effect can be ruled out")
        warnings.append(Message("set_is_whole_line", text, names))
    return tuple(warnings)


def _first_stage(found: ComplierEffect, variant: str) -> Diagnostic:
    uptake, f = found.uptake.effect, found.first_stage_f
    if not np.isfinite(f):
        text = N_("uptake differs by {uptake:.3g} in every unit of the one variant from every unit of the other")
        status = Status.WARN if uptake < 0.0 else Status.OK
        return Diagnostic("first_stage", status, None, Message("first_stage", text, {"uptake": uptake}), variant)
    text = N_("uptake differs by {uptake:.3g} (cluster-robust F {f:.4g}; under {weak:g} is weak)")
    values: dict[str, str | int | float] = {"uptake": uptake, "f": f, "weak": WEAK_F}
    status = Status.WARN if found.is_weak or uptake < 0.0 else Status.OK
    return Diagnostic("first_stage", status, f, Message("first_stage", text, values), variant)


def _json(value: float) -> float | None:
    """JSON has no infinity."""
    return value if np.isfinite(value) else None
