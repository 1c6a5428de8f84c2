"""Power of a plan on the retailer's own table: in closed form, and for a panel by replay of its own past.

Closed form: the residual variance s² of the regression that will be run (unit value on blocks, the value before and
covariates) gives the error s / √E(t̂'t̂), t̂ what those columns leave of the treatment on average over the draw, and
the noncentral t gives power and the smallest visible effect. Replay: placebo windows × draws of the actual mechanism ×
an injected effect × the actual analysis; where both are there, replay is the one to believe. Observational panels
report changes, or synthetic DiD of one to four units, and are replayed by these. Several starts: ``wedge_power``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.checks import at_least, finite, probability
from experiments.design.cluster_power import intraclass_correlation
from experiments.design.past_windows import History, history_of, require_past_window
from experiments.design.placebo import CR2, REGRESSION_T, placebo_runs
from experiments.design.power import DEFAULT_POWER
from experiments.design.power_rows import Asked, How, PowerReport, PowerRow
from experiments.design.reported_replay import CHANGES, reported_method, reported_runs
from experiments.design.wedge_power import HUSSEY_HUGHES, wedge_power
from experiments.errors import NotEstimable
from experiments.messages import N_, Message
from experiments.plan import Plan, plan_from_mapping

if TYPE_CHECKING:
    from experiments.estimate.unit_means import Nuisance
    from experiments.estimate.unit_table import UnitTable
    from experiments.frame import Frame
    from experiments.plan import MetricSpec

__all__ = ["How", "PowerReport", "PowerRow", "plan_power"]

DEFAULT_LIFTS = (0.01, 0.02, 0.05, 0.10)
DEFAULT_REPLICATIONS = 1_000
_DRAWS = 999
_LENGTH_DRAWS = 200
_CELLS = 2_000_000  # draws × units at most for the average of t̂'t̂


def plan_power(
    data: Any,
    plan: Plan | Mapping[str, Any],
    *,
    lifts: Sequence[float] = DEFAULT_LIFTS,
    power: float = DEFAULT_POWER,
    replications: int = DEFAULT_REPLICATIONS,
    draws: int = _DRAWS,
    seed: int | None = None,
) -> PowerReport:
    """What ``plan`` can see: power for relative effects ``lifts`` and the smallest effect found with ``power``.

    ``data`` is the retailer's own table as for ``analyze``. A panel is measured on its past windows, in closed form and
    by replay; with several starts in closed form by its untreated past (``wedge_power``); any other table in closed
    form on its own outcome, given the treatment it has. The closed form assumes equal residual variances and the same
    effect in every unit. Raises the errors of reading; what cannot be answered for one metric is a refusal.
    References: Bloom (1995), Evaluation Review 19; Burlig, Preonas and Woerman (2020), Journal of Development Economics
    144 (replay on the own panel).
    """
    from experiments.reading import read

    plan = plan if isinstance(plan, Plan) else plan_from_mapping(plan)
    probability("power", power)
    for lift in lifts:
        finite("lifts", lift)
    at_least("replications", replications, 1)
    seed = plan.effective_seed if seed is None else at_least("seed", seed, 0)
    frame = read(data, plan, all_periods=True).frame
    if _has_several_starts(frame, plan):
        frame = read(data, plan).frame  # the periods that the analysis will have
    answers = _answers(frame, plan, replications=replications, draws=draws, seed=seed)
    rows: list[PowerRow] = []
    refusals: list[tuple[str, str, Message]] = []
    for metric in plan.metrics:
        for variant in frame.variants[1:]:
            reasons: dict[str, Message] = {}
            for answer in answers:
                try:
                    rows += answer(Asked(plan, metric.name, variant, tuple(lifts), power), metric)
                except NotEstimable as refusal:
                    reasons[refusal.message.code] = refusal.message
            refusals += [(metric.name, variant, reason) for reason in reasons.values()]
    return PowerReport(tuple(rows), tuple(refusals), plan.alpha, power, seed)


Answer = Callable[[Asked, "MetricSpec"], list[PowerRow]]


def _answers(frame: Frame, plan: Plan, *, replications: int, draws: int, seed: int) -> tuple[Answer, ...]:
    """The ways in which one metric and variant are answered."""
    if frame.period_of is None:
        return (lambda asked, metric: [_of_table(asked, frame, metric, seed)],)
    if _has_several_starts(frame, plan):
        return (lambda asked, metric: _of_starts(asked, frame, metric, seed, draws),)
    history = history_of(frame, plan)
    return (
        lambda asked, metric: [_of_history(asked, history, metric, seed)],
        lambda asked, metric: _reported(asked, history, metric),
        lambda asked, metric: _by_replay(asked, history, metric, replications, draws, seed),
    )


def _has_several_starts(frame: Frame, plan: Plan) -> bool:
    from experiments.plan import Assignment
    from experiments.rows.choice import has_one_start

    return plan.assignment is Assignment.STEPPED_WEDGE or not has_one_start(frame)


def _of_table(asked: Asked, frame: Frame, metric: MetricSpec, seed: int) -> PowerRow:
    """The closed form on the table's own outcome: the residual variance of its own regression."""
    from experiments.estimate.unit_means import fit
    from experiments.plan import Estimand, Kind
    from experiments.rows.contrast import contrast, unit_values
    from experiments.rows.covariates import unit_covariates

    plan = asked.plan
    _require_values(metric)
    covariates, _ = unit_covariates(frame, plan, metric)
    weight = frame.unit_weight() if plan.estimand is Estimand.ROWS else None
    table = contrast(frame, plan, metric, asked.variant, unit_values(frame, metric), covariates, weight).table
    regression = fit(table)
    variance = float((regression.residual**2).sum()) / regression.df
    length = _expected_length(table, regression.nuisance, seed)
    icc = None
    if metric.kind is not Kind.RATIO and not frame.rows_are_units:
        try:
            icc = intraclass_correlation(frame.columns[metric.value], frame.unit_of)
        except NotEstimable:
            icc = None
    error = float(np.sqrt(variance / length))
    return asked.in_closed_form(
        REGRESSION_T,
        _sizes(table),
        error,
        float(regression.df),
        table.mean(treated=False),
        reach=_reach(plan, table),
        icc=icc,
    )


