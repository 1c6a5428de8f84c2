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
from experiments.estimate.synthetic_control import SyntheticFit
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

DRAWS = 200
_TIE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Placebo:
    """``fit`` of the real treated units; ``effects`` and ``imbalances`` (n,) of the placebo sets; ``listed`` when these
    are all sets; ``inference`` about the effect."""

    fit: SyntheticFit
    effects: Floats
    imbalances: Floats
    listed: bool
    inference: TInference

    @property
    def rank_p(self) -> float:
        """(1 + placebo effects at least as large) / (1 + their number)."""
        return _rank(self.effects, self.fit.effect)

    @property
    def smallest_rank_p(self) -> float:
        """The least value that ``rank_p`` can take."""
        return 1 / (1 + len(self.effects))

    @property
    def fit_p(self) -> float:
        """(1 + placebo fits that miss the periods before the start at least as far) / (1 + their number)."""
        return _rank(self.imbalances, self.fit.imbalance)


def placebo_in_space(
    panel: DonorPanel, estimator: Callable[[DonorPanel], SyntheticFit], *, seed: int, draws: int = DRAWS
) -> Placebo:
    """The fit of ``panel`` and the placebo distribution of the same ``estimator``; raises ``NotEstimable`` when fewer
    than two donors would remain, or when no placebo effect differs from another."""
    n_treated, n_donors = len(panel.treated), len(panel.donors)
    if n_donors - n_treated < 2:
        template = N_("{donors} donors cannot play {treated} treated units and keep two donors of their own")
        raise NotEstimable(Message("too_few_donors_for_placebo", template, {"donors": n_donors, "treated": n_treated}))
    fit = estimator(panel)
    listed = comb(n_donors, n_treated) <= draws
    chosen = _sets(n_donors, n_treated, listed=listed, seed=seed, draws=draws)
    fits = [estimator(panel.placebo(places)) for places in chosen]
    effects = np.array([placebo.effect for placebo in fits])
    std_error = float(effects.std(ddof=1))
    if std_error <= _TIE * float(np.abs(panel.donors).max()):
        raise NotEstimable(Message("placebos_do_not_vary", N_("the donors do not vary; no error can be had"), {}))
    imbalances = np.array([placebo.imbalance for placebo in fits])
    return Placebo(fit, effects, imbalances, listed, TInference(fit.effect, std_error, n_donors - 1))


def _rank(placebos: Floats, actual: float) -> float:
    hits = int((np.abs(placebos) >= abs(actual) * (1 - _TIE)).sum())
    return (1 + hits) / (1 + len(placebos))


def _sets(n_donors: int, n_treated: int, *, listed: bool, seed: int, draws: int) -> Iterator[tuple[int, ...]]:
    if listed:
        yield from combinations(range(n_donors), n_treated)
        return
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield tuple(sorted(rng.permutation(n_donors)[:n_treated].tolist()))
