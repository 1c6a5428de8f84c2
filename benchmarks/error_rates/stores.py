"""Stores drawn at once: shares of customers, reactions that differ, skewed spend, unequal shares."""

from functools import partial
from math import comb
from typing import Any

import numpy as np

from benchmarks.error_rates.cell import LEVEL, Cell, Flags, Floats, Tally
from benchmarks.error_rates.judging import NAIVE
from benchmarks.error_rates.units import (
    MORE_REDRAWS,
    PERMUTATION,
    STUDENTISED,
    Sample,
    count_units,
    draws_of,
    unit_table,
)

BASE = 0.3
CUSTOMERS = 200
SAME = "the effect is the same in every store"


def attainable(units: int, treated: int) -> float:
    """The largest level not above 5 % that a complete draw can reach: the draw and its mirror tie when the arms are
    equal."""
    total, tied = comb(units, treated), 2 if 2 * treated == units else 1
    return int(LEVEL * total / tied + 1e-9) * tied / total


def chosen_for(treated: int, units: int) -> str:
    """The test of a complete draw: studentised from three units in each arm."""
    return STUDENTISED if min(treated, units - treated) >= 3 else PERMUTATION


def _z(difference: Floats, error: Floats) -> Flags:
    flags: Flags = np.abs(difference / error) >= 1.959963984540054
    return flags


def naive(tally: Tally, difference: Floats, error: Floats, effect: float | Floats) -> None:
    """What customers pretend: their own error, as if each of them had been drawn."""
    alarms = _z(difference, error)
    tally.add(NAIVE, alarm=alarms, covers=~alarms, finds=_z(difference + effect, error))


def shares(
    rng: np.random.Generator,
    replications: int,
    tally: Tally,
    *,
    units: int,
    treated: int,
    icc: float,
    cv: float,
    wild: bool = False,
) -> None:
    """Share of customers who come back: store rates from a beta of the given ICC, sizes lognormal of the given CV."""
    arms = draws_of(rng, replications, units, treated)
    sigma = np.sqrt(np.log1p(cv * cv))
    sizes = np.maximum(20, CUSTOMERS * rng.lognormal(-sigma * sigma / 2, sigma, (replications, units))).round()
    scale = (1 - icc) / icc
    rates = rng.beta(BASE * scale, (1 - BASE) * scale, (replications, units))
    counts = rng.binomial(sizes.astype(np.int64), rates)
    y = counts / sizes
    spread = np.sqrt(BASE * (1 - BASE) * (icc + (1 - icc) / CUSTOMERS * (1 + cv * cv)))
    effect = 3.0 * spread * np.sqrt(1 / treated + 1 / (units - treated))
    n1, n0 = (sizes * arms).sum(axis=1), (sizes * (1 - arms)).sum(axis=1)
    p1, p0 = (counts * arms).sum(axis=1) / n1, (counts * (1 - arms)).sum(axis=1) / n0
    naive(tally, p1 - p0, np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0), effect)
    count_units(
        tally,
        lambda i: Sample(unit_table(y[i], arms[i]), effect),
        replications,
        studentise=chosen_for(treated, units) == STUDENTISED,
        welch=True,
        draws=MORE_REDRAWS,
        wild=wild,
    )


