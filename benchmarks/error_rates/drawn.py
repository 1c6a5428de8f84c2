"""Stores drawn in pairs, in strata, under a criterion, or counted by their rows."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.error_rates.cell import LEVEL, Cell, Flags, Floats, Tally
from benchmarks.error_rates.units import (
    PERMUTATION,
    REDRAWS,
    STUDENTISED,
    Sample,
    count_units,
    draws_of,
    permuted,
    unit_table,
)
from experiments.estimate.redraws import Redraws, redraws
from experiments.estimate.unit_means import fit

NETWORKS = 50  # rerandomised: covariates and acceptable draws are shared by a fiftieth of the replications each


def pairs(
    rng: np.random.Generator, replications: int, tally: Tally, *, pairs: int, sd: float, covariate: bool = False
) -> None:
    """Pairs explain 64 % of the variance between stores (standard deviation 1), the covariate half of what remains.

    A store's effect has standard deviation ``sd``; the mean over the drawn stores is exactly zero.
    """
    first = rng.random((replications, pairs)) < 0.5
    arms = np.stack([first, ~first], axis=2).reshape(replications, -1).astype(float)
    base = np.repeat(0.8 * rng.normal(size=(replications, pairs)), 2, axis=1)
    own = 0.6 * np.sqrt(0.5) * rng.normal(size=(2, replications, 2 * pairs))
    effects = sd * rng.normal(size=arms.shape)
    y = base + own[0] + own[1] + arms * (effects - effects.mean(axis=1, keepdims=True))
    block = np.repeat(np.arange(pairs), 2)
    noise = 0.6 * (np.sqrt(0.5) if covariate else 1.0)
    effect = 3.0 * np.sqrt((2.0 * noise**2 + sd * sd) / pairs)

    def sample(i: int) -> Sample:
        return Sample(unit_table(y[i], arms[i], block=block, x=base[i] + own[0][i] if covariate else None), effect)

    count_units(tally, sample, replications, studentise=False)
    for i in range(replications):
        t = fit(unit_table(y[i], arms[i])).inference
        p, lifted = t.p_value(), t.p_value(-effect)
        tally.add("unpaired t", alarm=p <= LEVEL, covers=p > LEVEL, finds=lifted <= LEVEL)


def strata(
    rng: np.random.Generator, replications: int, tally: Tally, *, sizes: tuple[tuple[int, int], ...], sd: float
) -> None:
    """Strata of (units, treated); their levels have standard deviation 1, like the stores in them. Effects have mean
    zero inside each stratum."""
    block = np.repeat(np.arange(len(sizes)), [n for n, _ in sizes])
    arms = np.concatenate([draws_of(rng, replications, n, treated) for n, treated in sizes], axis=1)
    level = rng.normal(size=(replications, len(sizes)))[:, block]
    effects = sd * rng.normal(size=arms.shape)
    means = np.stack([effects[:, block == b].mean(axis=1) for b in range(len(sizes))], axis=1)
    y = level + rng.normal(size=arms.shape) + arms * (effects - means[:, block])
    weight = sum(treated * (n - treated) / n for n, treated in sizes)
    effect = 3.0 * np.sqrt((1 + sd * sd / 2) / weight)
    count_units(tally, lambda i: Sample(unit_table(y[i], arms[i], block=block), effect), replications, studentise=True)
    for i in range(replications):
        t = fit(unit_table(y[i], arms[i])).inference
        p, lifted = t.p_value(), t.p_value(-effect)
        tally.add("unpaired t", alarm=p <= LEVEL, covers=p > LEVEL, finds=lifted <= LEVEL)


@dataclass(frozen=True, slots=True, eq=False)
class Balanced:
    """The rule of a rerandomised draw: Mahalanobis distance of the arms' means at most ``largest``."""

    x: Floats
    inverse: Floats
    largest: float

    def __call__(self, rows: Flags) -> Flags:
        accepted: Flags = self.distances(rows) <= self.largest
        return accepted

    def distances(self, rows: Flags) -> Floats:
        """The distance of each draw."""
        treated = rows.sum(axis=1, keepdims=True)
        total = self.x.sum(axis=0)
        sums = rows @ self.x
        gap = sums / treated - (total - sums) / (len(self.x) - treated)
        found: Floats = np.einsum("rk,kl,rl->r", gap, self.inverse, gap)
        return found