def _of_starts(asked: Asked, frame: Frame, metric: MetricSpec, seed: int, draws: int) -> list[PowerRow]:
    """Several starts: the statistic that the plan reports, and generalised least squares beside it."""
    from experiments.plan import Estimand
    from experiments.rows.series import panel_of
    from experiments.rows.staggered import GROUP_TIME, WEDGE, is_permuted

    plan = asked.plan
    _require_values(metric)
    if plan.estimand is Estimand.ROWS:
        template = N_("{metric}: power of several starts counts every unit once; use the estimand units")
        raise NotEstimable(Message("wedge_counts_units", template, {"metric": metric.name}))
    panel = panel_of(frame, metric, asked.variant, np.zeros((frame.n_units, 0)), None)
    permuted = is_permuted(plan, panel.n_units)
    block = np.zeros(panel.n_units, dtype=np.int64)
    if permuted:  # the influence functions compare across blocks
        place = {str(unit): position for position, unit in enumerate(frame.units)}
        block = np.array([frame.block_of[place[unit]] for unit in panel.units], dtype=np.int64)
    found = wedge_power(panel, block, seed=seed, draws=draws)
    method = WEDGE if permuted else GROUP_TIME
    sizes, reach = (found.n_control, found.n_variant), found.smallest_p if permuted else None
    best = found.least_squares_error
    return [
        asked.in_closed_form(method, sizes, found.std_error, found.df, found.mean, reach=reach),
        asked.in_closed_form(HUSSEY_HUGHES, sizes, best, found.df, found.mean, beside=method),
    ]


