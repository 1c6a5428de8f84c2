"""Alpha spending: the bound of every look when alpha is spent as information comes in (Lan and DeMets).

At information fraction t a spending function has spent α(t). With Z₁ … Z_K the statistics of the looks,
corr(Z_i, Z_j) = √(t_i / t_j), the bound c_k of look k solves

    P(|Z_1| < c_1, …, |Z_{k−1}| < c_{k−1}, |Z_k| ≥ c_k) = α(t_k) − α(t_{k−1})

by the recursion over the density of the score process (Armitage, McPherson and Rowe 1969, JRSS A 132):

    f_1(s) = φ(s / √t_1) / √t_1,   f_k(s) = ∫ f_{k−1}(u) φ((s − u) / √Δ) / √Δ du,   Δ = t_k − t_{k−1},

the integral over the scores that did not stop. Reference: Lan and DeMets (1983), Biometrika 70.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from experiments.checks import at_least, probability
from experiments.errors import ExperimentError
from experiments.estimate.estimate import Inference, Interval
from experiments.estimate.unit_table import Floats
from experiments.messages import N_

LARGEST_BOUND = 8.5  # beyond it the probability is below 1e-17: nothing is left to spend
_CLOSEST = 1e-3  # information between two looks
_NODES_PER_PANEL = 8
_STANDARD_ERRORS_PER_PANEL = 1.5
_WIDEST_PANEL = 0.5


class Spending(StrEnum):
    """How alpha is shared among the planned looks."""

    EQUAL = "equal"  # alpha / K at each look (Bonferroni): no assumption about information
    OBRIEN_FLEMING = "obrien_fleming"
    POCOCK = "pocock"


class InvalidInformation(ExperimentError):
    """Information fractions that no sequence of looks can have."""

    code = "invalid_information"
    template = N_("the information fractions {information} are not valid: {must_be}")


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Per look: ``spent`` (cumulative alpha), ``bounds`` (of |Z|, or of Z where one-sided) and ``levels``, the nominal
    level of a fixed-sample test at that bound (two-sided where ``two_sided``)."""

    information: tuple[float, ...]
    spent: tuple[float, ...]
    bounds: tuple[float, ...]
    levels: tuple[float, ...]
    two_sided: bool


def spent(spending: Spending | str, information: float, alpha: float) -> float:
    """One-sided alpha spent at fraction ``information`` (1: everything).

    O'Brien–Fleming type 2 (1 − Φ(z_{1−α/2} / √t)); Pocock type α ln(1 + (e − 1) t); ``EQUAL`` spends in proportion.
    """
    from scipy.special import ndtri

    kind, t = Spending(spending), min(information, 1.0)
    probability("alpha", alpha)
    if not t > 0.0:
        raise InvalidInformation(information=str(information), must_be="a fraction is greater than 0")
    if kind is Spending.OBRIEN_FLEMING:
        return min(alpha, 2.0 * _sf(-float(ndtri(alpha / 2.0)) / math.sqrt(t)))
    if kind is Spending.POCOCK:
        return alpha * math.log1p((math.e - 1.0) * t)
    return alpha * t


def boundaries(
    information: Sequence[float],
    *,
    spending: Spending | str,
    alpha: float,
    two_sided: bool = True,
    last_spends_all: bool = False,
) -> Boundaries:
    """The bounds of looks at rising fractions ``information`` of the planned information.

    ``alpha`` is the total over all looks, for both sides where ``two_sided`` (each side spends half of it by its own
    function). ``last_spends_all``: the last look given is the last planned, and spends what is left whatever its
    information. Assumes statistics that are jointly normal with independent increments. Raises ``InvalidInformation``
    unless the fractions rise by a thousandth or more, from above 0 to at most 1 (the last may exceed it: more came than
    was planned).
    """
    fractions = _valid(information)
    sides = 2.0 if two_sided else 1.0
    side_alpha = probability("alpha", alpha) / sides
    targets = [spent(spending, t, side_alpha) for t in fractions]
    if last_spends_all:
        targets[-1] = side_alpha
    bounds: list[float] = []
    nodes, density = np.zeros(1), np.ones(1)  # all probability in the score 0 at information 0
    before, used = 0.0, 0.0
    for position, (t, target) in enumerate(zip(fractions, targets, strict=True)):
        step = math.sqrt(t - before)
        bound = _bound(nodes, density, step, math.sqrt(t), target - used)
        bounds.append(bound)
        if position + 1 < len(fractions):
            lower = -bound if two_sided else -LARGEST_BOUND
            spacing = math.sqrt(fractions[position + 1] - t)
            nodes, density = _carried(nodes, density, step, lower * math.sqrt(t), bound * math.sqrt(t), spacing)
        before, used = t, target
    levels = tuple(sides * _sf(bound) for bound in bounds)
    return Boundaries(fractions, tuple(sides * value for value in targets), tuple(bounds), levels, two_sided)


