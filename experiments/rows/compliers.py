"""Beside a row: the effect on those who took it up because they were assigned, and its Anderson–Rubin set.

The row itself stays the intention to treat on everybody assigned. Both alternatives use the units, blocks, covariates
and estimand of the row; the Anderson–Rubin set inverts the row's own kind of test, by permutation where units were
drawn and else the cluster-robust one.
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
from experiments.estimate.complier_effect import EXCLUSION, WEAK_F, ComplierEffect, complier_effect, unit_reduced_form
from experiments.estimate.redraws import redraws
from experiments.frame import Floats, Frame
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.plan import Assignment, Estimand, MetricSpec, Plan
from experiments.rows.contrast import Contrast, contrast, unit_values
from experiments.rows.covariates import start_of, unit_covariates
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


def complier_findings(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, values: Floats | None = None
) -> Compliers:
    """The alternatives ``complier_effect`` and ``anderson_rubin`` of one row; a warning with the reason where there
    are none.

    ``values`` (U,) replaces the units' values of the metric. In a panel only periods from the start on count. What a
    unit received is the mean over its rows, by the row weights.
    """
    if frame.received is None:
        return Compliers()
    try:
        return _compliers(frame, plan, metric, variant, values)
    except NotEstimable as reason:
        said = Message(
            "no_complier_effect",
            N_("{metric}, {variant}: no complier effect: {reason}"),
            {"metric": metric.name, "variant": variant, "reason": str(reason.message)},
        )
        return Compliers(warnings=(said,))


def _compliers(frame: Frame, plan: Plan, metric: MetricSpec, variant: str, values: Floats | None) -> Compliers:
    if not plan.is_randomised:
        raise NotEstimable(
            Message("assignment_not_random", N_("it needs an assignment by chance, and this one was not"), {})
        )
    if plan.data.treated_from is not None and not _starts_once(frame):
        raise NotEstimable(
            Message("several_starts_of_compliers", N_("units start at different times; there is no one complier"), {})
        )
    covariates, _ = unit_covariates(frame, plan, metric)
    after = _after_start(frame, plan)
    y = unit_values(after, metric) if values is None else values
    received = after.unit_mean(np.zeros(after.n_rows) if after.received is None else after.received)
    weight = after.unit_weight() if plan.estimand is Estimand.ROWS else None
    usable = np.where(np.isfinite(received), y, np.nan)
    made = contrast(after, plan, metric, variant, usable, covariates, weight)
    took = received[made.place]
    _require_takers(made, took)
    form = unit_reduced_form(made.table)
    found = complier_effect(made.table.y, took, form)
    weak = anderson_rubin(made.table.y, took, form)
    permuted = _permuted(after, plan, metric, variant, made, took)
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
    uptake = replace(made.table, y=took)
    arms = {frame.control: uptake.mean(treated=False), variant: uptake.mean(treated=True)}
    return Compliers(
        findings=findings,
        assumptions=(EXCLUSION,),
        warnings=_warnings(metric, variant, found, segments),
        diagnostics=(_first_stage(found, variant),),
        extra={"uptake": arms},
    )


def _starts_once(frame: Frame) -> bool:
    from experiments.rows.choice import has_one_start

    return has_one_start(frame)


def _after_start(frame: Frame, plan: Plan) -> Frame:
    """The periods from the start on, with all units kept in place; without periods the frame itself."""
    if frame.period_of is None:
        return frame
    after = frame.period_of >= start_of(frame, plan)
    weight = np.where(after, frame.weights(), 0.0)  # units keep their positions; rows before the start weigh nothing
    return replace(frame, weight=weight)


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
        return Diagnostic("first_stage", Status.OK, None, Message("first_stage", text, {"uptake": uptake}), variant)
    text = N_("uptake differs by {uptake:.3g} (cluster-robust F {f:.4g}; under {weak:g} is weak)")
    values: dict[str, str | int | float] = {"uptake": uptake, "f": f, "weak": WEAK_F}
    status = Status.WARN if found.is_weak else Status.OK
    return Diagnostic("first_stage", status, f, Message("first_stage", text, values), variant)


def _json(value: float) -> float | None:
    """JSON has no infinity."""
    return value if np.isfinite(value) else None
