"""A random intercept per cluster by REML, with Satterthwaite's and Kenward and Roger's degrees of freedom.

    y_gi = x_gi'β + u_g + e_gi,   u_g ~ N(0, σ_u²),   e_gi ~ N(0, σ_e²)

A cluster of n_g rows has one direction (its mean times √n_g) of variance σ_e² + n_g σ_u² and n_g − 1 of variance
σ_e²: every quantity is a sum over cluster means and one matrix of products within clusters. REML is maximised over the
ratio λ = σ_u² / σ_e². Satterthwaite takes the observed information of the two variances, Kenward and Roger the
expected one and a wider error. Reference: Kenward and Roger (1997), Biometrics 53, 983–997.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message

_HALVINGS = 200
_NEGLIGIBLE = 1e-14


@dataclass(frozen=True, slots=True)
class RandomIntercept:
    """One coefficient. ``kenward_roger`` is what to report; ``satterthwaite`` has the plain error.

    ``sigma_cluster`` and ``sigma_row`` are the standard deviations of the two levels; the first is 0 where the
    clusters differ no more than their rows explain.
    """

    kenward_roger: TInference
    satterthwaite: TInference
    sigma_cluster: float
    sigma_row: float

    @property
    def intraclass_correlation(self) -> float:
        """The clusters' share of the variance."""
        return self.sigma_cluster**2 / (self.sigma_cluster**2 + self.sigma_row**2)


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Clusters' sizes (G), cluster means times √n (G × k and G), and products within clusters."""

    sizes: Floats
    x: Floats
    y: Floats
    within_xx: Floats
    within_xy: Floats
    within_yy: float

    @property
    def n(self) -> int:
        return int(self.sizes.sum())


def random_intercept(
    design: Floats, outcome: Floats, clusters: Sequence[str] | Ints, *, coefficient: int
) -> RandomIntercept:
    """One coefficient of ``outcome`` (N) on ``design`` (N × k, with its constant), rows in ``clusters`` (N).

    Assumes normal intercepts and errors with equal variances in all clusters, and that neither depends on the
    assignment. Raises ``InvalidNumber`` for a design without full rank, ``NotEstimable`` with no spread within
    clusters, or fewer clusters than columns and one to spare.
    """
    n, k = design.shape
    if np.linalg.matrix_rank(design) < k:
        raise InvalidNumber(name="design", value=f"{n} × {k}", must_be="of full column rank")
    data = _reduce(design, outcome, clusters)
    if len(data.sizes) <= k or data.n <= len(data.sizes):
        raise NotEstimable(
            Message(
                "too_few_clusters",
                N_("{rows} rows in {clusters} clusters are too few for a random intercept"),
                {"rows": data.n, "clusters": len(data.sizes)},
            )
        )
    if data.within_yy <= _NEGLIGIBLE * float((data.y**2).sum()):
        raise NotEstimable(Message("no_spread_within_clusters", N_("rows do not differ inside their clusters"), {}))
    ratio = _best_ratio(data, k)
    row = _row_variance(data, k, *_fit(data, 1.0, ratio)[1:])
    return _inference(data, row, ratio * row, coefficient)


def _reduce(design: Floats, outcome: Floats, clusters: Sequence[str] | Ints) -> _Data:
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    place = place.reshape(-1)
    sizes = np.bincount(place).astype(np.float64)
    both = np.column_stack([design, outcome])
    sums = np.column_stack([np.bincount(place, weights=column) for column in both.T])
    centred = both - (sums / sizes[:, None])[place]
    products = np.einsum("ni,nj->ij", centred, centred)
    means = sums / np.sqrt(sizes)[:, None]
    return _Data(sizes, means[:, :-1], means[:, -1], products[:-1, :-1], products[:-1, -1], float(products[-1, -1]))


def _fit(data: _Data, row: float, cluster: float) -> tuple[Floats, Floats, Floats]:
    """Φ = (X'V⁻¹X)⁻¹, β, and the variances (G) of the clusters' directions."""
    v = row + data.sizes * cluster
    information = data.within_xx / row + np.einsum("gi,gj->ij", data.x / v[:, None], data.x)
    phi = np.linalg.inv(information).astype(np.float64)
    beta = phi @ (data.within_xy / row + np.einsum("gi,g->i", data.x, data.y / v))
    return phi, beta, v


def _row_variance(data: _Data, k: int, beta: Floats, v: Floats) -> float:
    """σ_e² that is best for the λ of ``beta`` and ``v`` (in units of σ_e²)."""
    residual = data.y - data.x @ beta
    within = data.within_yy - 2 * float(beta @ data.within_xy) + float(beta @ data.within_xx @ beta)
    return (within + float((residual**2 / v).sum())) / (data.n - k)