def look_levels(
    planned: int, spending: Spending | str, information: Sequence[float], alpha: float
) -> tuple[float, ...]:
    """The nominal two-sided level of every look so far, of ``planned`` looks; the last of ``information`` is now.

    The look number ``planned`` spends all of alpha that is left. Under ``EQUAL`` every level is alpha / ``planned``.
    Raises ``InvalidInformation`` for more looks than were planned: those are exploratory and have no level.
    """
    at_least("planned", planned, 1)
    fractions = _valid(information)
    if len(fractions) > planned:
        raise InvalidInformation(information=_text(fractions), must_be=f"at most the {planned} planned looks")
    if Spending(spending) is Spending.EQUAL:
        return (probability("alpha", alpha) / planned,) * len(fractions)
    return boundaries(fractions, spending=spending, alpha=alpha, last_spends_all=len(fractions) == planned).levels


def repeated_interval(inference: Inference, level: float) -> Interval:
    """The repeated confidence interval of a look: the values that its test at nominal ``level`` does not reject.

    Over all looks together these intervals miss the effect with probability at most alpha (Jennison and Turnbull 1989,
    JRSS B 51).
    """
    return inference.interval(1.0 - probability("level", level))


def _bound(nodes: Floats, density: Floats, step: float, scale: float, increment: float) -> float:
    """c with P(no stop before, score > c · scale) = increment; ``scale`` = √t, ``step`` = √Δ."""
    from scipy.optimize import brentq

    def excess(c: float) -> float:
        return _crossing(nodes, density, step, c * scale) - increment

    if increment <= 0.0 or excess(LARGEST_BOUND) >= 0.0:
        return LARGEST_BOUND
    return float(brentq(excess, -LARGEST_BOUND, LARGEST_BOUND, xtol=1e-12, rtol=1e-13))


def _crossing(nodes: Floats, density: Floats, step: float, score: float) -> float:
    from scipy.special import ndtr

    return float((density * ndtr((nodes - score) / step)).sum())


def _carried(
    nodes: Floats, density: Floats, step: float, lower: float, upper: float, spacing: float
) -> tuple[Floats, Floats]:
    """Scores between ``lower`` and ``upper`` and the probability that each stands for.

    ``spacing`` is the standard deviation of the next step: panels are not wider than the kernels that they integrate.
    """
    width = min(_WIDEST_PANEL, _STANDARD_ERRORS_PER_PANEL * min(step, spacing))
    panels = max(1, math.ceil((upper - lower) / width))
    edges = np.linspace(lower, upper, panels + 1)
    points, weights = np.polynomial.legendre.leggauss(_NODES_PER_PANEL)
    half = (edges[1:] - edges[:-1]) / 2.0
    scores = ((edges[1:] + edges[:-1])[:, None] / 2.0 + half[:, None] * points).ravel()
    mass = (half[:, None] * weights).ravel()
    kernel = np.exp(-0.5 * ((scores[:, None] - nodes) / step) ** 2) / (step * math.sqrt(2.0 * math.pi))
    return scores, np.einsum("ij,j->i", kernel, density) * mass


def _valid(information: Sequence[float]) -> tuple[float, ...]:
    fractions = tuple(float(t) for t in information)
    if not fractions:
        raise InvalidInformation(information="()", must_be="there is at least one look")
    if not all(math.isfinite(t) for t in fractions) or fractions[0] <= 0.0:
        raise InvalidInformation(information=_text(fractions), must_be="each is a number greater than 0")
    if any(b - a < _CLOSEST for a, b in pairwise(fractions)):
        raise InvalidInformation(information=_text(fractions), must_be="each look has .001 more than the last, or more")
    if any(t > 1.0 for t in fractions[:-1]):
        raise InvalidInformation(information=_text(fractions), must_be="only the last may exceed 1")
    return fractions


def _text(fractions: Sequence[float]) -> str:
    return ", ".join(f"{t:g}" for t in fractions)


def _sf(bound: float) -> float:
    from scipy.special import ndtr  # the upper tail as Φ(−c): 1 − Φ(c) would be 0 from c = 8.3

    return float(ndtr(-bound))
