"""The wild cluster bootstrap with the null imposed, every hypothesis from one matrix product.

Under "the coefficient is τ" the residuals u of the restricted regression keep their clusters together and change sign
by a weight w_g per cluster. With x̃ the treatment less what the other columns explain and l = x̃ / x̃'x̃, the bootstrap
coefficient less τ is Σ_g w_g l_g'u_g, its cluster scores are w_g l_g'u_g − l_g'X_g (X'X)⁻¹ Σ_h w_h X_h'u_h. Both are
linear in τ, since u = u_y − τ u_x, so the statistic of every draw is known at every τ, and the interval is the
inversion of the test. Up to 12 clusters all 2^G sign patterns are listed and ties count (≥); beyond that weights are
sampled and p = (1 + hits) / (1 + draws). References: Cameron, Gelbach and Miller (2008), Review of Economics and
Statistics 90; MacKinnon and Webb (2018), Econometrics Journal 21 (its weakness with few treated clusters).
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from experiments.checks import at_least
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.arm_errors import Draws, products
from experiments.estimate.permutation import PermutationInference
from experiments.estimate.redraws import DEFAULT_DRAWS
from experiments.estimate.unit_means import Regression
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message

MAX_LISTED_CLUSTERS = 12
_NEGLIGIBLE = 1e-12
_WEBB = np.array([-(1.5**0.5), -1.0, -(0.5**0.5), 0.5**0.5, 1.0, 1.5**0.5])


class Weights(StrEnum):
    """What a cluster's residuals are multiplied by: ±1, or Webb's six points (sampled only)."""

    RADEMACHER = "rademacher"
    WEBB = "webb"


def wild_bootstrap(
    design: Floats,
    outcome: Floats,
    clusters: Sequence[str] | Ints,
    *,
    coefficient: int,
    seed: int,
    draws: int = DEFAULT_DRAWS,
    weights: Weights = Weights.RADEMACHER,
) -> PermutationInference:
    """Least squares of ``outcome`` (N) on ``design`` (N × k), rows in ``clusters`` (N), for column ``coefficient``.

    Estimand: the coefficient. Assumes independent clusters, enough of them on both sides (with three or fewer treated
    it has no power). ``std_error`` of the answer is CR1S. Raises ``InvalidNumber`` for what is not finite or not of
    full column rank, ``NotEstimable`` for fewer than two clusters or an outcome without residual.
    """
    at_least("seed", seed, 0)
    at_least("draws", draws, 99)
    n, k = design.shape
    if not (np.isfinite(design).all() and np.isfinite(outcome).all()):
        raise InvalidNumber(name="design, outcome", value="NaN or infinity", must_be="finite numbers")
    if np.linalg.matrix_rank(design) < k:
        raise InvalidNumber(name="design", value=f"{n} × {k}", must_be="of full column rank")
    names, group = np.unique(np.asarray(clusters), return_inverse=True)
    others, _ = np.linalg.qr(np.delete(design, coefficient, axis=1))
    x = _out_of(others, design[:, coefficient])
    y = _out_of(others, outcome)
    basis = np.column_stack([others, x / np.sqrt((x * x).sum())])
    return _bootstrap(y, x, basis, np.asarray(group, dtype=np.int64), len(names), seed, draws, weights)


def unit_means_wild_bootstrap(regression: Regression, *, seed: int, draws: int = DEFAULT_DRAWS) -> PermutationInference:
    """The same for the regression on unit means, where every unit is a cluster."""
    nuisance, n = regression.nuisance, len(regression.table.units)
    blocks = np.zeros((n, regression.table.n_blocks))
    blocks[np.arange(n), nuisance.block] = nuisance.root / np.sqrt(nuisance.block_weight[nuisance.block])
    t = regression.t_hat
    basis = np.column_stack([blocks, nuisance.basis, t / np.sqrt((t * t).sum())])
    return _bootstrap(regression.y_hat, t, basis, np.arange(n), n, seed, draws, Weights.RADEMACHER)


def _bootstrap(
    y: Floats, x: Floats, basis: Floats, group: Ints, n_groups: int, seed: int, draws: int, weights: Weights
) -> PermutationInference:
    """``y`` and ``x`` (N) without the other columns; ``basis`` (N × k) orthonormal, spans all columns."""
    n, k = basis.shape
    length = float((x * x).sum())
    effect = float((x * y).sum()) / length
    residual = y - effect * x
    scale = float(np.abs(y).max())
    if n_groups < 2 or n <= k or not np.abs(residual).max() > _NEGLIGIBLE * scale:
        raise NotEstimable(
            Message("no_bootstrap", N_("{n} clusters leave nothing to resample"), {"n": n_groups, "rows": n})
        )
    loading = x / length
    into = _by_group(loading[:, None] * basis, group, n_groups)  # l_g'X_g, in the orthonormal basis
    signs, listed = _signs(n_groups, seed, draws, weights)
    own, across = zip(*(_clusters(values, loading, basis, group, n_groups) for values in (y, x)), strict=True)
    columns = [m for o, m in zip(own, across, strict=True) for m in (o[:, None], m, o[:, None] * into)]
    sums = np.ascontiguousarray(products(signs, np.concatenate([*columns, np.ones((n_groups, 1))], axis=1)).T)
    parts = np.split(sums[:-1], 2)
    pairs = ((0, 0), (0, 1), (1, 1))
    squares = [_product(parts[i], parts[j], into, _plain(signs, own[i] * own[j], weights)) for i, j in pairs]
    factor = n_groups / (n_groups - 1) * (n - 1) / (n - k)
    # one error a draw and the same degrees of freedom for all: the score is a monotone function of t
    spare = np.ones(len(signs))
    own = factor * float((_by_group((loading * residual)[:, None], group, n_groups) ** 2).sum())
    actual = Draws(np.array([effect]), np.ones(1), np.array([[own], [0.0], [0.0], [1.0]]))
    mirrored = np.abs(sums[-1]) == n_groups  # all clusters alike: the sample itself or its mirror
    if weights is Weights.WEBB:
        mirrored = np.arange(len(signs)) == 0
    found = Draws(parts[0][0], parts[1][0], np.stack([*(factor * s for s in squares), spare]))
    return PermutationInference(found, actual, mirrored, listed, float(np.sqrt(own)), scale)


def _clusters(u: Floats, loading: Floats, basis: Floats, group: Ints, n_groups: int) -> tuple[Floats, Floats]:
    """(G) own_g = l_g'u_g and (G × k) X_g'u_g of restricted residuals ``u`` (N)."""
    sums = _by_group(np.column_stack([loading * u, u[:, None] * basis]), group, n_groups)
    return sums[:, 0], sums[:, 1:]


def _product(p: Floats, q: Floats, into: Floats, plain: Floats | float) -> Floats:
    """(R) Σ_g of the product of the cluster scores of two parts, score_g = w_g own_g − l_g'X_g Σ_h w_h X_h'u_h. A part
    (2k + 1 × R) holds Σ w own, Σ w X'u (k rows) and Σ w own l'X (k rows), so that no G × G matrix is needed."""
    k = into.shape[1]
    crossed = (p[k + 1 :] * q[1 : k + 1]).sum(axis=0) + (q[k + 1 :] * p[1 : k + 1]).sum(axis=0)
    inner = np.einsum("gk,gl->kl", into, into)
    fitted = np.stack([(row[:, None] * p[1 : k + 1]).sum(axis=0) for row in inner])
    return np.asarray(plain - crossed + (fitted * q[1 : k + 1]).sum(axis=0))


def _plain(signs: Floats, both: Floats, weights: Weights) -> Floats | float:
    """Σ_g w_g² own_g own_g': the same in every draw where all w² are 1."""
    return float(both.sum()) if weights is Weights.RADEMACHER else np.einsum("rg,g->r", signs * signs, both)


