"""Stepped wedge: the launch order was drawn, so the test redraws it, with the Callaway–Sant'Anna average as statistic.

The statistic is the simple average of group-time effects with not-yet-treated controls. Numbers of units per start
being fixed, it is linear in the outcome: with the loading L_k (T) of start k, and n_k units,

    θ̂ = Σ_i z_i,k(i),    z_ik = Σ_t L_kt y_it / n_k

so every redraw of the order is one sum. For the hypothesis that the effect is τ in every unit and period, y − τ D is
what would have been without treatment; the interval holds every τ that is not rejected. With three and more units of
every start the statistic is divided by √Σ_k s_k²/n_k (s_k² the variance of n_k z_ik among the units of start k) and
brought to the normal scale, see ``arm_errors``, which keeps the level when units react differently. With blocks
everything happens inside them. Periods in which no unit is left untreated take no part, and are named. References: Roth
and Sant'Anna (2023), JPE Microeconomics 1; Wu and Ding (2021), JASA 116.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from experiments.checks import at_least
from experiments.errors import NotEstimable
from experiments.estimate.arm_errors import Draws
from experiments.estimate.estimate import Interval, Side
from experiments.estimate.group_time import Controls, cell_periods, controls_of
from experiments.estimate.permutation import PermutationInference
from experiments.estimate.redraws import DEFAULT_DRAWS, MAX_LISTED
from experiments.estimate.unit_panel import NEVER, Bools, Floats, Ints, LeftOut, UnitPanel, usable
from experiments.messages import N_, Message

STUDENTISED_FROM = 3  # units of every start
_CHUNK = 1_000
_SAME = 1e-12

Codes = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Starts:
    """The starts of a panel inside its blocks. ``code`` (U,) numbers (block, start); ``loading`` (codes, T) is what the
    mean of the units of a code adds to the statistic, ``size`` (codes,) how many units it has."""

    code: Ints
    start: Ints
    block: Ints
    size: Ints
    loading: Floats
    unidentified: tuple[tuple[int, int], ...]

    @property
    def per_unit(self) -> Floats:
        """(codes, T) what one unit of a code adds."""
        found: Floats = self.loading / self.size[:, None]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class SteppedWedge:
    """The permutation test over launch orders. ``n_orders`` counts the orders compared, ``smallest_p`` is the smallest
    p-value that they can give; ``std_error`` is None where some start has a single unit. ``periods_left_out`` hold no
    comparison; ``unidentified`` are (start, period) without one."""

    permutation: PermutationInference
    panel: UnitPanel
    std_error: float | None
    n_orders: int
    smallest_p: float
    periods_left_out: tuple[str, ...]
    unidentified: tuple[tuple[str, str], ...]
    left_out: LeftOut

    @property
    def effect(self) -> float:
        """The simple average of group-time effects with not-yet-treated controls (inside blocks)."""
        return self.permutation.effect

    def p_value(self, at: float = 0.0) -> float:
        """The share of orders at least as extreme, see ``PermutationInference``."""
        return self.permutation.p_value(at)

    def p_one_sided(self, side: Side, at: float = 0.0) -> float:
        """The same with the sign."""
        return self.permutation.p_one_sided(side, at)

    def interval(self, confidence_level: float) -> Interval:
        """The constant effects that are not rejected; None where the orders set no limit."""
        return self.permutation.interval(confidence_level)

    def bound(self, side: Side, confidence_level: float) -> float | None:
        """One end of the one-sided interval."""
        return self.permutation.bound(side, confidence_level)


def stepped_wedge(
    panel: UnitPanel,
    *,
    seed: int,
    draws: int = DEFAULT_DRAWS,
    block: Ints | None = None,
    studentise: bool | None = None,
) -> SteppedWedge:
    """The test of ``panel``, whose launch order was drawn at random (inside ``block`` (U,), where given).

    Up to 20,000 orders are listed, else ``draws`` of them are sampled by ``seed``. ``studentise`` None: where every
    start has three units. Raises ``NotEstimable`` when no treated period has an untreated unit.
    """
    at_least("seed", seed, 0)
    at_least("draws", draws, 99)
    kept, left_out = usable(panel, keep_alone=True)
    member = np.isin(np.array(panel.units), np.array(kept.units))
    blocks = np.zeros(kept.n_units, dtype=np.int64) if block is None else block[member]
    starts = starts_of(kept.first_treated, blocks, kept.n_periods)
    y = kept.y - kept.y.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=0, keepdims=True)
    scores_y = np.einsum("it,kt->ik", y, starts.per_unit)
    scores_d = np.einsum("it,kt->ik", kept.treated.astype(np.float64), starts.per_unit)
    codes, listed = launch_orders(starts, seed=seed, draws=draws)
    tied = tied_orders(starts, codes)
    actual = starts.code[None, :]
    smallest = int(starts.size.min())
    chosen = smallest >= STUDENTISED_FROM if studentise is None else studentise
    found = _draws(scores_y, scores_d, codes, starts.size, studentise=chosen)
    own = _draws(scores_y, scores_d, actual, starts.size, studentise=True)
    error = math.sqrt(float(own.variances()[0]))
    own = Draws(own.b, np.ones(1), _fixed(own) if chosen else None)
    permutation = PermutationInference(found, own, tied, listed, error, float(np.abs(y).max()))
    lost = tuple((kept.periods[g], kept.periods[t]) for g, t in starts.unidentified)
    return SteppedWedge(
        permutation,
        kept,
        error if smallest > 1 else None,
        len(codes),
        float(np.count_nonzero(tied)) / len(codes),
        _empty_periods(kept, starts),
        lost,
        left_out,
    )


def starts_of(first_treated: Ints, block: Ints, n_periods: int) -> Starts:
    """The loading of every (block, start): each identified treated unit and period counts once, controls are those of
    the same block not treated until after the period.

    Raises ``NotEstimable`` when nothing is identified.
    """
    pairs, code = np.unique(np.column_stack([block, first_treated]), axis=0, return_inverse=True)
    code = code.reshape(-1)
    size = np.bincount(code)
    loading = np.zeros((len(pairs), n_periods))
    unidentified, total = [], 0
    for own, (b, start) in enumerate(pairs):
        for _, period, base in cell_periods((int(start),), n_periods) if start != NEVER else ():
            if period < start:
                continue
            control = (pairs[:, 0] == b) & controls_of(pairs[:, 1], int(start), period, Controls.NOT_YET_TREATED)
            if not control.any():
                unidentified.append((int(start), int(period)))
                continue
            share = np.where(control, size, 0) * (size[own] / size[control].sum())
            share[own] = -size[own]
            loading[:, period] -= share
            loading[:, base] += share
            total += int(size[own])
    if total == 0:
        raise NotEstimable(
            Message("no_untreated_control", N_("in no period after a start is there a unit still untreated"), {})
        )
    return Starts(code, pairs[:, 1], pairs[:, 0], size, loading / total, tuple(sorted(set(unidentified))))


def launch_orders(starts: Starts, *, seed: int, draws: int) -> tuple[Codes, bool]:
    """(orders, U) the code of every unit in every order, and whether all orders are listed. Sampled orders have the
    actual one first."""
    members = [np.flatnonzero(starts.block[starts.code] == b) for b in np.unique(starts.block)]
    codes = [np.flatnonzero(starts.block == b) for b in np.unique(starts.block)]
    total = math.prod(
        math.factorial(len(m)) // math.prod(math.factorial(int(starts.size[k])) for k in own)
        for m, own in zip(members, codes, strict=True)
    )
    if total <= MAX_LISTED:
        found = np.zeros((total, len(starts.code)), dtype=np.int16)
        for row, order in enumerate(_listed(members, codes, starts.size)):
            for code, dealt in order:
                found[row, list(dealt)] = code
        return found, True
    words = np.random.PCG64(seed)
    found = np.empty((draws + 1, len(starts.code)), dtype=np.int16)
    found[0] = starts.code
    for units in members:
        own = starts.code[units].astype(np.int16)
        for i in range(1, draws + 1, _CHUNK):
            n = min(_CHUNK, draws + 1 - i)
            keys = words.random_raw(n * len(units)).reshape(n, len(units))
            found[i : i + n, units] = own[np.argsort(keys, axis=1, kind="stable")]
    return found, False


def tied_orders(starts: Starts, codes: Codes) -> Bools:
    """(orders,) which orders give every outcome the actual statistic, or its opposite: their share is the least p."""
    same, mirror = _alike(starts)
    actual = starts.code[None, :]
    return np.asarray(same[codes, actual].all(axis=1) | mirror[codes, actual].all(axis=1), dtype=np.bool_)


Order = list[tuple[int, tuple[int, ...]]]
Places = npt.NDArray[np.intp]


def _listed(
    members: Sequence[npt.NDArray[np.intp]], codes: Sequence[npt.NDArray[np.intp]], size: Ints
) -> Iterator[Order]:
    if not members:
        yield []
        return
    for rest in _listed(members[1:], codes[1:], size):
        for own in _dealt(tuple(int(u) for u in members[0]), [int(k) for k in codes[0]], size):
            yield [*rest, *own]


def _dealt(units: tuple[int, ...], codes: list[int], size: Ints) -> Iterator[Order]:
    """Every way to deal ``units`` to ``codes`` in their sizes."""
    if len(codes) == 1:
        yield [(codes[0], units)]
        return
    for chosen in combinations(units, int(size[codes[0]])):
        left = tuple(u for u in units if u not in chosen)
        for rest in _dealt(left, codes[1:], size):
            yield [(codes[0], chosen), *rest]


def _alike(starts: Starts) -> tuple[Bools, Bools]:
    """(codes, codes) whether a unit of one code adds the same, or the exact opposite, as a unit of the other."""
    per_unit = starts.per_unit
    limit = _SAME * float(np.abs(per_unit).max())
    same = (np.abs(per_unit[:, None, :] - per_unit[None, :, :]) <= limit).all(axis=2)
    mirror = (np.abs(per_unit[:, None, :] + per_unit[None, :, :]) <= limit).all(axis=2)
    return np.asarray(same, dtype=np.bool_), np.asarray(mirror, dtype=np.bool_)


def _draws(scores_y: Floats, scores_d: Floats, codes: Codes | Ints, size: Ints, *, studentise: bool) -> Draws:
    """The statistic of every order on y and on the actual treatment; where it is studentised, of every start the
    variance s_k²/n_k as a quadratic in the effect, and its n_k − 1 degrees of freedom plus Welch's two."""
    b, a = np.zeros(len(codes)), np.zeros(len(codes))
    parts = np.zeros((4 * len(size), len(codes)))
    for k, n in enumerate(size):
        y, d = scores_y[:, k], scores_d[:, k]
        columns = np.stack([y, d, y * y, y * d, d * d], axis=1)
        for i in range(0, len(codes), _CHUNK):
            rows = slice(i, i + _CHUNK)
            mine = (codes[rows] == k).astype(np.float64)
            sum_y, sum_d, yy, yd, dd = np.einsum("rn,nc->cr", mine, columns)
            b[rows] += sum_y
            a[rows] += sum_d
            factor = n / (n - 1) if n > 1 else 0.0  # one unit shows no spread
            parts[4 * k, rows] = factor * np.maximum(yy - sum_y * sum_y / n, 0.0)
            parts[4 * k + 1, rows] = factor * (yd - sum_y * sum_d / n)
            parts[4 * k + 2, rows] = factor * np.maximum(dd - sum_d * sum_d / n, 0.0)
        parts[4 * k + 3] = n + 1.0
    return Draws(b, a, parts if studentise else None)


def _fixed(own: Draws) -> Floats | None:
    """The variances of the actual order, whose residuals do not change with the effect (but for rounding)."""
    if own.errors is None:
        return None
    changes = np.isin(np.arange(len(own.errors)) % 4, (1, 2))
    return np.where(changes[:, None], 0.0, own.errors)


def _empty_periods(panel: UnitPanel, starts: Starts) -> tuple[str, ...]:
    """Periods with treated units and not one comparison."""
    lost = {period for _, period in starts.unidentified}
    used = set(np.flatnonzero((starts.loading != 0.0).any(axis=0)).tolist())
    return tuple(panel.periods[t] for t in sorted(lost - used))
