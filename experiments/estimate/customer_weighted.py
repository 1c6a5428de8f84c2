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
    fixed = _fixed(treated, block)
    total, outcome = _design(moments, fixed)
    scale = np.sqrt(np.maximum(np.diagonal(total, axis1=1, axis2=2), 1e-300))
    conditioned = total / scale[:, :, None] / scale[:, None, :]
    if not (np.linalg.eigvalsh(conditioned)[:, 0] > _RANK).all():
        raise NotEstimable(
            Message(
                "no_comparison", N_("the stores with customers do not tell treatment, blocks and covariates apart"), {}
            )
        )
    bread = np.linalg.inv(conditioned) / scale[:, :, None] / scale[:, None, :]
    b = np.einsum("cij,cj->ci", bread, outcome)
    scores = _scores(moments, fixed, b)
    aim = bread[:, 0]  # (C × k) the row of the inverse that belongs to the treatment
    present = (moments.n > 0).sum(axis=1).astype(np.float64)
    if correction is Correction.CR1S:
        n, k = moments.n.sum(axis=1), b.shape[-1]
        factor = present / (present - 1.0) * (n - 1.0) / (n - k)
        each = np.einsum("ci,cgi->cg", aim, scores)
        return CustomerWeighted(b[:, 0], np.sqrt(factor * (each**2).sum(axis=1)), present - 1.0)
    return _cr2(b[:, 0], moments, fixed, scores, bread, aim)


def _fixed(treated: Floats, block: Ints | None) -> Floats:
    """(G × f) The columns that all customers of a store share: treatment, blocks."""
    blocks = np.zeros(len(treated), dtype=np.int64) if block is None else block
    return np.column_stack([treated, *(blocks == b for b in range(int(blocks.max()) + 1))]).astype(np.float64)


def _design(moments: StoreMoments, fixed: Floats) -> tuple[Floats, Floats]:
    """(C × k × k) X'X and (C × k) X'y over all stores; columns: treatment, blocks, covariates.

    Never per store: with stores in pairs k is half of their number, and G × k × k is too much.
    """
    (c, _, q), f = moments.x.shape, fixed.shape[1]
    total, outcome = np.empty((c, f + q, f + q)), np.empty((c, f + q))
    total[:, :f, :f] = fixed.T @ (moments.n[:, :, None] * fixed)
    total[:, :f, f:] = fixed.T @ moments.x
    total[:, f:, :f] = np.swapaxes(total[:, :f, f:], 1, 2)
    total[:, f:, f:] = moments.xx.sum(axis=1)
    outcome[:, :f], outcome[:, f:] = moments.y @ fixed, moments.xy.sum(axis=1)
    return total, outcome


def _scores(moments: StoreMoments, fixed: Floats, b: Floats) -> Floats:
    """(C × G × k) X'(y − X b) per store."""
    f = fixed.shape[1]
    level, slope = b[:, :f] @ fixed.T, b[:, f:]  # (C × G) what a store's customers share, (C × q)
    common = moments.y - moments.n * level - np.einsum("cgq,cq->cg", moments.x, slope)
    own = moments.xy - moments.x * level[:, :, None] - np.einsum("cgqr,cr->cgq", moments.xx, slope)
    return np.concatenate([common[:, :, None] * fixed, own], axis=2)


def _cr2(
    effect: Floats, moments: StoreMoments, fixed: Floats, scores: Floats, bread: Floats, aim: Floats
) -> CustomerWeighted:
    """A store's customers share all columns but the covariates: S = P G P' with G of 1 + q rows, so S = A A' with
    A = P √G, and f(S M) = I + A V h(Λ) V' A' M from the few eigenvalues Λ of A' M A; f is the inverse root of 1 − λ
    (0 where λ = 1, as in clubSandwich) and h(λ) = (f(λ) − 1) / λ."""
    n_fixed = fixed.shape[1]

    def narrow(columns: Floats) -> Floats:
        """P' times (C × G × k)."""
        first = np.einsum("gi,cgi->cg", fixed, columns[:, :, :n_fixed])
        return np.concatenate([first[:, :, None], columns[:, :, n_fixed:]], axis=2)

    spread, axes = np.linalg.eigh(_inner(moments))
    factor = axes * np.sqrt(np.maximum(spread, 0.0))[:, :, None, :]  # √G
    middle = _narrowed(bread, fixed)
    values, vectors = np.linalg.eigh(np.einsum("cgji,cgjk,cgkl->cgil", factor, middle, factor, optimize=True))
    slack = 1.0 - values
    open_ = slack >= _RANK
    root = np.sqrt(np.where(open_, slack, 1.0))
    power = np.where(open_, 1.0 / root, 0.0)
    change = np.where(open_, 1.0 / (root * (1.0 + root)), -1.0)
    turned = np.einsum("cgij,cgjk->cgik", factor, vectors)  # √G V
    along = np.einsum("cgij,cgi->cgj", turned, narrow(np.broadcast_to(aim[:, None, :], scores.shape)))
    moved = np.einsum("cgij,cgi->cgj", turned, narrow(np.einsum("cij,cgj->cgi", bread, scores)))
    each = np.einsum("ci,cgi->cg", aim, scores) + (along * change * moved).sum(axis=2)
    # p_g = L' f(S M) S aim with M = L L', for the degrees of freedom
    u = np.einsum("cgij,cgj->cgi", turned, power * along)
    p = np.concatenate([fixed * u[:, :, :1], u[:, :, 1:]], axis=2) @ np.linalg.cholesky(bread)
    d = (power**2 * along**2).sum(axis=2)
    cross = np.einsum("cgi,cgj->cij", p, p)
    own = (p * p).sum(axis=2)
    squares = (d * d - 2.0 * d * own).sum(axis=1) + (cross * cross).sum(axis=(1, 2))
    df = (d - own).sum(axis=1) ** 2 / squares
    return CustomerWeighted(effect, np.sqrt((each**2).sum(axis=1)), df)


def _inner(moments: StoreMoments) -> Floats:
    """(C × G × 1 + q × 1 + q) G: sums and products of a one and the covariates over a store's customers."""
    c, g, q = moments.x.shape
    inner = np.empty((c, g, 1 + q, 1 + q))
    inner[:, :, 0, 0], inner[:, :, 0, 1:], inner[:, :, 1:, 0] = moments.n, moments.x, moments.x
    inner[:, :, 1:, 1:] = moments.xx
    return inner


def _narrowed(bread: Floats, fixed: Floats) -> Floats:
    """(C × G × 1 + q × 1 + q) P' M P."""
    f, (c, k, _) = fixed.shape[1], bread.shape
    middle = np.empty((c, len(fixed), 1 + k - f, 1 + k - f))
    middle[:, :, 0, 0] = np.einsum("gi,cij,gj->cg", fixed, bread[:, :f, :f], fixed, optimize=True)
    middle[:, :, 0, 1:] = middle[:, :, 1:, 0] = np.einsum("gi,cij->cgj", fixed, bread[:, :f, f:])
    middle[:, :, 1:, 1:] = bread[:, None, f:, f:]
    return middle
