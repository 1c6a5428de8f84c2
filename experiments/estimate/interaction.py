"""Interaction: do segments react differently, and how much of the difference between their effects is noise?

"Significant here, not there" is not a difference. The hypothesis is that all K segments have the same effect.

- Customers assigned: the segments are independent samples. James and Welch: with w_k = 1 / se_k², W = Σ w_k,
  F = Σ w_k (b_k − b̄)² / (K − 1) / (1 + 2 (K − 2) A / (K² − 1)),  A = Σ (1 − w_k / W)² / df_k,
  on K − 1 and (K² − 1) / (3 A) degrees of freedom.
- Stores assigned: every store holds all segments, so their effects are correlated. Each unit gives its K − 1
  differences between segments; the treatment coefficient d of their regression (with block indicators) is tested by
  Hotelling's T² = d' S⁻¹ d, T² (ν − K + 2) / (ν (K − 1)) ~ F(K − 1, ν − K + 2), and by permutation over the draw. S is
  the sum of each arm's own covariance with ν of Krishnamoorthy and Yu; the pooled one with ν = units − blocks − 1 where
  an arm has fewer than K + 1 units (with few treated of many and stores that react differently it rejects 13–15 %).

Exploratory. References: Welch (1951), Biometrika 38; Hotelling (1931), Annals of Mathematical Statistics 2;
Krishnamoorthy and Yu (2004), Statistics and Probability Letters 66 (unequal covariances).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.redraws import Redraws
from experiments.estimate.unit_table import Flags, Floats, Ints
from experiments.messages import N_, Message

_TIE = 1e-9
_ROWS_AT_ONCE = 1_000
_NEGLIGIBLE = 1e-12


@dataclass(frozen=True, slots=True)
class InteractionTest:
    """``statistic`` is F on ``df`` and ``df_error`` degrees of freedom; ``p_value`` is of F (``method`` "welch_james",
    "hotelling_unequal", "hotelling") or of the permutation ("permutation", "permutation_studentised")."""

    statistic: float
    df: int
    df_error: float
    p_value: float
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class SegmentEffects:
    """Effects of S segments (variant − control, in the metric's unit) and their (S, S) ``covariance`` on ``df`` degrees
    of freedom."""

    effects: Floats
    covariance: Floats
    df: int


def segments_differ(
    effects: Sequence[float], std_errors: Sequence[float], dfs: Sequence[float] | None = None
) -> InteractionTest:
    """The test for independent segments: one effect, standard error and degrees of freedom (None: infinite) each."""
    from scipy.special import fdtrc

    b, se = np.asarray(effects, dtype=np.float64), np.asarray(std_errors, dtype=np.float64)
    nu = np.full(len(b), inf) if dfs is None else np.asarray(dfs, dtype=np.float64)
    k = _segments(len(b))
    if not (len(b) == len(se) == len(nu) and np.isfinite(b).all() and (se > 0.0).all() and (nu > 0.0).all()):
        raise InvalidNumber(name="std_errors, dfs", value=k, must_be="positive, one for each effect")
    w = 1.0 / se**2
    share = w / w.sum()
    mean = float((share * b).sum())
    a = float(((1.0 - share) ** 2 / nu).sum())
    f = float((w * (b - mean) ** 2).sum()) / (k - 1) / (1.0 + 2.0 * (k - 2) * a / (k * k - 1))
    df_error = min((k * k - 1) / (3.0 * a), 1e9) if a > 0.0 else 1e9
    return InteractionTest(f, k - 1, df_error, float(fdtrc(k - 1, df_error, f)), "welch_james")


def segments_differ_clustered(
    values: Floats,
    treated: Floats,
    block: Ints | None = None,
    *,
    redraws: Redraws | None = None,
    equal_covariances: bool = False,
) -> InteractionTest:
    """The test for segments inside units of assignment.

    ``values`` (units, segments) is each unit's value in each segment, ``treated`` (units) 0/1. The statistic has a
    covariance matrix of each arm's own where each arm has K + 1 units or more and no pairs were drawn; else, or with
    ``equal_covariances``, the pooled one. ``redraws`` of these units in this order gives the permutation p-value of the
    same statistic. Units that lack a segment must be left out before, and from the redraws too. Raises ``NotEstimable``
    where the units are too few.
    """
    from scipy.special import fdtrc

    d, t, sizes = _centred(values, treated, block, differences=True)
    p, tt = d.shape[1], float((t * t).sum())
    nu = len(d) - len(np.unique(sizes[1])) - 1
    _require(nu - p + 1, len(d), p + 1)
    effect = np.einsum("i,ip->p", t, d) / tt
    residual = d - t[:, None] * effect
    pooled = np.einsum("ip,iq->pq", residual, residual) / nu
    _require_full_rank(pooled, len(d), p + 1)
    t2 = float((effect * np.linalg.solve(pooled, effect)).sum()) * tt
    f = t2 * (nu - p + 1) / (nu * p)
    test = InteractionTest(f, p, float(nu - p + 1), float(fdtrc(p, nu - p + 1, f)), "hotelling")
    unequal = not equal_covariances and _arms_have_their_own(np.asarray(treated), sizes[0], p)
    if unequal:
        flags = np.asarray(treated, dtype=np.float64)[None, :]
        fs, errors = _unequal(d, flags, t[None, :], np.array([tt]), effect[None, :], sizes[0])
        f, df_error = float(fs[0]), float(errors[0])
        test = InteractionTest(f, p, df_error, float(fdtrc(p, df_error, f)), "hotelling_unequal")
    if redraws is None:
        return test
    p_value = _permutation_p(d, np.asarray(treated, dtype=np.float64), sizes, redraws, studentise=unequal)
    return replace(test, p_value=p_value, method="permutation_studentised" if unequal else "permutation")


def segment_effects_clustered(values: Floats, treated: Floats, block: Ints | None = None) -> SegmentEffects:
    """The effect in each segment and their covariance, from ``values`` (units, segments): what ``shrink_segments``
    needs where stores were assigned."""
    y, t, sizes = _centred(values, treated, block, differences=False)
    tt = float((t * t).sum())
    nu = len(y) - len(np.unique(sizes[1])) - 1
    _require(nu, len(y), y.shape[1])
    effect = np.einsum("i,is->s", t, y) / tt
    residual = y - t[:, None] * effect
    return SegmentEffects(effect, np.einsum("is,ir->sr", residual, residual) / nu / tt, nu)


def _centred(
    values: Floats, treated: Floats, block: Ints | None, *, differences: bool
) -> tuple[Floats, Floats, tuple[Ints, Ints]]:
    """Values (or orthonormal differences between segments) and treatment with block means taken out; block sizes and
    numbers per unit."""
    y, t = np.asarray(values, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    if y.ndim != 2 or len(y) != len(t) or not np.isfinite(y).all():
        raise InvalidNumber(name="values", value=str(y.shape), must_be="finite, one row per unit")
    k = _segments(y.shape[1])
    number = np.zeros(len(y), dtype=np.int64) if block is None else np.unique(block, return_inverse=True)[1]
    sizes = np.bincount(number)
    if differences:
        y = np.einsum("is,sp->ip", y, _helmert(k))
    t_hat = t - (np.bincount(number, weights=t) / sizes)[number]
    if float((t_hat * t_hat).sum()) <= _NEGLIGIBLE:
        raise _too_few(len(y), k)
    means = np.column_stack([np.bincount(number, weights=column) / sizes for column in y.T])
    return y - means[number], t_hat, (sizes[number], number)


def _helmert(k: int) -> Floats:
    """(k, k − 1) orthonormal columns that sum to zero."""
    columns = np.zeros((k, k - 1))
    for j in range(1, k):
        columns[:j, j - 1], columns[j, j - 1] = 1.0, -float(j)
    scaled: Floats = columns / np.sqrt((columns**2).sum(axis=0))
    return scaled


def _arms_have_their_own(treated: Floats, sizes: Ints, p: int) -> bool:
    arms = min(int((treated == 1).sum()), int((treated == 0).sum()))
    return arms >= p + 2 and int(sizes.min()) > 2


def _permutation_p(
    d: Floats, treated: Floats, sizes: tuple[Ints, Ints], redraws: Redraws, *, studentise: bool
) -> float:
    if redraws.treated.shape[1] != len(d):
        raise InvalidNumber(name="redraws", value=redraws.treated.shape[1], must_be=f"of the {len(d)} units")
    statistics = _statistics(d, redraws.treated, sizes, studentise=studentise)
    actual = float(_statistics(d, treated[None, :], sizes, studentise=studentise)[0])
    as_far = int((statistics >= actual * (1.0 - _TIE)).sum())
    n = len(statistics)
    return as_far / n if redraws.listed else (1 + as_far) / (1 + n)


def _statistics(d: Floats, draws: Floats | Flags, sizes: tuple[Ints, Ints], *, studentise: bool) -> Floats:
    """How far each draw lies from no interaction: T² with the pooled error, or what one of each arm's own says."""
    from scipy.special import fdtrc

    size, number = sizes
    blocks = (number[:, None] == np.arange(int(number.max()) + 1)).astype(np.float64)
    gram = np.einsum("ip,iq->pq", d, d)
    parts = []
    for start in range(0, len(draws), _ROWS_AT_ONCE):
        flags = np.asarray(draws[start : start + _ROWS_AT_ONCE], dtype=np.float64)
        t = flags - np.einsum("rb,ib->ri", np.einsum("ri,ib->rb", flags, blocks) / blocks.sum(axis=0), blocks)
        tt = np.einsum("ri,ri->r", t, t)
        effect = np.einsum("ri,ip->rp", t, d) / tt[:, None]
        if studentise:
            f, df_error = _unequal(d, flags, t, tt, effect, size)
            parts.append(-np.log(np.maximum(fdtrc(d.shape[1], df_error, f), 1e-300)))
            continue
        covariance = (gram - effect[:, :, None] * effect[:, None, :] * tt[:, None, None]) / tt[:, None, None]
        parts.append(np.einsum("rp,rp->r", effect, _solve(covariance, effect)))
    return np.concatenate(parts)


def _unequal(d: Floats, flags: Floats, t: Floats, tt: Floats, effect: Floats, size: Ints) -> tuple[Floats, Floats]:
    """Per draw F and its error df, from T² with a covariance matrix of each arm's own.

    ν = (p + p²) / Σ_j [tr(M_j²) + (tr M_j)²] / d_j with M_j arm j's part of the covariance (Krishnamoorthy and Yu):
    draws whose smaller arm looks steady by chance have few degrees of freedom, and count for less.
    """
    p = d.shape[1]
    residual = d - t[:, :, None] * effect[:, None, :]
    keep = 1.0 - 1.0 / size - t * t / tt[:, None]
    covariances: list[Floats] = []
    degrees: list[Floats] = []
    for arm in (flags, 1.0 - flags):
        df = (arm * keep).sum(axis=1)
        share = (arm * t * t).sum(axis=1) / tt**2 / df
        covariances.append(np.einsum("ri,rip,riq->rpq", arm * share[:, None], residual, residual))
        degrees.append(df)
    total: Floats = covariances[0] + covariances[1]
    t2: Floats = np.einsum("rp,rp->r", effect, _solve(total, effect))
    spread = np.zeros(len(t))
    for covariance, df in zip(covariances, degrees, strict=True):
        m: Floats = np.asarray(np.linalg.solve(total, covariance), dtype=np.float64)
        trace: Floats = np.einsum("rpp->r", m)
        squares: Floats = np.einsum("rpq,rqp->r", m, m)
        spread += (squares + trace * trace) / df
    nu: Floats = np.maximum((p + p * p) / spread, p)
    return t2 * (nu - p + 1.0) / (nu * p), nu - p + 1.0


def _solve(matrices: Floats, vectors: Floats) -> Floats:
    return np.asarray(np.linalg.solve(matrices, vectors[:, :, None])[:, :, 0], dtype=np.float64)


def _segments(k: int) -> int:
    if k < 2:
        raise NotEstimable(
            Message("too_few_segments", N_("{n} segments are too few to compare; two are needed"), {"n": k})
        )
    return k


def _require(df: int, n: int, k: int) -> None:
    if df < 1:
        raise _too_few(n, k)


def _require_full_rank(covariance: Floats, n: int, k: int) -> None:
    if float(np.linalg.eigvalsh(covariance)[0]) <= _NEGLIGIBLE * max(float(np.trace(covariance)), 1e-300):
        raise _too_few(n, k)


def _too_few(n: int, k: int) -> NotEstimable:
    return NotEstimable(
        Message(
            "too_few_units_for_segments",
            N_("{n} units are too few, or too alike, to compare the effects of {k} segments"),
            {"n": n, "k": k},
        )
    )