def rerandomised(
    rng: np.random.Generator,
    replications: int,
    tally: Tally,
    *,
    units: int,
    treated: int,
    best: float,
    adjusted: bool,
    sd: float,
) -> None:
    """Two covariates explain 64 %; of all draws the ``best`` share by distance is accepted."""
    each = replications // NETWORKS
    free = draws_of(rng, 20_000, units, treated)
    free_redraws = Redraws(free[:REDRAWS] == 1.0, listed=False)
    effect = 3.0 * np.sqrt((0.36 if adjusted else 0.4) * (1 / treated + 1 / (units - treated)) + sd * sd / treated)
    for network in range(NETWORKS):
        x = rng.normal(size=(units, 2))
        rule = Balanced(x, np.linalg.inv(np.cov(x.T)).astype(np.float64), np.inf)
        distances = rule.distances(free == 1.0)
        rule = Balanced(rule.x, rule.inverse, float(np.quantile(distances, best)))
        accepted = free[distances <= rule.largest]
        arms = accepted[rng.integers(len(accepted), size=each)]
        effects = sd * rng.normal(size=(each, units))
        y = x @ np.full(2, np.sqrt(0.32)) + 0.6 * rng.normal(size=(each, units))
        y += arms * (effects - effects.mean(axis=1, keepdims=True))
        over = redraws(unit_table(y[0], arms[0], x=x), seed=network, draws=REDRAWS, accept=rule)
        samples = [Sample(unit_table(y[i], arms[i], x=x if adjusted else None), effect) for i in range(each)]
        count_units(tally, samples.__getitem__, each, studentise=True, over=over)
        for i in range(each):
            bare = fit(unit_table(y[i], arms[i]))
            p, lifted = bare.inference.p_value(), bare.inference.p_value(-effect)
            tally.add("t without the criterion", alarm=p <= LEVEL, covers=p > LEVEL, finds=lifted <= LEVEL)
            ignoring = permuted(bare, studentise=True, over=free_redraws)
            p, lifted = ignoring.p_value(), ignoring.p_value(-effect)
            tally.add("free permutation", alarm=p <= LEVEL, covers=p > LEVEL, finds=lifted <= LEVEL)


def by_rows(
    rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int, cv: float, sd: float
) -> None:
    """The rows estimand: stores count by their customers, whose number has the given CV; larger stores have larger
    means (correlation .5). The effect, weighted by customers, is exactly zero."""
    arms = draws_of(rng, replications, units, treated)
    sigma = np.sqrt(np.log1p(cv * cv))
    z = rng.normal(size=arms.shape)
    weight = np.maximum(20.0, (200 * np.exp(sigma * z - sigma * sigma / 2)).round())
    y = 0.5 * z + np.sqrt(0.75) * rng.normal(size=arms.shape)
    effects = sd * rng.normal(size=arms.shape)
    y += arms * (effects - (weight * effects).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True))
    effect = 3.0 * np.sqrt((1 + cv * cv) * ((1 + sd * sd) / treated + 1 / (units - treated)))
    count_units(
        tally, lambda i: Sample(unit_table(y[i], arms[i], weight=weight[i]), effect), replications, studentise=True
    )


def observed_rows(
    rng: np.random.Generator, replications: int, tally: Tally, *, units: int, treated: int, noisier: float
) -> None:
    """Nobody drew, stores count by their customers (CV .8), the treated are ``noisier``; no effect."""
    arms = np.tile((np.arange(units) < treated).astype(float), (replications, 1))
    sigma = np.sqrt(np.log1p(0.64))
    weight = np.maximum(20.0, (200 * rng.lognormal(-sigma * sigma / 2, sigma, arms.shape)).round())
    y = rng.standard_normal(arms.shape) * np.where(arms == 1.0, noisier, 1.0)
    effect = 3.0 * np.sqrt(1.64 * (noisier**2 / treated + 1 / (units - treated)))
    count_units(
        tally, lambda i: Sample(unit_table(y[i], arms[i], weight=weight[i]), effect), replications, studentise=True
    )
    tally.counts["rows_cr2"] = tally.counts.pop("cr2")