def reacting(
    rng: np.random.Generator,
    replications: int,
    tally: Tally,
    *,
    units: int,
    treated: int,
    sd: float,
    explained: float,
    centred: bool = True,
) -> None:
    """Store means from a normal with standard deviation 1, of which a covariate explains the given share. The effect
    of a store has standard deviation ``sd``; its mean over the drawn units is exactly zero (``centred``)."""
    residual = np.sqrt(1 - explained)
    arms = draws_of(rng, replications, units, treated)
    x = rng.normal(size=(replications, units))
    untreated = np.sqrt(explained) * x + residual * rng.normal(size=(replications, units))
    effects = sd * rng.normal(size=(replications, units))
    y = untreated + arms * (effects - effects.mean(axis=1, keepdims=True))
    effect = 3.0 * residual * np.sqrt((1 + sd * sd / residual**2) / treated + 1 / (units - treated))
    difference = (y * arms).sum(axis=1) / treated - (y * (1 - arms)).sum(axis=1) / (units - treated)
    # 200 customers a store with ICC .05: their variance is 1 / (.05 + .95 / 200) times that of the store means
    error = np.sqrt((1 / treated + 1 / (units - treated)) / CUSTOMERS / (0.05 + 0.95 / CUSTOMERS))
    naive(tally, difference, np.full(replications, error), effect)
    studentise = chosen_for(treated, units) == STUDENTISED
    covariate = [x[i] if explained else None for i in range(replications)]
    count_units(
        tally,
        lambda i: Sample(unit_table(y[i], arms[i], x=covariate[i]), effect),
        replications,
        studentise=studentise,
        welch=not explained,
        draws=MORE_REDRAWS,
    )
    if sd == 1.0:
        beside = Tally()
        free = untreated + arms * effects
        count_units(
            beside,
            lambda i: Sample(unit_table(free[i], arms[i], x=covariate[i]), effect),
            replications,
            studentise=studentise,
            draws=MORE_REDRAWS,
        )
        tally.counts["super-population"] = beside.counts[STUDENTISED if studentise else PERMUTATION]


def skewed(
    rng: np.random.Generator,
    replications: int,
    tally: Tally,
    *,
    units: int,
    treated: int,
    customers: int,
    tail: float,
    reacts: float,
) -> None:
    """Spend per customer: lognormal customers (σ = ``tail``, 40 % buy nothing) in stores whose level is lognormal
    (σ = .3), row by row. Effects have standard deviation ``reacts`` times that of the stores, their mean is zero."""
    arms = draws_of(rng, replications, units, treated)
    y, inside = np.empty((replications, units)), np.empty((replications, units))
    level = rng.lognormal(-0.045, 0.3, (replications, units))
    for start in range(0, replications, 250):
        part = slice(start, min(start + 250, replications))
        shape = (part.stop - part.start, units, customers)
        spend = np.exp(tail * rng.standard_normal(shape) - tail * tail / 2) * (rng.random(shape) < 0.6)
        spend *= level[part, :, None]
        y[part], inside[part] = spend.mean(axis=2), spend.var(axis=2)
    spread = float(y.std())
    effects = reacts * spread * rng.normal(size=y.shape)
    y = y + arms * (effects - effects.mean(axis=1, keepdims=True))
    effect = 3.0 * spread * np.sqrt(1 / treated + 1 / (units - treated))
    m1, m0 = (y * arms).sum(axis=1) / treated, (y * (1 - arms)).sum(axis=1) / (units - treated)
    total = inside + y * y
    v1 = (total * arms).sum(axis=1) / treated - m1 * m1
    v0 = (total * (1 - arms)).sum(axis=1) / (units - treated) - m0 * m0
    naive(tally, m1 - m0, np.sqrt(v1 / treated / customers + v0 / (units - treated) / customers), effect)
    tally.notes["skewness of the store means"] = float(((y - y.mean()) ** 3).mean() / spread**3)
    count_units(
        tally,
        lambda i: Sample(unit_table(y[i], arms[i]), effect),
        replications,
        studentise=chosen_for(treated, units) == STUDENTISED,
        welch=True,
    )


def observed(
    rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int, noisier: float
) -> None:
    """Nobody drew: the treated stores are ``noisier`` than the others; without the effect the means are equal."""
    arms = np.tile((np.arange(units) < treated).astype(float), (replications, 1))
    y = rng.standard_normal(arms.shape) * np.where(arms == 1.0, noisier, 1.0)
    effect = 3.0 * np.sqrt(noisier**2 / treated + 1 / (units - treated))
    count_units(tally, lambda i: Sample(unit_table(y[i], arms[i]), effect), replications, studentise=True, welch=True)


