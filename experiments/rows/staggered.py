"""Rows of a panel whose units start at different times: group-time effects, or the permutation of a drawn order."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.callaway_santanna import Aggregation, CallawaySantanna, Effect, callaway_santanna
from experiments.estimate.estimate import TInference
from experiments.estimate.group_time import Controls, GroupTime, controls_of
from experiments.estimate.imputation import Imputation, imputation
from experiments.estimate.stepped_wedge import SteppedWedge, stepped_wedge
from experiments.estimate.unit_panel import UnitPanel
from experiments.frame import Frame
from experiments.messages import N_, Message
from experiments.plan import Assignment, Estimand, MetricSpec, Plan
from experiments.rows.contrast import row_weight
from experiments.rows.covariates import unit_covariates
from experiments.rows.finding import Finding, RowResult, finding
from experiments.rows.series import panel_of
from experiments.rows.staggered_checks import (
    fixed_effects,
    group_time_warnings,
    group_time_words,
    pre_trends_before,
    reach,
    wedge_warnings,
)

GROUP_TIME, NEVER_TREATED, IMPUTED = "callaway_santanna", "callaway_santanna_never_treated", "imputation"
WEDGE = "stepped_wedge_permutation"
DEALT = (Assignment.COMPLETE, Assignment.STRATIFIED)  # draws in which every start has a fixed number of units
FEW_UNITS = 40  # from here on the influence functions are normal enough to lean on
UNITS, ROWS = Estimand.UNITS.value, Estimand.ROWS.value


def build(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> RowResult:
    """One metric of one variant: the mean effect over all treated units and periods that can be compared.

    Starts drawn at random are permuted: always in a ``stepped_wedge``, with fewer than ``FEW_UNITS`` units in any draw
    that dealt them to units inside blocks. Otherwise the group-time effects with not-yet-treated controls and their
    error. Beside it never-treated controls and imputation, in ``extra`` the averages by start, by period and by time
    since the start, two-way fixed effects only as a diagnostic. Raises ``NotEstimable`` where no treated period has an
    untreated unit.
    """
    if frame.first_treated is None:
        raise NotEstimable(
            Message(
                "no_starts",
                N_("{metric}: units that start at different times need the column of their start (treated_from)"),
                {"metric": metric.name},
            )
        )
    covariates, assumptions = unit_covariates(frame, plan, metric)
    weight = row_weight(frame, metric) if plan.estimand is Estimand.ROWS else None
    panel = panel_of(frame, metric, variant, covariates, weight)
    rows = np.bincount(frame.unit_of, minlength=frame.n_units)
    counted = dict(zip((str(unit) for unit in frame.units), rows.tolist(), strict=True))
    if is_permuted(plan, panel.n_units):
        return _wedge(frame, plan, metric, variant, panel, counted, assumptions)
    found = callaway_santanna(panel)
    headline = _finding(found.inference, GROUP_TIME, plan)
    return RowResult(
        headline=headline,
        inference=found.inference,
        estimand=UNITS if weight is None else ROWS,
        **_means(found.group_time),
        n_units=found.group_time.panel.n_units,
        n_rows=sum(counted[unit] for unit in found.group_time.panel.units),
        randomization_p=None,
        assumptions=(*assumptions, *group_time_words(found, panel, plan)),
        alternatives=tuple(_beside(panel, plan, headline=GROUP_TIME)),
        warnings=group_time_warnings(found.group_time),
        diagnostics=(*pre_trends_before(found, plan, variant), *fixed_effects(panel, variant)),
        extra=_extra(found, panel, plan),
        on_treated=True,
    )


def is_permuted(plan: Plan, n_units: int) -> bool:
    """Whether the launch order leads: a stepped wedge, or starts dealt to so few units that it is the better judge."""
    if plan.assignment is Assignment.STEPPED_WEDGE:
        return True
    counts_units = plan.estimand is Estimand.UNITS  # rows have influence functions only
    return plan.assignment in DEALT and counts_units and n_units < FEW_UNITS


def _wedge(
    frame: Frame,
    plan: Plan,
    metric: MetricSpec,
    variant: str,
    panel: UnitPanel,
    counted: dict[str, int],
    assumptions: tuple[Message, ...],
) -> RowResult:
    """The permutation of the launch order."""
    if plan.estimand is Estimand.ROWS:
        raise NotEstimable(
            Message(
                "wedge_counts_units",
                N_("{metric}: the permutation of a launch order counts every unit once; use the estimand units"),
                {"metric": metric.name},
            )
        )
    place = {str(unit): position for position, unit in enumerate(frame.units)}
    block = np.array([frame.block_of[place[unit]] for unit in panel.units], dtype=np.int64)
    wedge = stepped_wedge(panel, seed=plan.effective_seed, draws=plan.draws, block=block)
    headline = finding(wedge, WEDGE, std_error=wedge.std_error, df=None, level=plan.confidence_level)
    words = [
        *assumptions,
        Message(
            "order_drawn",
            N_("the launch order was drawn at random: any other with as many units per start could have come out"),
            {},
        ),
    ]
    if metric.covariates:
        names = ", ".join(metric.covariates)
        words.append(Message("order_unadjusted", N_("the permutation is not adjusted by {names}"), {"names": names}))
    if not wedge.permutation.studentised:
        words.append(Message("same_effect", N_("assumes the same effect in every unit"), {}))
    found = _tried(lambda: callaway_santanna(panel))
    return RowResult(
        headline=headline,
        inference=wedge,
        estimand=UNITS,
        **_wedge_means(wedge),
        n_units=wedge.panel.n_units,
        n_rows=sum(counted[unit] for unit in wedge.panel.units),
        randomization_p=headline.p_value,
        assumptions=tuple(words),
        alternatives=tuple(_beside(panel, plan, headline=WEDGE)),
        warnings=wedge_warnings(wedge),
        diagnostics=(
            reach(wedge, plan, variant),
            *(() if found is None else pre_trends_before(found, plan, variant)),
            *fixed_effects(panel, variant),
        ),
        extra={} if found is None else _extra(found, panel, plan),
        on_treated=True,
    )


def _beside(panel: UnitPanel, plan: Plan, *, headline: str) -> Iterator[Finding]:
    """The other estimates of the same effect, those that can be made."""
    if headline != GROUP_TIME and (found := _tried(lambda: callaway_santanna(panel))) is not None:
        yield _finding(found.inference, GROUP_TIME, plan)
    never = _tried(lambda: callaway_santanna(panel, controls=Controls.NEVER_TREATED))
    if never is not None:
        yield _finding(never.inference, NEVER_TREATED, plan)
    if panel.weight is None and (imputed := _imputed(panel)) is not None:
        yield _finding(imputed.overall.inference, IMPUTED, plan)


def _tried(make: Callable[[], CallawaySantanna]) -> CallawaySantanna | None:
    try:
        return make()
    except NotEstimable:
        return None


def _imputed(panel: UnitPanel) -> Imputation | None:
    try:
        return imputation(panel)
    except NotEstimable:
        return None


def _finding(inference: TInference, method: str, plan: Plan) -> Finding:
    df = None if math.isinf(inference.df) else inference.df
    return finding(inference, method, std_error=inference.std_error, df=df, level=plan.confidence_level)


def _means(found: GroupTime) -> dict[str, float]:
    """The raw means behind the simple average: of the treated in their treated periods, of their controls then."""
    panel, w = found.panel, found.panel.unit_weights
    sums, total = [0.0, 0.0], 0.0
    for cell in found.cells:
        if cell.event < 0:
            continue
        treated = panel.first_treated == cell.start
        control = controls_of(panel.first_treated, cell.start, cell.period, found.controls)
        share = float(w[treated].sum())
        for position, members in enumerate((control, treated)):
            own = w[members]
            sums[position] += share * float((own * panel.y[members, cell.period]).sum() / own.sum())
        total += share
    return {"mean_control": sums[0] / total, "mean_variant": sums[1] / total}


def _wedge_means(wedge: SteppedWedge) -> dict[str, float]:
    panel = wedge.panel
    lost = {(start, period) for start, period in wedge.unidentified}
    starts = [panel.periods[g] if g >= 0 else "" for g in panel.first_treated]
    known = np.array([[(start, period) not in lost for period in panel.periods] for start in starts], dtype=np.bool_)
    treated = panel.treated & known
    after = np.asarray(treated.any(axis=0), dtype=np.bool_)
    untreated = ~panel.treated & after[None, :]
    return {"mean_control": float(panel.y[untreated].mean()), "mean_variant": float(panel.y[treated].mean())}


def _extra(found: CallawaySantanna, panel: UnitPanel, plan: Plan) -> dict[str, object]:
    """The averages of the group-time effects, the effects themselves, and the imputed effects by time."""
    cells = [
        {
            "start": found.group_time.panel.periods[cell.start],
            "period": found.group_time.panel.periods[cell.period],
            "event": cell.event,
            "effect": cell.effect,
            "std_error": cell.std_error,
            "n_treated": cell.n_treated,
            "n_control": cell.n_control,
        }
        for cell in found.group_time.cells
    ]
    averages = {kind.value: _average(found, kind, plan) for kind in Aggregation if kind is not Aggregation.SIMPLE}
    extra: dict[str, object] = {"group_time": {"cells": cells, **averages}}
    imputed = _imputed(panel) if panel.weight is None else None
    if imputed is not None:
        extra["imputation"] = [
            {"event": one.event, "effect": one.effect, "std_error": one.std_error, "n_cells": one.n_cells}
            for one in imputed.event_times
        ]
    return extra


def _average(found: CallawaySantanna, kind: Aggregation, plan: Plan) -> dict[str, object]:
    averages = found.average(kind)
    band = averages.band(confidence_level=plan.confidence_level, seed=plan.effective_seed)

    def told(effect: Effect) -> dict[str, object]:
        return {"effect": effect.effect, "std_error": averages.inference(effect).std_error}

    parts = [
        {"at": part.label, **told(part), "n_cells": part.n_cells, "band": [low, high]}
        for part, low, high in zip(averages.parts, band.low, band.high, strict=True)
    ]
    return {"overall": told(averages.overall), "critical": band.critical, "parts": parts}
