"""Doubly robust difference-in-differences of two groups in two periods, with its influence function.

With ΔY the change of the outcome, D the treated group, X the covariates with a constant, p̂ the logit of D on X and m̂
the least-squares line of ΔY on X among controls:

    ATT = E_n[w₁ (ΔY − m̂)] − E_n[w₀ (ΔY − m̂)],   w₁ = D / E_n[D],   w₀ = o (1 − D) / E_n[o (1 − D)],   o = p̂ / (1 − p̂)

It is right when either the logit or the line is. The influence function counts that both were estimated. Reference:
Sant'Anna and Zhao (2020), Journal of Econometrics 219 (DRDID, ``drdid_panel``).
"""

from dataclasses import dataclass

import numpy as np

from experiments.estimate.unit_panel import Bools, Floats

_STEPS = 50
_CONVERGED = 1e-10
_CERTAIN = 1e-6  # a fitted probability of 1 − 1e-6 or more means that the covariates separate the groups


class Separated(Exception):
    """The covariates tell the groups apart completely, or do not vary: there is no comparable control."""


@dataclass(frozen=True, slots=True, eq=False)
class TwoByTwo:
    """``effect`` and the influence function ``influence`` (n): effect − ATT ≈ mean(influence)."""

    effect: float
    influence: Floats


def doubly_robust(change: Floats, treated: Bools, covariates: Floats, weight: Floats) -> TwoByTwo:
    """The effect on the treated of ``change`` (n) given ``covariates`` (n, k), units counted by ``weight`` (n).

    Raises ``Separated`` where the covariates are collinear, leave no comparable control, or the logit diverges.
    """
    n = len(change)
    w = weight / weight.mean()
    x = np.column_stack([np.ones(n), covariates])
    d = treated.astype(np.float64)
    p, information = _logit(x, d, w)
    line, gram = _line(x, change, w * (1.0 - d))
    rest = change - line
    w1, w0 = w * d, w * p * (1.0 - d) / (1.0 - p)
    eta1, eta0 = _mean(w1 * rest) / _mean(w1), _mean(w0 * rest) / _mean(w0)

    score_line = np.einsum("nk,kj->nj", (w * (1.0 - d) * rest)[:, None] * x, gram)
    score_logit = np.einsum("nk,kj->nj", (w * (d - p))[:, None] * x, information)
    from_line1 = np.einsum("nk,k->n", score_line, (w1[:, None] * x).mean(axis=0))
    from_line0 = np.einsum("nk,k->n", score_line, (w0[:, None] * x).mean(axis=0))
    from_logit = np.einsum("nk,k->n", score_logit, ((w0 * (rest - eta0))[:, None] * x).mean(axis=0))
    influence1 = (w1 * (rest - eta1) - from_line1) / _mean(w1)
    influence0 = (w0 * (rest - eta0) + from_logit - from_line0) / _mean(w0)
    return TwoByTwo(eta1 - eta0, influence1 - influence0)


def _logit(x: Floats, d: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Fitted probabilities of the logit of ``d`` on ``x`` by Newton's method, and n times its inverse information."""
    beta = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(np.einsum("nk,k->n", x, beta), -500.0, 500.0)))
        inverse = _inverse(np.einsum("nk,n,nj->kj", x, w * p * (1.0 - p), x) / len(d))
        step = inverse @ (np.einsum("nk,n->k", x, w * (d - p)) / len(d))
        beta = beta + step
        if float(np.abs(step).max()) <= _CONVERGED * max(1.0, float(np.abs(beta).max())):
            if float(p.max()) >= 1.0 - _CERTAIN:
                raise Separated
            return p, inverse
    raise Separated


def _line(x: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats]:
    """The weighted least-squares line at every row, and n times the inverse of x'wx."""
    inverse = _inverse(np.einsum("nk,n,nj->kj", x, w, x) / len(y))
    beta = inverse @ (np.einsum("nk,n->k", x, w * y) / len(y))
    return np.einsum("nk,k->n", x, beta), inverse


def _inverse(matrix: Floats) -> Floats:
    scale = np.sqrt(np.maximum(np.diagonal(matrix), 1e-300))
    standard = matrix / scale[:, None] / scale[None, :]
    if float(np.linalg.cond(standard)) > 1e12:
        raise Separated
    inverse: Floats = np.linalg.inv(standard).astype(np.float64) / scale[:, None] / scale[None, :]
    return inverse


def _mean(values: Floats) -> float:
    return float(values.mean())
