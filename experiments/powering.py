"""Power of a plan on the retailer's own table: in closed form, and for a panel by replay of its own past.

Closed form: the residual variance s² of the regression that will be run (unit value on blocks, the value before and
covariates) gives the error s / √E(t̂'t̂), t̂ what those columns leave of the treatment on average over the draw, and
the noncentral t gives power and the smallest visible effect. Replay: placebo windows × draws of the actual mechanism ×
an injected effect × the actual analysis; where both are there, replay is the one to believe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.checks import at_least, finite, probability
from experiments.design.cluster_power import IntraclassCorrelation, intraclass_correlation
from experiments.design.past_windows import History, history_of
from experiments.design.placebo import CR2, REGRESSION_T, placebo_runs
from experiments.design.power import DEFAULT_POWER, detectable, power_of_t
from experiments.errors import NotEstimable
from experiments.messages import N_, Message
from experiments.plan import Plan, plan_from_mapping

if TYPE_CHECKING:
    from experiments.estimate.unit_means import Nuisance
    from experiments.estimate.unit_table import UnitTable
    from experiments.frame import Frame
    from experiments.plan import MetricSpec

DEFAULT_LIFTS = (0.01, 0.02, 0.05, 0.10)
DEFAULT_REPLICATIONS = 1_000
_DRAWS = 999
_LENGTH_DRAWS = 200
_CELLS = 2_000_000  # draws × units at most for the average of t̂'t̂


class How(StrEnum):
    """Where a power comes from."""

    CLOSED_FORM = "closed_form"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class PowerRow:
    """Power for one metric and variant. ``power`` holds (relative effect, power); ``smallest_effect`` is what is found
    with ``power_wanted`` (None: nothing is), ``smallest_relative`` its share of ``mean``. ``std_error`` and ``df`` are
    those of the closed form. ``smallest_p`` is the least p-value that the draw can give (None: nobody drew).
    ``icc`` where the table has rows beneath the units."""

    metric: str
    variant: str
    how: How
    method: str
    n_control: int
    n_variant: int
    n_windows: int
    mean: float
    std_error: float | None
    df: float | None
    smallest_effect: float | None
    smallest_relative: float | None
    power: tuple[tuple[float, float], ...]
    smallest_p: float | None
    icc: IntraclassCorrelation | None
    sentence: Message


@dataclass(frozen=True, slots=True)
class PowerReport:
    """The answer of ``plan_power``: rows, and (metric, variant, reason) of what could not be answered."""

    rows: tuple[PowerRow, ...]
    refusals: tuple[tuple[str, str, Message], ...]
    level: float
    power_wanted: float
    seed: int

    def to_text(self) -> str:
        """The answer as plain English."""
        lines = [
            f"{row.metric}, {row.variant} ({row.how.value.replace('_', ' ')}, {row.method}): {row.sentence}"
            for row in self.rows
        ]
        lines += [f"{metric}, {variant}: {reason}" for metric, variant, reason in self.refusals]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_text()

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON-able data with full precision."""
        rows = []
        for row in self.rows:
            known = asdict(row) | {"how": row.how.value, "sentence": str(row.sentence)}
            known["power"] = [list(pair) for pair in row.power]
            rows.append(known)
        return {
            "rows": rows,
            "refusals": [{"metric": m, "variant": v, "reason": str(r), "code": r.code} for m, v, r in self.refusals],
            "level": self.level,
            "power_wanted": self.power_wanted,
            "seed": self.seed,
        }


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
    by replay; any other table in closed form on its own outcome, given the treatment it has. The closed form assumes
    equal residual variances and the same effect in every unit. Raises the errors of reading; what cannot be answered
    for one metric is a refusal. References: Bloom (1995), Evaluation Review 19; Burlig, Preonas and Woerman (2020),
    Journal of Development Economics 144 (replay on the own panel).
    """
    from experiments.reading import read

    plan = plan if isinstance(plan, Plan) else plan_from_mapping(plan)
    probability("power", power)
    for lift in lifts:
        finite("lifts", lift)
    at_least("replications", replications, 1)
    seed = plan.effective_seed if seed is None else at_least("seed", seed, 0)
    frame = read(data, plan, all_periods=True).frame
    history = None if frame.period_of is None else history_of(frame, plan)
    rows: list[PowerRow] = []
    refusals: list[tuple[str, str, Message]] = []
    for metric in plan.metrics:
        for variant in frame.variants[1:]:
            try:
                if history is None:
                    rows.append(_of_table(frame, plan, metric, variant, lifts, power, seed))
                else:
                    rows.append(_of_history(history, metric, variant, lifts, power, seed))
                    rows.append(_by_replay(history, metric, variant, lifts, power, replications, draws, seed))
            except NotEstimable as refusal:
                refusals.append((metric.name, variant, refusal.message))
    return PowerReport(tuple(rows), tuple(refusals), plan.alpha, power, seed)


def _of_table(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, lifts: Sequence[float], power: float, seed: int
) -> PowerRow:
    """The closed form on the table's own outcome: the residual variance of its own regression."""
    from experiments.estimate.unit_means import fit
    from experiments.plan import Estimand, Kind
    from experiments.rows.contrast import contrast, unit_values
    from experiments.rows.covariates import unit_covariates

    if metric.kind is Kind.DURATION:
        raise NotEstimable(
            Message(
                "not_powered", N_("{metric}: power of durations is not in closed form here"), {"metric": metric.name}
            )
        )
    covariates, _ = unit_covariates(frame, plan, metric)
    weight = frame.unit_weight() if plan.estimand is Estimand.ROWS else None
    table = contrast(frame, plan, metric, variant, unit_values(frame, metric), covariates, weight).table
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
    return _closed(
        plan, metric, variant, table, error, float(regression.df), table.mean(treated=False), 0, icc, lifts, power
    )


