"""What every peer of the report benchmark computes too: each contrast adjusted by the period before, errors by store.

From the moments of 500 stores; ``None`` as a segment stands for everybody. Customer metrics weigh customers, with
errors clustered by home store (CR1S, as statsmodels has it); store metrics are one row per store with HC2 errors.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.scale_world import CUSTOMER_METRICS, SEGMENTS, STORE_METRICS, VARIANTS
from experiments.estimate.cluster_robust import Correction
from experiments.estimate.customer_weighted import StoreMoments, customer_weighted
from experiments.measure.metrics import metric_from_code
from experiments.measure.stage import StageMoments
from experiments.measure.unit_moments import UnitMoments

Floats = npt.NDArray[np.float64]
Row = tuple[str, str | None, str]  # metric, segment, variant
Estimates = dict[Row, tuple[float, float]]  # effect and standard error


def estimates_of(found: StageMoments, assignment: Mapping[str, str]) -> Estimates:
    """Effect and error of every metric, segment and treated variant."""
    groups: dict[str | None, Mapping[str, Sequence[UnitMoments]]] = {None: found.moments, **found.segments}
    cells = [(code, segment) for segment in (None, *SEGMENTS) for code in CUSTOMER_METRICS]
    estimates: Estimates = {}
    for variant in VARIANTS[1:]:
        arms = [unit for unit, own in sorted(assignment.items()) if own in (VARIANTS[0], variant)]
        treated = np.array([float(assignment[unit] == variant) for unit in arms])
        moments = _stacked([groups[segment][code] for code, segment in cells], set(arms))
        fitted = customer_weighted(moments, treated, correction=Correction.CR1S)
        for (code, segment), effect, error in zip(cells, fitted.effect, fitted.std_error, strict=True):
            estimates[code, segment, variant] = (float(effect), float(error))
        for code in STORE_METRICS:
            estimates[code, None, variant] = _of_stores(code, found.moments[code], arms, treated)
    return estimates


def furthest(mine: Estimates, theirs: Estimates) -> float:
    """The largest difference over all rows, relative to the standard error; both must have the same rows.

    Relative to the effect itself it would say nothing where the effect is next to nothing.
    """
    assert mine.keys() == theirs.keys()
    return max(abs(a - b) / theirs[row][1] for row in mine for a, b in zip(mine[row], theirs[row], strict=True))


def _stacked(comparisons: Sequence[Sequence[UnitMoments]], arms: set[str]) -> StoreMoments:
    def of(name: str) -> Floats:
        return np.array([[float(getattr(row, name)) for row in rows if row.unit in arms] for rows in comparisons])

    return StoreMoments(
        n=of("n"), x=of("x")[:, :, None], xx=of("xx")[:, :, None, None], y=of("y"), xy=of("xy")[:, :, None]
    )


def _of_stores(code: str, rows: Sequence[UnitMoments], arms: Sequence[str], treated: Floats) -> tuple[float, float]:
    """Least squares on one row per store with HC2 errors."""
    metric, by_unit = metric_from_code(code), {row.unit: row for row in rows}
    y = np.array([metric.value(by_unit[unit]) for unit in arms])
    x = np.array([metric.baseline(by_unit[unit]) for unit in arms])
    design = np.column_stack([treated, np.ones(len(arms)), x - x.mean()])
    bread = np.linalg.inv(design.T @ design)
    b = bread @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, bread, design)
    meat = design.T @ (design * ((y - design @ b) ** 2 / (1.0 - leverage))[:, None])
    return float(b[0]), float(np.sqrt((bread @ meat @ bread)[0, 0]))