def _pairs_attainable(n: int) -> float:
    total: int = 2**n
    return int(LEVEL * total / 2 + 1e-9) * 2 / total


PAIRS = tuple(
    Cell(
        "pairs",
        f"{n} pairs, effects' sd {sd:g}{', covariate' if covariate else ''}",
        PERMUTATION,
        partial(pairs, pairs=n, sd=sd, covariate=covariate),
        attainable=_pairs_attainable(n),
        exact=sd == 0.0,
    )
    for n in (6, 10, 20)
    for sd, covariate in ((0.0, False), (0.5, False), (1.0, False), (0.0, True), (1.0, True))
)
STRATA = tuple(
    Cell("strata", f"{label}, effects' sd {sd:g}", STUDENTISED, partial(strata, sizes=sizes, sd=sd))
    for label, sizes, sd in (
        ("4 strata of 6 (3)", ((6, 3),) * 4, 0.0),
        ("4 strata of 6 (3)", ((6, 3),) * 4, 0.5),
        ("4 strata of 6 (3)", ((6, 3),) * 4, 1.0),
        ("4 strata of 5 (1)", ((5, 1),) * 4, 0.0),
        ("4 strata of 5 (1)", ((5, 1),) * 4, 1.0),
        ("uneven: 12 (6), 8 (2), 6 (2), 4 (1)", ((12, 6), (8, 2), (6, 2), (4, 1)), 0.0),
        ("uneven: 12 (6), 8 (2), 6 (2), 4 (1)", ((12, 6), (8, 2), (6, 2), (4, 1)), 1.0),
    )
)
RERANDOMISED = tuple(
    Cell(
        "rerandomised",
        f"{units} ({treated}), best {100 * best:g} %, {'adjusted' if adjusted else 'not adjusted'}, effects' sd {sd:g}",
        chosen,
        partial(rerandomised, units=units, treated=treated, best=best, adjusted=adjusted, sd=sd),
    )
    for units, treated, best, adjusted, sd, chosen in (
        (20, 10, 0.05, True, 0.0, STUDENTISED),
        (20, 10, 0.05, False, 0.0, STUDENTISED),
        (20, 6, 0.05, True, 0.0, STUDENTISED),
        (20, 6, 0.05, True, 1.0, STUDENTISED),
        (20, 8, 0.05, True, 0.0, "regression_t"),
        (20, 8, 0.05, True, 1.0, "regression_t"),
    )
)
UNKNOWN_CRITERION = Cell(
    "rerandomised",
    "20 (10), best 5 %, criterion unknown and no covariates",
    "regression_t",
    partial(rerandomised, units=20, treated=10, best=0.05, adjusted=False, sd=0.0),
    refused="the plan names neither the criterion of the draw nor covariates; any p-value would be far too large",
)
ROWS = tuple(
    Cell(
        "rows estimand",
        f"{units} ({treated}), size CV {cv:g}, effects' sd {sd:g}",
        STUDENTISED,
        partial(by_rows, units=units, treated=treated, cv=cv, sd=sd),
    )
    for units, treated, cv, sd in (
        (12, 6, 0.8, 0.0),
        (20, 10, 0.8, 0.0),
        (20, 10, 0.8, 0.5),
        (20, 10, 0.8, 1.0),
        (20, 4, 0.8, 0.0),
        (20, 4, 0.8, 1.0),
        (40, 4, 0.8, 0.0),
        (40, 4, 0.8, 1.0),
    )
)
OBSERVED_ROWS = tuple(
    Cell(
        "observational stores, rows estimand",
        f"{units} ({treated}), treated {noisier:g} times as noisy, by customers",
        "rows_cr2",
        partial(observed_rows, units=units, treated=treated, noisier=noisier),
    )
    for units, treated, noisier in ((20, 10, 1.0), (40, 20, 1.0), (40, 20, 2.0))
)
CELLS = (*PAIRS, *STRATA, *RERANDOMISED, *ROWS, *OBSERVED_ROWS)
