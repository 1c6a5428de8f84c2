"""Panels: one start (the mean after, adjusted by the mean before), stepped waves, and starts that nobody drew."""

from functools import partial

import numpy as np

from benchmarks.error_rates.cell import LEVEL, Cell, Floats, Tally
from benchmarks.error_rates.judging import NAIVE
from benchmarks.error_rates.stores import SAME, attainable, chosen_for
from benchmarks.error_rates.units import REDRAWS, STUDENTISED, Sample, count_units, draws_of, unit_table
from experiments.estimate.callaway_santanna import Aggregation, callaway_santanna
from experiments.estimate.cluster_robust import unit_means_cr2
from experiments.estimate.stepped_wedge import stepped_wedge
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_panel import NEVER, UnitPanel

WEEKS, AFTER, CARRY = 26, 10, 0.6


def autoregressive(rng: np.random.Generator, shape: tuple[int, ...], carry: float) -> Floats:
    """Stationary AR(1) along the last axis, standard deviation 1."""
    noise = rng.standard_normal(shape)
    series = np.empty(shape)
    series[..., 0] = noise[..., 0]
    for week in range(1, shape[-1]):
        series[..., week] = carry * series[..., week - 1] + np.sqrt(1 - carry * carry) * noise[..., week]
    return series


def one_start(
    rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int, sd: float
) -> None:
    """26 weeks, 10 of them after the start; levels with standard deviation 2, weeks AR(1) .6, stores noisier or quieter
    by a factor from .5 to 1.5. Effects have standard deviation ``sd`` times that of a store's mean after the start."""
    arms = draws_of(rng, replications, units, treated)
    scale = rng.uniform(0.5, 1.5, (replications, units, 1))
    y = 2.0 * rng.standard_normal((replications, units, 1)) + scale * autoregressive(
        rng, (replications, units, WEEKS), CARRY
    )
    y += rng.standard_normal((replications, 1, WEEKS))
    before, after = y[..., : WEEKS - AFTER].mean(axis=2), y[..., WEEKS - AFTER :].mean(axis=2)
    spread = float((after - before).std())
    effects = sd * spread * rng.standard_normal(arms.shape)
    shift = arms * (effects - effects.mean(axis=1, keepdims=True))
    after = after + shift
    effect = 3.0 * spread * np.sqrt(1 / treated + 1 / (units - treated))
    _naive(tally, y, arms, shift, effect)
    studentise = chosen_for(treated, units) == STUDENTISED
    count_units(
        tally, lambda i: Sample(unit_table(after[i], arms[i], x=before[i]), effect), replications, studentise=studentise
    )
    for i in range(replications):
        t = fit(unit_table(after[i] - before[i], arms[i])).inference
        p, lifted = t.p_value(), t.p_value(-effect)
        tally.add("difference_in_differences", alarm=p <= LEVEL, covers=p > LEVEL, finds=lifted <= LEVEL)


def observed_start(
    rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int, noisier: float
) -> None:
    """One start that nobody drew: the largest stores were picked, the picked are ``noisier``; trends are parallel."""
    arms = np.tile((np.arange(units) < treated).astype(float), (replications, 1))
    level = np.sort(2.0 * rng.standard_normal((replications, units, 1)), axis=1)[:, ::-1]
    scale = np.where(arms == 1.0, noisier, 1.0)[..., None]
    y = level + scale * autoregressive(rng, (replications, units, WEEKS), CARRY)
    y += rng.standard_normal((replications, 1, WEEKS))
    change = y[..., WEEKS - AFTER :].mean(axis=2) - y[..., : WEEKS - AFTER].mean(axis=2)
    spread = float(change[:, treated:].std())
    effect = 3.0 * spread * np.sqrt(noisier**2 / treated + 1 / (units - treated))
    _naive(tally, y, arms, np.zeros_like(arms), effect)
    for i in range(replications):
        regression = fit(unit_table(change[i], arms[i]))
        tests = {
            "difference_in_differences_hc2": unit_means_cr2(regression),
            "difference_in_differences": regression.inference,
        }
        for name, t in tests.items():
            p = t.p_value()
            tally.add(name, alarm=p <= LEVEL, covers=p > LEVEL, finds=t.p_value(-effect) <= LEVEL)


def _naive(tally: Tally, y: Floats, arms: Floats, shift: Floats, effect: float) -> None:
    """Store and week effects with store-weeks as if they were independent."""
    post = (np.arange(WEEKS) >= WEEKS - AFTER).astype(float)
    d = (arms - arms.mean(axis=1, keepdims=True))[..., None] * (post - post.mean())
    values = y + shift[..., None] * post
    values = values - values.mean(axis=2, keepdims=True) - values.mean(axis=1, keepdims=True)
    values += values.mean(axis=(1, 2), keepdims=True) * -1.0
    total = (d * d).sum(axis=(1, 2))
    b = (d * values).sum(axis=(1, 2)) / total
    rest = values - b[:, None, None] * d
    n = y.shape[1] * WEEKS
    error = np.sqrt((rest * rest).sum(axis=(1, 2)) / (n - y.shape[1] - WEEKS) / total)
    alarm = np.abs(b / error) > 1.96
    tally.add(NAIVE, alarm=alarm, covers=~alarm, finds=np.abs((b + effect) / error) > 1.96)


def _panel(y: Floats, starts: np.ndarray) -> UnitPanel:
    units, weeks = y.shape
    return UnitPanel(tuple(f"{i:03}" for i in range(units)), tuple(str(t) for t in range(weeks)), y, starts)


