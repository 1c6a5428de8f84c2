"""Customer-weighted least squares from moments per store: every customer counts once, errors by store.

    y_i = x_i'b + ε_i    (one row per customer i of store g; x_i = [treatment of the store, block or 1, covariates])

Coefficients and cluster-robust errors need only S_g = X_g'X_g and s_g = X_g'y_g: b = M Σ s_g with M = (Σ S_g)⁻¹, the
score of a store is s_g − S_g b. CR2 takes the inverse root of I − X_g M X_g', whose product with X_g' is a function of
the k × k matrix S_g M (X' f(X M X') = f(S M) X'), and so do the Bell–McCaffrey degrees of freedom. Many comparisons are
computed together. Reference: Pustejovsky and Tipton (2018), Journal of Business & Economic Statistics 36.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.cluster_robust import Correction
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message

_RANK = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class StoreMoments:
    """Sums over the customers of each of G stores, for C comparisons at once.

    ``n`` (C × G) customers, ``x`` (C × G × q) and ``xx`` (C × G × q × q) sums and products of q covariates, ``y``
    (C × G) and ``xy`` (C × G × q) sums of the outcome and its products with the covariates.
    """

    n: Floats
    x: Floats
    xx: Floats
    y: Floats
    xy: Floats

    def __post_init__(self) -> None:
        c, g, q = self.x.shape
        wanted = {"n": (c, g), "x": (c, g, q), "xx": (c, g, q, q), "y": (c, g), "xy": (c, g, q)}
        for name, shape in wanted.items():
            values: Floats = getattr(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise InvalidNumber(name=name, value=str(values.shape), must_be=f"finite, of shape {shape}")


@dataclass(frozen=True, slots=True, eq=False)
class CustomerWeighted:
    """(C) effect of the treatment, its standard error and degrees of freedom in each comparison."""

    effect: Floats
    std_error: Floats
    df: Floats

    def inference(self, comparison: int = 0) -> TInference:
        """One comparison as a t inference."""
        return TInference(float(self.effect[comparison]), float(self.std_error[comparison]), float(self.df[comparison]))


def customer_weighted(
    moments: StoreMoments, treated: Floats, *, block: Ints | None = None, correction: Correction = Correction.CR2
) -> CustomerWeighted:
    """The effect of ``treated`` (G, 0/1) per customer, with indicators of ``block`` (G, from 0) and covariates.

    Estimand: the mean effect over customers (large stores count more), unlike the mean over stores. ``correction`` CR1S
    comes with G − 1 degrees of freedom, CR2 with Bell and McCaffrey's. Assumes independent stores and equal slopes in
    all of them. Raises ``NotEstimable`` where a comparison has no treated or no control store with customers, or where
    its columns say the same, and ``InvalidNumber`` for another correction.
    """
    if correction not in (Correction.CR1S, Correction.CR2):
        raise InvalidNumber(name="correction", value=correction.value, must_be="cr1s or cr2")
    products, outcomes = _design(moments, treated, block)
    total = products.sum(axis=1)
    scale = np.sqrt(np.maximum(np.diagonal(total, axis1=1, axis2=2), 1e-300))
    conditioned = total / scale[:, :, None] / scale[:, None, :]
    if not (np.linalg.eigvalsh(conditioned)[:, 0] > _RANK).all():
        raise NotEstimable(
            Message(
                "no_comparison", N_("the stores with customers do not tell treatment, blocks and covariates apart"), {}
            )
        )
    bread = np.linalg.inv(conditioned) / scale[:, :, None] / scale[:, None, :]
    b = np.einsum("cij,cj->ci", bread, outcomes.sum(axis=1))
    scores = outcomes - np.einsum("cgij,cj->cgi", products, b)
    aim = bread[:, 0]  # (C × k) the row of the inverse that belongs to the treatment
    present = (moments.n > 0).sum(axis=1).astype(np.float64)
    if correction is Correction.CR1S:
        n, k = moments.n.sum(axis=1), products.shape[-1]
        factor = present / (present - 1.0) * (n - 1.0) / (n - k)
        each = np.einsum("ci,cgi->cg", aim, scores)
        return CustomerWeighted(b[:, 0], np.sqrt(factor * (each**2).sum(axis=1)), present - 1.0)
    return _cr2(b[:, 0], products, scores, bread, aim)


def _design(moments: StoreMoments, treated: Floats, block: Ints | None) -> tuple[Floats, Floats]:
    """(C × G × k × k) X'X and (C × G × k) X'y per store; columns: treatment, blocks, covariates."""
    c, g, q = moments.x.shape
    blocks = np.zeros(g, dtype=np.int64) if block is None else block
    fixed = np.column_stack([treated, *(blocks == b for b in range(int(blocks.max()) + 1))]).astype(np.float64)
    f = fixed.shape[1]
    products, outcomes = np.empty((c, g, f + q, f + q)), np.empty((c, g, f + q))
    products[:, :, :f, :f] = moments.n[:, :, None, None] * (fixed[:, :, None] * fixed[:, None, :])
    products[:, :, :f, f:] = fixed[:, :, None] * moments.x[:, :, None, :]
    products[:, :, f:, :f] = np.swapaxes(products[:, :, :f, f:], 2, 3)
    products[:, :, f:, f:] = moments.xx
    outcomes[:, :, :f], outcomes[:, :, f:] = moments.y[:, :, None] * fixed, moments.xy
    return products, outcomes


def _cr2(effect: Floats, products: Floats, scores: Floats, bread: Floats, aim: Floats) -> CustomerWeighted:
    """M = L L' and f(S M) = L⁻ᵀ f(L' S L) L'; f is the inverse root of 1 − λ (0 where λ = 1, as in clubSandwich)."""
    root = np.linalg.cholesky(bread)
    values, vectors = np.linalg.eigh(np.einsum("cji,cgjk,ckl->cgil", root, products, root, optimize=True))
    slack = 1.0 - values
    power = np.where(slack < _RANK, 0.0, np.where(slack < _RANK, 1.0, slack) ** -0.5)
    along = np.linalg.solve(root, aim[:, :, None])[:, :, 0]  # L⁻¹ aim, so aim'f(SM)v = along' V f V' L'v
    rotated = np.einsum("cgij,ci->cgj", vectors, along)
    moved = np.einsum("cgij,cgi->cgj", vectors, np.einsum("cji,cgj->cgi", root, scores))
    each = (rotated * power * moved).sum(axis=2)
    # p_g = f(S_g M) S_g aim, rotated by L': f(Λ) Λ along
    p = np.einsum("cgij,cgj->cgi", vectors, power * values * rotated)
    d = (power**2 * values * rotated**2).sum(axis=2)
    cross = np.einsum("cgi,cgj->cij", p, p)
    own = (p * p).sum(axis=2)
    squares = (d * d - 2.0 * d * own).sum(axis=1) + (cross * cross).sum(axis=(1, 2))
    df = (d - own).sum(axis=1) ** 2 / squares
    return CustomerWeighted(effect, np.sqrt((each**2).sum(axis=1)), df)
