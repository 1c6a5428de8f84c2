"""Contamination before it happens: how much of control a candidate draw would treat, by past cross-shopping.

With m_ij the past sales of unit i's home customers in unit j, the expected contamination of the draws that a mechanism
can make is c = Σ_{i≠j} m_ij P(i control, j treated) / Σ_ij m_ij P(i control), and e the same for treated homes and
treated units: an effect by home is then about (e − c) of the effect of the treatment itself. The probabilities are
those of the blocks; where a criterion or neighbours reject draws they are counted over specimen draws. A suggestion
keeps the probabilities of the other units as they are: it says what to try, the new draw says what comes of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.design.candidates import CONTROL
from experiments.design.dealing import seat_counts
from experiments.design.mechanisms import Mechanism, MechanismKind, draw
from experiments.errors import NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

THRESHOLD = 0.10  # of control's sales: above it a wider unit is worth its price; a convention
_SPECIMENS = 400


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Of the sales to ``unit``'s home customers the ``share`` that was made in unit ``to``, the worst of the others."""

    unit: str
    to: str
    share: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """``units`` to draw together (or to leave out), and the expected contamination with this one and those before."""

    units: tuple[str, ...]
    control_share: float


@dataclass(frozen=True, slots=True)
class Spillover:
    """The forecast of one candidate draw; shares from 0 to 1. Suggestions are there where c is above ``threshold``, and
    end where it no longer is."""

    control_share: float
    treated_share: float
    threshold: float
    neighbours: tuple[Neighbour, ...]
    merges: tuple[Suggestion, ...]
    drops: tuple[Suggestion, ...]

    @property
    def dilution(self) -> float:
        """e − c: what a comparison by home would show of the effect of the treatment itself."""
        return self.treated_share - self.control_share

    @property
    def too_much(self) -> bool:
        """Whether more of control than ``threshold`` would be treated."""
        return self.control_share > self.threshold


def forecast(
    sales: Mapping[tuple[str, str], int], mechanism: Mechanism, *, threshold: float = THRESHOLD, most: int = 5
) -> Spillover:
    """What a draw of ``mechanism`` would contaminate, and at most ``most`` merges and ``most`` units to leave out.

    ``sales`` are net minor units of a past window by (home unit, visited unit); whoever was visited and is no candidate
    is never treated, a home that is none is nobody's control. Raises ``NotEstimable`` without sales of home customers.
    """
    names = sorted(mechanism.codes)
    place = {name: i for i, name in enumerate(names)}
    bought, spent = np.zeros((len(names), len(names))), np.zeros(len(names))
    for (home, at), net in sales.items():
        if home in place:
            spent[place[home]] += net
            if at in place:
                bought[place[home], place[at]] += net
    if not spent.sum() > 0.0:
        raise NotEstimable(Message("no_home_sales", N_("no customer of these units was seen to buy anything"), {}))
    in_control, control_treated, both_treated = _chances(mechanism, names)
    leaks = bought * control_treated
    np.fill_diagonal(leaks, 0.0)
    weight = spent * in_control
    c = float(leaks.sum() / weight.sum())
    e = float((bought * both_treated).sum() / (spent * (1.0 - in_control)).sum())
    suggest = c > threshold
    return Spillover(
        c,
        e,
        threshold,
        _neighbours(bought, spent, names),
        _merges(leaks, float(weight.sum()), names, threshold, most) if suggest else (),
        _drops(leaks, weight, names, threshold, most) if suggest else (),
    )