def _of_history(asked: Asked, history: History, metric: MetricSpec, seed: int) -> PowerRow:
    """The closed form on the past windows: their residual variances averaged. Where changes are reported it is theirs:
    the value during less the value before."""
    from experiments.estimate.unit_means import fit

    windows = history.windows()
    require_past_window(history, windows)
    reported = reported_method(history, metric, asked.variant)
    variances, lengths, means, degrees, tables = [], [], [], [], []
    refusal = None
    for window in windows:
        try:
            table = history.contrast(window, metric, asked.variant).table
            regression = fit(_changes(table) if reported == CHANGES else table)
        except NotEstimable as problem:  # stores that were not there yet: the window says nothing
            refusal = refusal or problem
            continue
        tables.append(table)
        variances.append(float((regression.residual**2).sum()) / regression.df)
        lengths.append(_expected_length(table, regression.nuisance, seed))
        means.append(table.mean(treated=False))
        degrees.append(float(regression.df))
    if refusal is not None and not tables:
        raise refusal
    return asked.in_closed_form(
        "difference_in_differences" if reported == CHANGES else REGRESSION_T,
        _sizes(tables[0]),
        float(np.sqrt(np.mean(variances) / np.mean(lengths))),
        float(min(degrees)),
        float(np.mean(means)),
        n_windows=len(tables),
        reach=_reach(history.plan, tables[0]),
        beside=None if reported == CHANGES else reported,
    )


def _reported(asked: Asked, history: History, metric: MetricSpec) -> list[PowerRow]:
    """What an observational panel reports, replayed."""
    method = reported_method(history, metric, asked.variant)
    if method is None:
        return []
    return [asked.by_replay(method, reported_runs(history, metric, asked.variant, lift=0.0))]


def _by_replay(
    asked: Asked, history: History, metric: MetricSpec, replications: int, draws: int, seed: int
) -> list[PowerRow]:
    """The regression, replayed: by permutation where units were drawn, else by CR2."""
    reported = reported_method(history, metric, asked.variant)
    runs = placebo_runs(history, metric, asked.variant, replications=replications, draws=draws, seed=seed, lift=0.0)
    method = next((name for name in runs.null if name not in (CR2, REGRESSION_T)), CR2)
    if method == CR2 and bool(np.isnan(runs.null[CR2].effect).any()):
        method = REGRESSION_T
    reach = _reach(history.plan, history.contrast(history.windows()[0], metric, asked.variant).table)
    return [asked.by_replay(method, runs, reach=reach, beside=reported)]


def _changes(table: UnitTable) -> UnitTable:
    """The value before moves from the covariates, where a history has it first, into the outcome."""
    from dataclasses import replace

    return replace(table, y=table.y - table.covariates[:, 0], covariates=table.covariates[:, 1:])


def _require_values(metric: MetricSpec) -> None:
    from experiments.plan import Kind

    if metric.kind is Kind.DURATION:
        template = N_("{metric}: power of durations is not in closed form here")
        raise NotEstimable(Message("not_powered", template, {"metric": metric.name}))


def _sizes(table: UnitTable) -> tuple[int, int]:
    treated = int(np.count_nonzero(table.treated[table.moves]))
    return table.n_units - treated, treated


def _reach(plan: Plan, table: UnitTable) -> float | None:
    from experiments.rows.units import smallest_p

    return smallest_p(table) if plan.is_randomised else None


def _expected_length(table: UnitTable, nuisance: Nuisance, seed: int) -> float:
    """The average of t̂'t̂ over redraws: what blocks, covariates and bystanders leave of the treatment."""
    from experiments.estimate.redraws import redraws

    wanted = max(99, min(_LENGTH_DRAWS, _CELLS // len(table.units)))
    rows = redraws(table, seed=seed, draws=wanted).treated[:wanted]
    lengths = [float((nuisance.out_of(row.astype(np.float64)) ** 2).sum()) for row in rows]
    return float(sum(lengths) / len(lengths))
