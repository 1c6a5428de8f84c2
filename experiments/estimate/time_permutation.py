"""Permutation over time of the residuals of a synthetic control: was the window after the start unlike other times?

Under the hypothesis that the effect is τ in every period after the start, x_t − τ (t ≥ start) is what would have
been. The demeaned synthetic control is fitted to *all* T periods of that series and leaves residuals u. The statistic
is Σ u_t² over the last T₁ periods; p is the share of its values over the T circular shifts of u (BLOCK: keeps
neighbouring periods together, for autocorrelated series; least value 1/T) or over random orders (IID: assumes that
periods are independent, which weekly sales are not). Assumes stationary residuals and a synthetic control that fits
as well after as before. The null is sharp: an effect that is τ on average but not in every period is rejected too, so
this test gives no interval for the mean effect. Reference: Chernozhukov, Wüthrich and Zhu (2021), JASA 116,
1849–1864.
"""

from enum import StrEnum

import numpy as np

from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.simplex import simplex_least_squares
from experiments.estimate.synthetic_control import TINY_RIDGE
from experiments.estimate.unit_table import Floats

_TIE = 1e-9


class Scheme(StrEnum):
    """How the residuals are moved in time."""

    BLOCK = "block"
    IID = "iid"


def time_permutation_p(
    panel: DonorPanel, *, at: float = 0.0, scheme: Scheme = Scheme.BLOCK, seed: int = 1, draws: int = 9999
) -> float:
    """p-value of "the effect is ``at`` in every period after the start". ``seed`` and ``draws`` matter for IID only."""
    residuals = _residuals(panel, at)
    squares = residuals**2
    after = panel.n_after
    actual = float(squares[-after:].sum())
    if scheme is Scheme.BLOCK:
        values = np.array([np.roll(squares, shift)[-after:].sum() for shift in range(len(squares))])
        return float((values >= actual * (1 - _TIE)).mean())
    rng = np.random.default_rng(seed)
    hits = sum(float(rng.permutation(squares)[:after].sum()) >= actual * (1 - _TIE) for _ in range(draws))
    return (1 + hits) / (1 + draws)


def _residuals(panel: DonorPanel, at: float) -> Floats:
    """(T,) what the demeaned synthetic control of all periods leaves of the treated mean less ``at`` after the
    start."""
    x = panel.treated_mean
    x[panel.n_before :] -= at
    ridge = len(x) * (TINY_RIDGE * panel.noise) ** 2
    fit = simplex_least_squares(panel.donors.T, x, intercept=True, ridge=ridge)
    left: Floats = x - np.einsum("j,jt->t", fit.weights, panel.donors) - fit.intercept
    return left