def _chances(mechanism: Mechanism, names: Sequence[str]) -> tuple[Floats, Floats, Floats]:
    """(n) the chance of control; (n × n) of i in control and j treated, and of both treated (the diagonal: of i)."""
    if mechanism.rejects:
        drawn = [draw(mechanism, seed).assignment for seed in range(_SPECIMENS)]
        control = np.array([[one[name] == CONTROL for name in names] for one in drawn], dtype=np.float64)
        treated = 1.0 - control
        return control.mean(axis=0), control.T @ treated / _SPECIMENS, treated.T @ treated / _SPECIMENS
    block_of = {code: number for number, block in enumerate(mechanism.blocks) for code in block}
    block = np.array([block_of[name] for name in names])
    seats = [_control_seats(mechanism, len(codes)) for codes in mechanism.blocks]
    size = np.array([float(len(codes)) for codes in mechanism.blocks])[block]
    mean, square = (np.array([pair[k] for pair in seats])[block] for k in (0, 1))
    in_control = mean / size
    apart = np.outer(in_control, 1.0 - in_control)
    both = np.outer(1.0 - in_control, 1.0 - in_control)
    pairs = np.maximum(size * (size - 1.0), 1.0)
    same = block[:, None] == block[None, :]
    apart = np.where(same, ((size * mean - square) / pairs)[:, None], apart)
    both = np.where(same, ((size * size - size - 2.0 * size * mean + square + mean) / pairs)[:, None], both)
    np.fill_diagonal(apart, 0.0)
    np.fill_diagonal(both, 1.0 - in_control)
    return in_control, apart, both


def _control_seats(mechanism: Mechanism, n: int) -> tuple[float, float]:
    """The mean of control's seats among ``n``, and of their square: a last seat may be dealt by the seed."""
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        raise NotEstimable(Message("open_list", N_("an open list of customers has no units to cross between"), {}))
    counts, tied, winners = seat_counts(mechanism.shares, n)
    more = winners / len(tied) if 0 in tied else 0.0
    few, many = float(counts[0]), float(counts[0] + 1)
    return few + more, few * few * (1.0 - more) + many * many * more


def _neighbours(bought: Floats, spent: Floats, names: Sequence[str]) -> tuple[Neighbour, ...]:
    others = bought * (1.0 - np.eye(len(names)))
    found = [
        Neighbour(names[i], names[j], float(others[i, j] / spent[i]))
        for i, j in enumerate(others.argmax(axis=1))
        if others[i, j] > 0.0
    ]
    return tuple(sorted(found, key=lambda one: (-one.share, one.unit)))


def _merges(leaks: Floats, weight: float, names: Sequence[str], threshold: float, most: int) -> tuple[Suggestion, ...]:
    """Join the two groups with most between them, again and again: what is between them no longer leaks."""
    between = leaks + leaks.T
    groups: list[tuple[str, ...]] = [(name,) for name in names]
    left = float(leaks.sum())
    found: list[Suggestion] = []
    while len(found) < most and left / weight > threshold:
        first, second = sorted(np.unravel_index(int(between.argmax()), between.shape))
        if not between[first, second] > 0.0:
            break
        left -= float(between[first, second])
        groups[first] = tuple(sorted((*groups[first], *groups[second])))
        between[first] += between[second]
        between[:, first] += between[:, second]
        between[first, first] = 0.0
        between[second], between[:, second] = 0.0, 0.0
        found.append(Suggestion(groups[first], left / weight))
    return tuple(found)


def _drops(leaks: Floats, weight: Floats, names: Sequence[str], threshold: float, most: int) -> tuple[Suggestion, ...]:
    """Leave out, one after the other, the unit without which least leaks: a buffer between the others."""
    kept = np.ones(len(names), dtype=np.bool_)
    found: list[Suggestion] = []
    while len(found) < most and kept.sum() > 2:
        now = leaks * kept[:, None] * kept[None, :]
        total, whole = float(now.sum()), float(weight[kept].sum())
        if total / whole <= threshold:
            break
        without = (total - now.sum(axis=0) - now.sum(axis=1)) / np.maximum(whole - weight, 1e-300)
        best = int(np.where(kept & (whole - weight > 0.0), without, np.inf).argmin())
        if not without[best] < total / whole:
            break
        kept[best] = False
        found.append(Suggestion((names[best],), float(without[best])))
    return tuple(found)