def _of_history(
    history: History, metric: MetricSpec, variant: str, lifts: Sequence[float], power: float, seed: int
) -> PowerRow:
    """The closed form on the past windows: their residual variances averaged."""
    from experiments.estimate.unit_means import fit

    windows = history.windows()
    if not windows:
        raise NotEstimable(
            Message(
                "no_past_window",
                N_("{n} periods before the start are too few for one past window of {during} after {before}"),
                {"n": history.n_periods, "during": history.n_during, "before": history.n_before},
            )
        )
    variances, lengths, means, degrees, tables = [], [], [], [], []
    refusal = None
    for window in windows:
        try:
            table = history.contrast(window, metric, variant).table
            regression = fit(table)
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
    error = float(np.sqrt(np.mean(variances) / np.mean(lengths)))
    mean, df = float(np.mean(means)), float(min(degrees))
    return _closed(history.plan, metric, variant, tables[0], error, df, mean, len(tables), None, lifts, power)


def _by_replay(
    history: History,
    metric: MetricSpec,
    variant: str,
    lifts: Sequence[float],
    power: float,
    replications: int,
    draws: int,
    seed: int,
) -> PowerRow:
    runs = placebo_runs(history, metric, variant, replications=replications, draws=draws, seed=seed, lift=0.0)
    method = next((name for name in runs.null if name not in (CR2, REGRESSION_T)), CR2)
    if method == CR2 and bool(np.isnan(runs.null[CR2].effect).any()):
        method = REGRESSION_T
    smallest = runs.smallest_effect(method, power)
    table = history.contrast(history.windows()[0], metric, variant).table
    return _row(
        history.plan,
        metric,
        variant,
        table,
        how=How.REPLAY,
        method=method,
        n_windows=runs.n_windows,
        mean=runs.mean,
        std_error=None,
        df=None,
        smallest=smallest,
        power=tuple((lift, runs.power_at(method, lift * runs.mean)) for lift in lifts),
        wanted=power,
        icc=None,
    )


def _closed(
    plan: Plan,
    metric: MetricSpec,
    variant: str,
    table: UnitTable,
    error: float,
    df: float,
    mean: float,
    n_windows: int,
    icc: IntraclassCorrelation | None,
    lifts: Sequence[float],
    wanted: float,
) -> PowerRow:
    found = tuple((lift, power_of_t(lift * mean, error, df, level=plan.alpha) if error > 0 else 1.0) for lift in lifts)
    return _row(
        plan,
        metric,
        variant,
        table,
        how=How.CLOSED_FORM,
        method=REGRESSION_T,
        n_windows=n_windows,
        mean=mean,
        std_error=error,
        df=df,
        smallest=detectable(error, df, level=plan.alpha, power=wanted),
        power=found,
        wanted=wanted,
        icc=icc,
    )


def _row(
    plan: Plan,
    metric: MetricSpec,
    variant: str,
    table: UnitTable,
    *,
    how: How,
    method: str,
    n_windows: int,
    mean: float,
    std_error: float | None,
    df: float | None,
    smallest: float | None,
    power: tuple[tuple[float, float], ...],
    wanted: float,
    icc: IntraclassCorrelation | None,
) -> PowerRow:
    from experiments.rows.units import smallest_p

    treated = int(np.count_nonzero(table.treated[table.moves]))
    reach = smallest_p(table) if plan.is_randomised else None
    relative = smallest / abs(mean) if smallest is not None and mean else None
    return PowerRow(
        metric=metric.name,
        variant=variant,
        how=how,
        method=method,
        n_control=table.n_units - treated,
        n_variant=treated,
        n_windows=n_windows,
        mean=mean,
        std_error=std_error,
        df=df,
        smallest_effect=smallest,
        smallest_relative=relative,
        power=power,
        smallest_p=reach,
        icc=icc,
        sentence=_sentence(plan, smallest, relative, wanted, power, reach),
    )


def _sentence(
    plan: Plan,
    smallest: float | None,
    relative: float | None,
    wanted: float,
    power: tuple[tuple[float, float], ...],
    reach: float | None,
) -> Message:
    if reach is not None and reach > plan.alpha:
        values: dict[str, str | int | float] = {"reach": reach, "level": plan.alpha}
        template = N_("the smallest p-value of this draw is {reach:.3f}, above {level:g}: it can never show an effect")
        return Message("power_out_of_reach", template, values)
    listed = ", ".join(f"{share:.0%} for {lift:+.1%}" for lift, share in power)
    values = {"wanted": wanted, "listed": listed}
    if smallest is None:
        return Message(
            "power_none", N_("no effect of any size is found with power {wanted:.0%}; power {listed}"), values
        )
    values["smallest"] = smallest
    if relative is None:
        template = N_("an effect of {smallest:.4g} is found with power {wanted:.0%}")
        return Message("power_absolute", template, values)
    values["relative"] = relative
    template = N_("an effect of {relative:.1%} ({smallest:.4g}) is found with power {wanted:.0%}; power {listed}")
    return Message("power_relative", template, values)


def _expected_length(table: UnitTable, nuisance: Nuisance, seed: int) -> float:
    """The average of t̂'t̂ over redraws: what blocks, covariates and bystanders leave of the treatment."""
    from experiments.estimate.redraws import redraws

    wanted = max(99, min(_LENGTH_DRAWS, _CELLS // len(table.units)))
    rows = redraws(table, seed=seed, draws=wanted).treated[:wanted]
    lengths = [float((nuisance.out_of(row.astype(np.float64)) ** 2).sum()) for row in rows]
    return float(sum(lengths) / len(lengths))
