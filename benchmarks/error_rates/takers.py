"""Compliers, times to an event, and hand-picked units with a synthetic control."""

from functools import partial

import numpy as np

from benchmarks.error_rates.cell import LEVEL, Cell, Floats, Tally
from benchmarks.error_rates.judging import NAIVE
from benchmarks.error_rates.panels import autoregressive
from benchmarks.error_rates.units import STUDENTISED, Sample, count_units, draws_of, unit_table
from experiments.errors import NotEstimable
from experiments.estimate.anderson_rubin import AndersonRubin, anderson_rubin
from experiments.estimate.complier_effect import complier_effect, two_sample_reduced_form, unit_reduced_form
from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.estimate import Inference
from experiments.estimate.placebo import placebo_in_space
from experiments.estimate.rmst import compare_rmst, unit_rmst
from experiments.estimate.synthetic_control import difference_in_differences_fit
from experiments.estimate.synthetic_did import synthetic_did

HORIZON = 60.0


def compliers(
    rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int, uptake: float, stores: bool
) -> None:
    """Those assigned take up with the given share, nobody else; takers would have bought more anyway. The complier
    effect is zero. Stores are means of 100 customers of their own level. ``naive`` compares takers with others."""
    arms = draws_of(rng, replications, units, treated)
    for i in range(replications):
        keen = rng.standard_normal(units)
        if stores:
            taken = arms[i] * np.clip(uptake + 0.1 * keen, 0.0, 1.0)
        else:
            taken = arms[i] * (rng.random(units) < uptake * (1 + np.tanh(keen)))
        y = keen * 0.5 + rng.standard_normal(units)
        effect = 3.0 * np.sqrt(1.25 * (1 / treated + 1 / (units - treated))) / uptake
        lifted = y + effect * taken
        form = unit_reduced_form(unit_table(y, arms[i])) if stores else two_sample_reduced_form(arms[i])
        try:
            pairs: list[tuple[str, Inference | AndersonRubin, Inference | AndersonRubin]] = [
                (
                    "complier_effect",
                    complier_effect(y, taken, form).inference,
                    complier_effect(lifted, taken, form).inference,
                ),
                ("anderson_rubin", anderson_rubin(y, taken, form), anderson_rubin(lifted, taken, form)),
            ]
        except NotEstimable as refusal:
            tally.refuse(refusal)
            continue
        for name, null, other in pairs:
            p = null.p_value()
            tally.add(name, alarm=p <= LEVEL, covers=p > LEVEL, finds=other.p_value() <= LEVEL)
        if not stores:
            took = taken == 1.0
            error = np.sqrt(y[took].var() / took.sum() + y[~took].var() / (~took).sum())
            alarm = abs(y[took].mean() - y[~took].mean()) > 1.96 * error
            tally.add(NAIVE, alarm=alarm, covers=not alarm)


def customer_times(
    rng: np.random.Generator, replications: int, tally: Tally, *, arms: tuple[int, int], seen: float
) -> None:
    """Days to the next purchase, Weibull of shape .7 (mean about 40), sight ends between 60 and 60/``seen`` days."""
    treated = np.repeat([0.0, 1.0], arms)
    for _ in range(replications):
        time, event = _times(rng, len(treated), np.ones(len(treated)), seen)
        sooner, other_event = _times(rng, len(treated), np.where(treated == 1.0, _FASTER[min(arms)], 1.0), seen)
        for method in ({"alarm": (time, event)}, {"finds": (sooner, other_event)}):
            for what, (days, seen_event) in method.items():
                try:
                    p = compare_rmst(days, seen_event, treated, tau=HORIZON).difference.p_value()
                except NotEstimable as refusal:
                    tally.refuse(refusal)
                    continue
                tally.add("rmst", **{what: p <= LEVEL}, **({"covers": p > LEVEL} if what == "alarm" else {}))


_FASTER = {50: 0.42, 200: 0.62, 500: 0.75}


def _times(rng: np.random.Generator, n: int, scale: Floats, seen: float) -> tuple[Floats, Floats]:
    days = 32.0 * scale * rng.weibull(0.7, n)
    sight = np.where(rng.random(n) < seen, 90.0, rng.uniform(5.0, 90.0, n))
    return np.minimum(days, sight), (days <= sight).astype(float)


