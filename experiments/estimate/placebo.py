"""Placebo in space: what the estimator finds for donors that nothing happened to.

Sets of k donors play the k treated units, all of them where there are at most ``draws``, else ``draws`` random ones;
the real treated units take no part. The standard deviation of the placebo effects is the error of the estimate
(Arkhangelsky et al. 2021, algorithm 4, which takes the variance around their mean); its ratio to the effect is
referred to t with J − 1 degrees of freedom, because J donors made it. ``rank_p`` is (1 + placebo effects at least as
large) / (1 + their number): its least value is 1 / (J + 1) with one treated unit. Assumes that treated units and
donors vary alike (the treated ones were not picked *because* they vary more or are about to change): nothing in the
data can prove that. Reference: Abadie, Diamond and Hainmueller (2010), JASA 105, 493–505.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

DRAWS = 200
_TIE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Placebo:
    """``effects`` (n,) of the placebo sets; ``listed`` when these are all sets; ``inference`` about the actual
    effect."""

    effects: Floats
    listed: bool
    inference: TInference
    rank_p: float
    smallest_rank_p: float


def placebo_in_space(
    panel: DonorPanel, estimator: Callable[[DonorPanel], float], effect: float, *, seed: int, draws: int = DRAWS
) -> Placebo:
    """The placebo distribution of ``estimator`` for an actual ``effect``; raises ``NotEstimable`` when fewer than two
    donors would remain, or when no placebo effect differs from another."""
    n_treated, n_donors = len(panel.treated), len(panel.donors)
    if n_donors - n_treated < 2:
        template = N_("{donors} donors cannot play {treated} treated units and keep two donors of their own")
        raise NotEstimable(Message("too_few_donors_for_placebo", template, {"donors": n_donors, "treated": n_treated}))
    listed = comb(n_donors, n_treated) <= draws
    chosen = list(_sets(n_donors, n_treated, listed=listed, seed=seed, draws=draws))
    effects = np.array([estimator(panel.placebo(places)) for places in chosen])
    std_error = float(effects.std(ddof=1))
    if std_error <= _TIE * max(abs(effect), float(np.abs(panel.donors).max())):
        raise NotEstimable(Message("placebos_do_not_vary", N_("the donors do not vary; no error can be had"), {}))
    hits = int((np.abs(effects) >= abs(effect) * (1 - _TIE)).sum())
    smallest = 1 / (1 + len(chosen))
    return Placebo(effects, listed, TInference(effect, std_error, n_donors - 1), (1 + hits) * smallest, smallest)


def _sets(n_donors: int, n_treated: int, *, listed: bool, seed: int, draws: int) -> Iterator[tuple[int, ...]]:
    if listed:
        yield from combinations(range(n_donors), n_treated)
        return
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield tuple(sorted(rng.permutation(n_donors)[:n_treated].tolist()))