def _best_ratio(data: _Data, k: int) -> float:
    """λ ≥ 0 that maximises the restricted likelihood: the best of a grid in logarithms, refined by golden section."""

    def loss(ratio: float) -> float:
        phi, beta, v = _fit(data, 1.0, ratio)
        row = _row_variance(data, k, beta, v)
        if not row > 0.0:
            return math.inf
        return (data.n - k) * math.log(row) + float(np.log(v).sum()) - float(np.linalg.slogdet(phi)[1])

    grid = [0.0, *np.geomspace(1e-5, 1e4, 46).tolist()]
    losses = [loss(ratio) for ratio in grid]
    best = int(np.argmin(losses))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(_HALVINGS):
        if high - low <= 1e-10 * max(high, 1e-12):
            break
        first, second = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, second) if loss(first) <= loss(second) else (first, high)
    middle = (low + high) / 2
    return 0.0 if losses[0] <= loss(middle) else middle


def _inference(data: _Data, row: float, cluster: float, coefficient: int) -> RandomIntercept:
    phi, beta, v = _fit(data, row, cluster)
    shapes = (np.ones_like(data.sizes), data.sizes)  # ∂V/∂σ_e² and ∂V/∂σ_u² on the clusters' directions

    def moment(power: int, weight: Floats, *, rows: bool) -> Floats:
        """X'V^(−power) G X, where G is ``weight`` on the clusters' directions and, with ``rows``, 1 within."""
        found = np.einsum("gi,g,gj->ij", data.x, weight / v**power, data.x)
        return np.asarray(found + data.within_xx / row**power if rows else found)

    p = [-moment(2, shapes[i], rows=i == 0) for i in (0, 1)]
    q = [[moment(3, shapes[i] * shapes[j], rows=i == j == 0) for j in (0, 1)] for i in (0, 1)]
    trace = [
        [float((shapes[i] * shapes[j] / v**2).sum()) + (data.n - len(v)) / row**2 * (i == j == 0) for j in (0, 1)]
        for i in (0, 1)
    ]
    projected = np.array(
        [
            [trace[i][j] - 2 * np.trace(phi @ q[i][j]) + np.trace(phi @ p[i] @ phi @ p[j]) for j in (0, 1)]
            for i in (0, 1)
        ]
    )
    expected = projected / 2  # tr(P G_i P G_j) / 2
    observed = _curvature(data, row, phi, beta, v, shapes) - expected
    slopes = np.array([-float((phi @ p[i] @ phi)[coefficient, coefficient]) for i in (0, 1)])
    variance = float(phi[coefficient, coefficient])
    spread = np.linalg.inv(expected)
    curved = cluster > 0.0 and bool((np.linalg.eigvalsh(observed) > 0.0).all())
    own = np.linalg.inv(observed) if curved else spread  # on the edge there is no curvature to observe
    correction = sum(spread[i][j] * (q[i][j] - p[i] @ phi @ p[j]) for i in (0, 1) for j in (0, 1))
    widened = phi + 2 * phi @ correction @ phi
    effect = float(beta[coefficient])
    return RandomIntercept(
        TInference(effect, math.sqrt(float(widened[coefficient, coefficient])), _degrees(variance, slopes, spread)),
        TInference(effect, math.sqrt(variance), _degrees(variance, slopes, own)),
        math.sqrt(cluster),
        math.sqrt(row),
    )


def _curvature(data: _Data, row: float, phi: Floats, beta: Floats, v: Floats, shapes: tuple[Floats, Floats]) -> Floats:
    """y'P G_i P G_j P y of the two variances (2 × 2)."""
    r = (data.y - data.x @ beta) / v
    within_xr = (data.within_xy - data.within_xx @ beta) / row
    within_rr = (data.within_yy - 2 * beta @ data.within_xy + beta @ data.within_xx @ beta) / row**2
    scores = [np.einsum("gi,g->i", data.x, shapes[i] * r / v) + (within_xr / row if i == 0 else 0.0) for i in (0, 1)]
    found = np.zeros((2, 2))
    for i in (0, 1):
        for j in (0, 1):
            direct = float((shapes[i] * shapes[j] * r * r / v).sum()) + (float(within_rr) / row if i == j == 0 else 0.0)
            found[i, j] = direct - float(scores[i] @ phi @ scores[j])
    return found


def _degrees(variance: float, slopes: Floats, covariance: npt.NDArray[np.floating[Any]]) -> float:
    """2 v² / Var(v̂) with Var(v̂) by the delta method from the covariance of the two variances."""
    return 2 * variance**2 / float(slopes @ covariance @ slopes)
