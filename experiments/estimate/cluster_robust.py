"""Cluster-robust errors: CR0, CR1S, CR2 and CR3 with Bell–McCaffrey (Satterthwaite) degrees of freedom.

V = M Σ_g X_g' A_g e_g e_g' A_g' X_g M with M = (X'X)⁻¹; A_g = I (CR0), I·√(G/(G−1)·(N−1)/(N−k)) (CR1S), (I −
H_gg)^(−1/2) (CR2), (I − H_gg)^(−1) (CR3). The degrees of freedom are 2 E(V)² / Var(V) under independent equal errors.
On unit means each cluster is one row and CR2 is HC2. References: Bell and McCaffrey (2002), Survey Methodology 28;
Pustejovsky and Tipton (2018), Journal of Business & Economic Statistics 36.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_means import Regression
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

_RANK = 1e-10


class Correction(StrEnum):
    """Small-sample corrections of the cluster-robust variance."""

    CR0 = "cr0"
    CR1S = "cr1s"
    CR2 = "cr2"
    CR3 = "cr3"


def unit_means_cr2(regression: Regression) -> TInference:
    """CR2 (here HC2) error and Bell–McCaffrey degrees of freedom of the treatment in the regression on unit means.

    With l = t̂ / t̂'t̂ and M the residual maker of the whole regression: variance Σ l_i² e_i² / M_ii, df = (Σ D_i
    M_ii)² / Σ_ij D_i D_j M_ij² where D_i = l_i² / M_ii. Raises ``NotEstimable`` when one unit alone carries a
    coefficient (M_ii = 0), as with a single treated unit.
    """
    t, nuisance = regression.t_hat, regression.nuisance
    total = float((t * t).sum())
    slack = 1.0 - nuisance.leverage - t**2 / total
    loading = t / total
    used = np.abs(loading) > _RANK * np.abs(loading).max()
    if bool((slack[used] < _RANK).any()):
        raise NotEstimable(
            Message("unit_stands_alone", N_("one unit alone carries the effect; its error cannot be estimated"), {})
        )
    d = np.where(used, loading**2 / np.where(used, slack, 1.0), 0.0)
    variance = float((d * regression.residual**2).sum())
    columns = np.column_stack([nuisance.basis, t / np.sqrt(total)])
    # Σ_ij D_i D_j M_ij² with M = I − UU': Σ D_i² (1 − 2 (UU')_ii) + ‖U'DU‖², U = [block columns, basis, t̂ / |t̂|]
    blocks, weight = nuisance.block, nuisance.block_weight
    within = np.bincount(blocks, weights=d * nuisance.root**2) / weight
    mixed = [np.bincount(blocks, weights=d * nuisance.root * c) / np.sqrt(weight) for c in columns.T]
    inner = np.einsum("n,nj,nk->jk", d, columns, columns)
    crossed = float((within**2).sum()) + 2.0 * sum(float((m**2).sum()) for m in mixed) + float((inner**2).sum())
    squares = float((d**2 * (2.0 * slack - 1.0)).sum()) + crossed
    df = float((d * slack).sum()) ** 2 / squares
    return TInference(regression.effect, float(np.sqrt(variance)), df)


def cluster_robust(
    design: Floats,
    outcome: Floats,
    clusters: Sequence[str] | npt.NDArray[np.int64],
    *,
    coefficient: int,
    correction: Correction = Correction.CR2,
) -> TInference:
    """Least squares of ``outcome`` (N) on ``design`` (N × k), rows grouped by ``clusters`` (N), for one coefficient.

    Include the block indicators in ``design``: rows demeaned by hand give another, wrong CR2. Raises
    ``InvalidNumber`` for a design without full column rank, ``NotEstimable`` when CR3 meets a cluster that determines
    a coefficient alone.
    """
    if not (np.isfinite(design).all() and np.isfinite(outcome).all()):
        raise InvalidNumber(name="design, outcome", value="NaN or infinity", must_be="finite numbers")
    n, k = design.shape
    if np.linalg.matrix_rank(design) < k:
        raise InvalidNumber(name="design", value=f"{n} × {k}", must_be="of full column rank")
    bread = np.linalg.inv(design.T @ design).astype(np.float64)
    effects = bread @ (design.T @ outcome)
    residual = outcome - design @ effects
    names = sorted(set(clusters))
    groups = [np.array([i for i, name in enumerate(clusters) if name == g]) for g in names]
    loading = design @ bread[:, coefficient]
    columns = np.zeros((n, len(groups)))
    scores = []
    for g, rows in enumerate(groups):
        adjusted = _adjustment(design[rows], bread, correction, n, len(groups)) @ loading[rows]
        scores.append(float(adjusted @ residual[rows]))
        columns[rows, g] = adjusted
    spread = columns - design @ (bread @ (design.T @ columns))  # (I − H) A_g l_g, one column a cluster
    omega = spread.T @ spread
    df = float(np.trace(omega)) ** 2 / float((omega**2).sum())
    return TInference(float(effects[coefficient]), float(np.sqrt(sum(score**2 for score in scores))), df)


def _adjustment(x: Floats, bread: Floats, correction: Correction, n: int, n_clusters: int) -> Floats:
    identity = np.eye(len(x))
    if correction is Correction.CR0:
        return identity
    if correction is Correction.CR1S:
        factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - x.shape[1])
        scaled: Floats = identity * np.sqrt(factor)
        return scaled
    values, vectors = np.linalg.eigh(identity - x @ bread @ x.T)
    small = values < _RANK
    if correction is Correction.CR3 and bool(small.any()):
        raise NotEstimable(
            Message("cluster_stands_alone", N_("one cluster alone carries a coefficient; CR3 does not exist"), {})
        )
    power = -0.5 if correction is Correction.CR2 else -1.0
    scale = np.where(small, 0.0, np.where(small, 1.0, values) ** power)  # the Moore–Penrose root, as clubSandwich takes
    adjustment: Floats = (vectors * scale) @ vectors.T
    return adjustment