def store_times(rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int) -> None:
    """50 customers a store; stores differ in speed by a lognormal factor (σ .3). One restricted mean per store."""
    arms = draws_of(rng, replications, units, treated)
    member = np.repeat(np.arange(units), 50)
    values = np.empty((replications, units))
    for i in range(replications):
        speed = rng.lognormal(0.0, 0.3, units)[member]
        time, event = _times(rng, len(member), speed, 0.8)
        values[i] = unit_rmst(time, event, member, units, tau=HORIZON, weight=None)
    known = np.isfinite(values).all(axis=1)
    tally.notes["replications with a store that cannot be followed to the horizon"] = float(np.sum(~known))
    kept = np.flatnonzero(known)
    effect = 3.0 * float(values[kept].std()) * np.sqrt(1 / treated + 1 / (units - treated))
    count_units(tally, lambda i: Sample(unit_table(values[kept[i]], arms[kept[i]]), effect), len(kept), studentise=True)


def hand_picked(
    rng: np.random.Generator, replications: int, tally: Tally, *, donors: int, picked: int, weeks: int, trend: float
) -> None:
    """Two factors (a trend and an AR(1) of .5), AR(1) .3 noise. The largest units are picked; ``trend`` is how much
    their loading on the trend lies above that of the donors (in standard deviations). Their effect is zero."""
    after = weeks // 4
    units = donors + picked
    for _ in range(replications):
        loading = rng.standard_normal((units, 2))
        loading[:picked, 0] += trend
        factors = np.stack([np.linspace(0.0, 1.0, weeks), autoregressive(rng, (weeks,), 0.5)])
        level = np.sort(3.0 * rng.standard_normal((units, 1)), axis=0)[::-1]
        y = 10 + level + loading @ factors + 0.5 * autoregressive(rng, (units, weeks), 0.3)
        panel = DonorPanel(y[:picked], y[picked:], weeks - after)
        noise = panel.noise
        effect = 3.0 * 0.5 * np.sqrt((1.0 / after + 1.0 / weeks) * 1.9 / picked + 0.3)
        tests = {
            "synthetic_did": placebo_in_space(panel, lambda p, s=noise: synthetic_did(p, noise=s), seed=1, draws=50),  # type: ignore[misc]  # a default argument
            "difference_in_differences": placebo_in_space(panel, difference_in_differences_fit, seed=1, draws=50),
        }
        for name, found in tests.items():
            p = found.inference.p_value()
            tally.add(name, alarm=p <= LEVEL, covers=p > LEVEL, finds=found.inference.p_value(-effect) <= LEVEL)


COMPLIERS = tuple(
    Cell(
        "compliers",
        f"{units} ({treated}) {'stores' if stores else 'customers'}, {100 * uptake:g} % take up",
        "complier_effect" if uptake > 0.1 else "anderson_rubin",
        partial(compliers, units=units, treated=treated, uptake=uptake, stores=stores),
    )
    for units, treated, stores, uptake in (
        (400, 200, False, 0.05),
        (400, 200, False, 0.5),
        (12, 6, True, 0.5),
        (20, 10, True, 0.05),
        (20, 10, True, 0.5),
    )
)
TIMES = tuple(
    Cell(
        "times of customers",
        f"{arms[0]} v {arms[1]}, {100 * seen:g} % seen to the end",
        "rmst",
        partial(customer_times, arms=arms, seen=seen),
    )
    for arms, seen in (((50, 50), 0.5), ((50, 50), 0.9), ((200, 50), 0.5), ((200, 200), 0.9), ((500, 500), 0.5))
)
STORE_TIMES = tuple(
    Cell("times in stores", f"{units} ({treated})", STUDENTISED, partial(store_times, units=units, treated=treated))
    for units, treated in ((12, 6), (20, 10), (20, 4))
)
HAND_PICKED = tuple(
    Cell(
        "hand-picked units",
        f"{picked} of {donors + picked}, {weeks} weeks, trend {trend:g} sd apart",
        "synthetic_did",
        partial(hand_picked, donors=donors, picked=picked, weeks=weeks, trend=trend),
        breaks="without the effect the picked units would have moved like a mix of the others" if trend else "",
    )
    for donors, picked, weeks, trend in ((15, 1, 26, 0.0), (15, 1, 26, 2.0))
)
CELLS = (*COMPLIERS, *TIMES, *STORE_TIMES, *HAND_PICKED)
