"""Rows of a time to an event: the difference of restricted means, the curves beneath, and Cox beside.

Independent units (customers): Kaplan–Meier in each arm, restricted means up to the horizon, a normal test. Units with
several rows: one restricted mean per unit, then the regression on units and its permutation. Where few units,
blocks, covariates, weights or the rows estimand need more, every row's pseudo-value takes the place of its mean.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.cox import cox, log_rank
from experiments.estimate.kaplan_meier import KaplanMeier, check_durations, kaplan_meier
from experiments.estimate.rmst import compare_rmst, pseudo_values, require_horizon, unit_rmst
from experiments.frame import Bools, Floats, Frame
from experiments.messages import N_, Message
from experiments.plan import Assignment, Estimand, Kind, MetricSpec, Plan
from experiments.rows.finding import Finding, RowResult, finding

MOST_POINTS = 200  # of a curve in a report
FEWEST_EVENTS = 20  # before the horizon in each arm: with fewer the normal test of the curves rejects too often
FEWEST_CLUSTERS = 20  # in an arm: with fewer the robust error of Cox is too short to test with

_PSEUDO = Message(
    "pseudo_values",
    N_(
        "each row counts with its pseudo-value, its share in the restricted mean of all rows: the end of sight must "
        "not depend on the variant"
    ),
    {},
)
_CENSORING = Message(
    "independent_censoring", N_("what ended the sight of a row says nothing about when its event would have come"), {}
)


def build(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> RowResult:
    """One duration of one variant against control: the difference of mean days without the event up to the horizon.

    Raises ``NotEstimable`` for a plan with periods, durations that are none, and a horizon beyond the last follow-up
    of either arm.
    """
    time, event, tau = _durations(frame, metric)
    number = frame.variants.index(variant)
    for code in (0, number):
        _require_follow_up(frame, code, time, tau)
    if _events(frame, number, time, event, tau) >= FEWEST_EVENTS and _is_plain(frame, plan, metric, variant):
        row = _customers(frame, plan, number, time, event, tau)
    elif plan.estimand is Estimand.UNITS and not frame.rows_are_units:
        from experiments.rows.units import unit_row

        values = unit_rmst(time, event, frame.unit_of, frame.n_units, tau=tau, weight=frame.weight)
        row = unit_row(frame, plan, metric, variant, values)
        row = replace(row, warnings=(*row.warnings, *_not_watched(frame, metric, number, values, tau)))
    else:
        row = _by_pseudo_values(frame, plan, metric, variant, time, event, tau)
    pair = np.isin(frame.row_variant, (0, number))
    beside = tuple(_beside(frame, plan, number, pair, time, event, tau, row.headline.method))
    return replace(
        row,
        assumptions=(*row.assumptions, _CENSORING),
        alternatives=(*row.alternatives, *beside),
        extra={**row.extra, **_curves(frame, (0, number), time, event, tau, row)},
    )


def _durations(frame: Frame, metric: MetricSpec) -> tuple[Floats, Floats, float]:
    if frame.period_of is not None:
        raise NotEstimable(
            Message(
                "duration_in_panel",
                N_("{metric}: a duration is one row per event time; with periods it has no meaning"),
                {"metric": metric.name},
            )
        )
    time, event = frame.columns[metric.value], frame.columns[metric.event or ""]
    try:
        check_durations(time, event)
    except InvalidNumber as problem:
        raise NotEstimable(
            Message(
                "not_a_duration",
                N_("{metric}: days must not be negative and events must be 0 or 1 ({reason})"),
                {"metric": metric.name, "reason": str(problem)},
            )
        ) from problem
    return time, event, float(metric.horizon or math.nan)


def _require_follow_up(frame: Frame, code: int, time: Floats, tau: float) -> None:
    own = time[frame.row_variant == code]
    if not len(own):
        raise NotEstimable(
            Message("empty_arm_of_rows", N_("{variant} has no row with data"), {"variant": frame.variants[code]})
        )
    last = float(own.max())
    if tau > last:
        raise NotEstimable(
            Message(
                "horizon_beyond_follow_up_of",
                N_("the horizon of {tau:g} days lies beyond the last follow-up of {variant}, {last:g} days"),
                {"tau": tau, "variant": frame.variants[code], "last": last},
            )
        )


def _not_watched(frame: Frame, metric: MetricSpec, number: int, values: Floats, tau: float) -> Iterator[Message]:
    """Names the units of the two variants whose own curve ends before the horizon."""
    lost = np.flatnonzero(~np.isfinite(values) & np.isin(frame.variant_of, (0, number)))
    if len(lost):
        shown = ", ".join(frame.units[place] for place in lost[:8]) + (" …" if len(lost) > 8 else "")
        text = N_("{metric}: {n} units were not watched to the horizon of {tau:g} days: {units}")
        yield Message("units_not_watched", text, {"metric": metric.name, "n": len(lost), "tau": tau, "units": shown})


def _events(frame: Frame, number: int, time: Floats, event: Floats, tau: float) -> int:
    """Events before the horizon in the arm that has fewer of them."""
    seen = (event == 1.0) & (time < tau)
    return min(int(np.count_nonzero(seen & (frame.row_variant == code))) for code in (0, number))


def _is_plain(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> bool:
    """Whether the arms' own curves answer: many independent units, one row each, nothing to adjust by."""
    if not frame.rows_are_units or frame.weight is not None or frame.has_blocks or metric.covariates:
        return False
    from experiments.rows.choice import choose
    from experiments.rows.customers import build as of_customers

    bounded = replace(_as_mean(metric), kind=Kind.PROPORTION)  # times end at the horizon: no long tail, as in a share
    return choose(frame, plan, bounded, variant).build is of_customers