def _reactions(rng: np.random.Generator, starts: np.ndarray, weeks: int, sd: float) -> Floats:
    """(U, T) an effect a unit, growing with its time under treatment; over the treated cells the mean is zero."""
    since = np.maximum(np.arange(weeks)[None, :] - starts[:, None] + 1, 0) * (starts != NEVER)[:, None]
    effects = sd * rng.standard_normal(len(starts))[:, None] * (since > 0) * (0.5 + since / since.max())
    counted = since > 0
    found: Floats = effects - counted * (effects.sum() / counted.sum())
    return found


def waves(rng: np.random.Generator, replications: int, tally: Tally, *, sizes: tuple[int, ...], sd: float) -> None:
    """Stepped waves: the first ``sizes`` start one after another, the last size never does; order drawn at random. A
    unit's effect has standard deviation ``sd`` (that of a store-period); the mean over the drawn units is zero."""
    weeks = len(sizes)
    order = np.repeat([*range(1, weeks), NEVER], sizes)
    units = len(order)
    effect = 3.0 * np.sqrt(2.0 / units)
    for _ in range(replications):
        starts = rng.permutation(order)
        y = 2.0 * rng.standard_normal((units, 1)) + rng.standard_normal((1, weeks))
        y = y + autoregressive(rng, (units, weeks), 0.3)
        effects = sd * rng.standard_normal(units)
        y = y + _panel(y, starts).treated * (effects - effects.mean())[:, None]
        panel = _panel(y, starts)
        test = stepped_wedge(panel, seed=1, draws=REDRAWS)
        p = test.p_value()
        tally.add("stepped_wedge_permutation", alarm=p <= LEVEL, covers=p > LEVEL, finds=test.p_value(-effect) <= LEVEL)
        clustered = callaway_santanna(panel).average(Aggregation.SIMPLE)
        for name, t in (
            ("callaway_santanna", clustered.inference()),
            ("its normal approximation", clustered.overall.normal),
        ):
            p = t.p_value()
            tally.add(name, alarm=p <= LEVEL, covers=p > LEVEL, finds=t.p_value(-effect) <= LEVEL)


def staggered(rng: np.random.Generator, replications: int, tally: Tally, *, sizes: tuple[int, ...], sd: float) -> None:
    """Starts that nobody drew: stores with higher levels start earlier (trends are parallel); the last size never."""
    weeks = 2 * len(sizes)
    order = np.repeat([*(2 * np.arange(1, len(sizes))), NEVER], sizes)
    units = len(order)
    effect = 3.0 * np.sqrt(2.0 / units)
    for _ in range(replications):
        level = np.sort(2.0 * rng.standard_normal((units, 1)), axis=0)[::-1]
        y = level + rng.standard_normal((1, weeks)) + autoregressive(rng, (units, weeks), 0.3)
        if sd:
            y = y + _reactions(rng, order, weeks, sd)
        averages = callaway_santanna(_panel(y, order)).average(Aggregation.SIMPLE)
        for name, t in (
            ("callaway_santanna", averages.inference()),
            ("its normal approximation", averages.overall.normal),
        ):
            p = t.p_value()
            tally.add(name, alarm=p <= LEVEL, covers=p > LEVEL, finds=t.p_value(-effect) <= LEVEL)


ONE_START = tuple(
    Cell(
        "one-start panels",
        f"{units} ({treated}), AR(1) {CARRY:g}, effects' sd {sd:g}",
        chosen_for(treated, units),
        partial(one_start, units=units, treated=treated, sd=sd),
        attainable=attainable(units, treated),
        exact=sd == 0.0,
        breaks=SAME if sd and min(treated, units - treated) < 3 else "",
    )
    for units, treated, spreads in (
        (8, 4, (0.0,)),
        (12, 6, (0.0, 1.0)),
        (20, 4, (0.0, 1.0)),
        (20, 2, (0.0, 1.0)),
        (20, 1, (0.0,)),
        (40, 1, (0.0,)),
        (40, 4, (0.0, 0.5, 1.0)),
        (40, 20, (0.0, 1.0)),
    )
    for sd in spreads
)
OBSERVED_START = tuple(
    Cell(
        "one start that nobody drew",
        f"{units} ({treated}), picked {noisier:g} times as noisy, AR(1) {CARRY:g}",
        "difference_in_differences_hc2",
        partial(observed_start, units=units, treated=treated, noisier=noisier),
    )
    for units, treated, noisier in ((20, 10, 1.0), (20, 10, 2.0), (40, 8, 2.0))
)
WAVES = tuple(
    Cell(
        "stepped waves",
        f"waves of {', '.join(map(str, sizes[:-1]))}, {sizes[-1]} never, effects' sd {sd:g}",
        "stepped_wedge_permutation",
        partial(waves, sizes=sizes, sd=sd),
        exact=sd == 0.0,
    )
    for sizes, spreads in (
        ((2, 2, 4), (0.0,)),
        ((3, 3, 3, 3), (0.0, 1.0)),
        ((6, 6, 6, 6), (0.0,)),
        ((4, 3, 3, 10), (0.0, 1.0)),
    )
    for sd in spreads
)
STAGGERED = tuple(
    Cell(
        "staggered starts, nobody drew",
        f"starts of {', '.join(map(str, sizes[:-1]))}, {sizes[-1]} never, effects' sd {sd:g}",
        "callaway_santanna",
        partial(staggered, sizes=sizes, sd=sd),
    )
    for sizes, sd in (((3, 3, 6), 0.0), ((5, 5, 10), 0.0), ((5, 5, 10), 0.5), ((25, 25, 50), 0.0))
)
CELLS = (*ONE_START, *OBSERVED_START, *WAVES, *STAGGERED)
