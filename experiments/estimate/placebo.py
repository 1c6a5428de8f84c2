"""Placebo in space: what the estimator finds for donors that nothing happened to.

Sets of k donors play the k treated units, all of them where there are at most ``draws``, else ``draws`` random ones;
the real treated units take no part. Each placebo effect e_S is divided by q_S, how far its fit is off before the
start (``imbalance``); the error of the effect is its own q times the standard deviation of e_S / q_S, and effect /
error is referred to t with J − 1 degrees of freedom, because J donors made it. With q = 1 that is algorithm 4 of
Arkhangelsky et al. (2021), which is right when all units are equally noisy and far off when the treated ones are not;
dividing by the fit before the start is the ratio of Abadie, Diamond and Hainmueller. ``rank_p`` is (1 + ratios at
least as large) / (1 + their number): its least value is 1 / (J + 1) with one treated unit. Assumes that units are as
noisy after the start as before, and that the treated ones were not picked because they are about to change: nothing
in the data can prove that. References: Abadie, Diamond and Hainmueller (2010), JASA 105, 493–505; Arkhangelsky,
Athey, Hirshberg, Imbens and Wager (2021), American Economic Review 111, 4088–4118.
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
_EXACT = 0.01  # of the noise: fits that leave less say nothing about how noisy a unit is


@dataclass(frozen=True, slots=True, eq=False)
class Placebo:
    """``fit`` of the real treated units; ``effects`` and ``imbalances`` (n,) of the placebo sets; ``listed`` when these
    are all sets; ``scaled`` whether effects are divided by imbalances (not when some fit is exact before the start);
    ``inference`` about the effect; ``plain_error`` the standard deviation of the placebo effects as they are."""

    fit: SyntheticFit
    effects: Floats
    imbalances: Floats
    listed: bool
    scaled: bool
    inference: TInference
    plain_error: float

    @property
    def rank_p(self) -> float:
        """(1 + placebo ratios effect / imbalance at least as large) / (1 + their number); effects where not scaled."""
        if self.scaled:
            return _rank(self.effects / self.imbalances, self.fit.effect / self.fit.imbalance)
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
    fits = [
        estimator(panel.placebo(places)) for places in _sets(n_donors, n_treated, listed=listed, seed=seed, draws=draws)
    ]
    effects = np.array([placebo.effect for placebo in fits])
    imbalances = np.array([placebo.imbalance for placebo in fits])
    plain_error = float(effects.std(ddof=1))
    if plain_error <= _TIE * float(np.abs(panel.donors).max()):
        raise NotEstimable(Message("placebos_do_not_vary", N_("the donors do not vary; no error can be had"), {}))
    exact = _EXACT * panel.noise * float(np.sqrt(panel.n_before))
    scaled = min(fit.imbalance, float(imbalances.min())) > exact
    error = fit.imbalance * float((effects / imbalances).std(ddof=1)) if scaled else plain_error
    return Placebo(fit, effects, imbalances, listed, scaled, TInference(fit.effect, error, n_donors - 1), plain_error)


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