def _as_mean(metric: MetricSpec) -> MetricSpec:
    return replace(metric, kind=Kind.MEAN, event=None, horizon=None)


def _customers(frame: Frame, plan: Plan, number: int, time: Floats, event: Floats, tau: float) -> RowResult:
    from experiments.rows.customers import words

    pair = np.isin(frame.row_variant, (0, number))
    treated = (frame.row_variant[pair] == number).astype(np.float64)
    compared = compare_rmst(time[pair], event[pair], treated, tau=tau)
    difference = compared.difference
    return RowResult(
        headline=finding(difference, "rmst", std_error=difference.std_error, df=None, level=plan.confidence_level),
        inference=difference,
        estimand=plan.estimand.value,
        mean_control=compared.control.value,
        mean_variant=compared.variant.value,
        n_units=int(np.count_nonzero(pair)),
        n_rows=int(np.count_nonzero(pair)),
        randomization_p=None,
        assumptions=words(plan),
        alternatives=(),
        control_error=compared.control.std_error**2,
    )


def _by_pseudo_values(
    frame: Frame, plan: Plan, metric: MetricSpec, variant: str, time: Floats, event: Floats, tau: float
) -> RowResult:
    """The row that the plan would have for a mean, of the pseudo-values."""
    from experiments.rows.choice import choose

    values = pseudo_values(time, event, tau=tau, weight=frame.weight)
    changed = replace(frame, columns={**frame.columns, metric.value: values})
    as_mean = _as_mean(metric)
    row = choose(changed, plan, as_mean, variant).build(changed, plan, as_mean, variant)
    return replace(row, assumptions=(*row.assumptions, _PSEUDO))


def _beside(
    frame: Frame, plan: Plan, number: int, pair: Bools, time: Floats, event: Floats, tau: float, headline: str
) -> Iterator[Finding]:
    """The normal test of the arms' own curves where rows are independent, and Cox; none of them with weights."""
    if frame.weight is not None:
        return
    level = plan.confidence_level
    treated = (frame.row_variant[pair] == number).astype(np.float64)
    independent = frame.rows_are_units and plan.assignment not in (Assignment.MATCHED_PAIRS, Assignment.RERANDOMIZED)
    if independent and headline != "rmst":
        try:
            difference = compare_rmst(time[pair], event[pair], treated, tau=tau).difference
        except NotEstimable:
            return
        yield finding(difference, "rmst", std_error=difference.std_error, df=None, level=level)
    try:
        found = cox(time[pair], event[pair], treated, clusters=frame.unit_of[pair])
    except NotEstimable:
        return
    sizes = frame.arm_sizes()
    tested = frame.rows_are_units or int(min(sizes[0], sizes[number])) >= FEWEST_CLUSTERS
    ratio = found.inference
    yield Finding(
        method="cox",
        effect=ratio.effect,
        std_error=ratio.std_error if tested else None,
        df=None,
        interval=ratio.interval(level) if tested else (None, None),
        p_value=ratio.p_value() if tested else None,
        interval_level=level,
        per="log hazard ratio",
        estimand="log hazard ratio",
        extra={"hazard_ratio": found.hazard_ratio, "n_events": found.n_events, "n_clusters": found.n_clusters},
    )


def _curves(
    frame: Frame, codes: tuple[int, int], time: Floats, event: Floats, tau: float, row: RowResult
) -> Mapping[str, object]:
    curves = {}
    for code in codes:
        rows = frame.row_variant == code
        weight = None if frame.weight is None else frame.weight[rows]
        curve = kaplan_meier(time[rows], event[rows], weight)
        require_horizon(curve, tau)
        known = frame.rows_are_units and weight is None
        curves[frame.variants[code]] = _curve(curve, tau, row.headline.interval_level if known else None)
    extra: dict[str, object] = {"horizon": tau, "kaplan_meier": curves}
    if frame.rows_are_units and frame.weight is None:
        pair = np.isin(frame.row_variant, codes)
        try:
            test = log_rank(time[pair], event[pair], (frame.row_variant[pair] == codes[1]).astype(np.float64))
        except NotEstimable:
            return extra
        extra["log_rank"] = {"statistic": test.statistic, "df": 1, "p": test.p_value}
    return extra


def _curve(curve: KaplanMeier, tau: float, level: float | None) -> dict[str, list[float]]:
    """At most 200 steps of a curve up to ``tau``; with the interval where rows are independent."""
    places = np.flatnonzero(curve.times <= tau)
    if len(places) > MOST_POINTS:
        places = places[np.linspace(0, len(places) - 1, MOST_POINTS).round().astype(np.int64)]
    found = {
        "time": curve.times[places].tolist(),
        "survival": curve.survival[places].tolist(),
        "at_risk": curve.at_risk[places].tolist(),
    }
    if level is not None:
        ends = [curve.interval(float(curve.times[place]), level) for place in places]
        found |= {"lower": [low for low, _ in ends], "upper": [high for _, high in ends]}
    return found