_SIZES = ((6, 3), (8, 4), (10, 5), (20, 10), (40, 20), (20, 4), (40, 4), (20, 2))
_CLUSTERS = ((0.02, 0.8), (0.05, 0.0), (0.05, 0.8), (0.1, 0.8))


def _common(units: int, treated: int) -> dict[str, Any]:
    return {
        "chosen": chosen_for(treated, units),
        "attainable": attainable(units, treated),
    }


SHARES = tuple(
    Cell(
        "stores",
        f"{units} ({treated}), ICC {icc:g}, size CV {cv:g}",
        run=partial(shares, units=units, treated=treated, icc=icc, cv=cv),
        **_common(units, treated),
    )
    for units, treated in _SIZES
    for icc, cv in _CLUSTERS
)
_DESIGNS = ((8, 4), (10, 3), (10, 5), (20, 10), (40, 20), (20, 4), (40, 4), (20, 2))
REACTING = tuple(
    Cell(
        "reacting",
        f"{units} ({treated}), effects' sd {sd:g}, covariate explains {100 * explained:g} %",
        exact=sd == 0.0,
        run=partial(reacting, units=units, treated=treated, sd=sd, explained=explained),
        breaks=SAME if sd and min(treated, units - treated) < 3 else "",
        **_common(units, treated),
    )
    for units, treated, explained, sd in (
        *((n, k, explained, sd) for n, k in _DESIGNS for explained in (0.0, 0.64) for sd in (0.0, 0.5, 1.0)),
        (12, 3, 0.0, 1.0),
        (20, 3, 0.0, 1.0),
        (20, 3, 0.64, 1.0),
    )
)
SKEWED = tuple(
    Cell(
        "skewed spend",
        f"{units} ({treated}), {customers} customers a store, tail {tail:g}, effects' sd {reacts:g}",
        exact=reacts == 0.0,
        run=partial(skewed, units=units, treated=treated, customers=customers, tail=tail, reacts=reacts),
        breaks=SAME if reacts and min(treated, units - treated) < 3 else "",
        **_common(units, treated),
    )
    for units, treated, customers, tail, reacts in (
        (6, 3, 50, 1.5, 0.0),
        (8, 4, 200, 1.0, 0.0),
        (8, 4, 50, 1.5, 0.0),
        (8, 4, 50, 1.5, 1.0),
        (8, 3, 50, 1.5, 0.0),
        (10, 5, 200, 1.0, 0.0),
        (10, 5, 50, 1.5, 0.0),
        (10, 5, 50, 1.5, 1.0),
        (20, 4, 200, 1.0, 0.0),
        (20, 4, 50, 1.5, 0.0),
        (20, 4, 50, 1.5, 1.0),
        (20, 10, 50, 1.5, 0.0),
        (20, 2, 50, 1.5, 0.0),
        (40, 4, 50, 1.5, 0.0),
        (40, 4, 50, 1.5, 0.5),
        (40, 4, 50, 1.5, 1.0),
        (12, 3, 50, 1.5, 1.0),
        (20, 3, 50, 1.5, 1.0),
    )
)
WILD = tuple(
    Cell(
        "wild bootstrap",
        f"{units} ({treated}), ICC {icc:g}, size CV {cv:g}, bootstrap beside",
        run=partial(shares, units=units, treated=treated, icc=icc, cv=cv, wild=True),
        **_common(units, treated),
    )
    for units, treated, icc, cv in ((8, 4, 0.05, 0.8), (10, 5, 0.05, 0.8), (20, 10, 0.05, 0.8), (20, 4, 0.05, 0.8))
)
OBSERVED = tuple(
    Cell(
        "observational stores",
        f"{units} ({treated}), treated {noisier:g} times as noisy",
        "cr2",
        partial(observed, units=units, treated=treated, noisier=noisier),
    )
    for units, treated, noisier in ((20, 10, 1.0), (20, 10, 2.0), (20, 4, 2.0), (40, 20, 2.0))
)
CELLS = (*SHARES, *REACTING, *SKEWED, *OBSERVED)
