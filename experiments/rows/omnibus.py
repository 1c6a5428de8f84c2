"""The omnibus test of a metric with several variants: the F test of all variants on unit values, given the blocks."""

from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.frame import Floats, Frame, Ints
from experiments.messages import N_, Message
from experiments.plan import Kind, MetricSpec, Plan
from experiments.rows.choice import is_panel
from experiments.rows.contrast import unit_values


@dataclass(frozen=True, slots=True)
class Omnibus:
    """``statistic`` is F with ``df`` (between, within) degrees of freedom; without them there is a ``refusal``."""

    metric: str
    statistic: float | None
    df: tuple[int, int] | None
    p_value: float | None
    method: str
    refusal: Message | None = None


def omnibus(frame: Frame, plan: Plan, metric: MetricSpec) -> Omnibus | None:
    """F of the variants on one value per unit, each unit once, given the blocks; None with two variants.

    Assumes equal variances. Panels and durations are refused: their rows hold no single value per unit.
    """
    if len(frame.variants) < 3:
        return None
    method = "f_given_blocks" if frame.has_blocks else "f"
    try:
        if is_panel(plan) or metric.kind is Kind.DURATION:
            raise NotEstimable(
                Message("no_omnibus", N_("{metric}: no single value per unit; read the rows"), {"metric": metric.name})
            )
        values = unit_values(frame, metric)
        kept = np.isfinite(values)
        statistic, df, p = _f(values[kept], frame.variant_of[kept], frame.block_of[kept])
    except NotEstimable as refused:
        return Omnibus(metric.name, None, None, None, method, refused.message)
    return Omnibus(metric.name, statistic, df, p, method)


def _f(y: Floats, variant: Ints, block: Ints) -> tuple[float, tuple[int, int], float]:
    from scipy.special import fdtrc

    variant = np.unique(variant, return_inverse=True)[1].astype(np.int64)
    block = np.unique(block, return_inverse=True)[1].astype(np.int64)
    counts = np.bincount(block)

    def within(values: Floats) -> Floats:
        return np.asarray(values - (np.bincount(block, weights=values) / counts)[block])

    y = within(y)
    total = float((y * y).sum())
    explained, rank = _explained(y, [within((variant == code) * 1.0) for code in range(1, int(variant.max()) + 1)])
    df = (rank, len(y) - len(counts) - rank)
    residual = total - explained
    if rank < 1 or df[1] < 1 or residual <= 1e-12 * max(total, 1e-300):
        raise NotEstimable(Message("no_variation", N_("too few units, or none that differ, for an F test"), {}))
    statistic = (explained / rank) / (residual / df[1])
    return statistic, df, float(fdtrc(rank, df[1], statistic))


def _explained(y: Floats, columns: list[Floats]) -> tuple[float, int]:
    """The sum of squares of y that ``columns`` explain, and how many of them are independent (Gram and Schmidt)."""
    basis: list[Floats] = []
    for column in columns:
        rest = column
        for _ in range(2):
            for known in basis:
                rest = rest - float((known * rest).sum()) * known
        size = float((rest * rest).sum())
        if size > 1e-9 * max(float((column * column).sum()), 1e-300):
            basis.append(rest / np.sqrt(size))
    return sum(float((known * y).sum()) ** 2 for known in basis), len(basis)