def _by_group(rows: Floats, group: Ints, n_groups: int) -> Floats:
    """(G × columns) Sums of ``rows`` over the members of each group."""
    return np.stack([np.bincount(group, weights=column, minlength=n_groups) for column in rows.T], axis=1)


def _signs(n_groups: int, seed: int, draws: int, weights: Weights) -> tuple[Floats, bool]:
    """(R × G) the weights, the sample itself first, and whether these are all that there are."""
    if weights is Weights.RADEMACHER and n_groups <= MAX_LISTED_CLUSTERS:
        patterns = np.arange(2**n_groups)[:, None] >> np.arange(n_groups) & 1
        return np.asarray(1.0 - 2.0 * patterns, dtype=np.float64), True
    words = np.random.PCG64(seed)
    found = np.ones((draws + 1, n_groups))
    if weights is Weights.RADEMACHER:  # one bit a cluster
        raw = words.random_raw(draws * (-(-n_groups // 64))).astype("<u8", copy=False)
        found[1:] = np.unpackbits(raw.view(np.uint8).reshape(draws, -1), axis=1, count=n_groups)
        found[1:] *= -2.0
        found[1:] += 1.0
    else:
        points = words.random_raw(draws * n_groups).reshape(draws, n_groups) % np.uint64(6)
        found[1:] = _WEBB[points.astype(np.int64)]
    return found, False


def _out_of(basis: Floats, values: Floats) -> Floats:
    for _ in range(2):
        values = values - basis @ (basis.T @ values)
    return values
