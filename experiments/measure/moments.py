"""Moments of one metric, straight from receipts; a whole stage is read in one pass by ``stage`` and ``stage_arms``.

``receipts`` is any Ibis table with the columns ``store_id, kind, business_date, customer_key, net_minor``; what each
kind of receipt counts as is said in ``facts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from experiments.measure.days import DayFacts
from experiments.measure.metrics import Metric
from experiments.measure.series import Weekly, WeekPoint
from experiments.measure.stage import Asked, stage_moments
from experiments.measure.stage_arms import AskedOfArms, stage_arms
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.measure.windows import Window, Windows

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


def unit_moments(
    receipts: ir.Table,
    metric: Metric,
    windows: Windows,
    *,
    units: Sequence[str],
    stores: pa.Table,
    homes: pa.Table | None = None,
) -> tuple[UnitMoments, ...]:
    """Moments of ``metric`` per unit of a store or region draw, one for each of ``units``, in their sorted order: see
    ``stage_moments``."""
    asked = Asked([(metric, windows)])
    facts = DayFacts.of_receipts(receipts)
    return stage_moments(facts, asked, units=units, stores=stores, homes=homes).moments[metric.code]


def arm_moments(
    receipts: ir.Table,
    metric: Metric,
    *,
    customers: pa.Table,
    window: Window,
    before: Window | None,
    data_through: date,
) -> tuple[ArmMoments, ...]:
    """Moments of ``metric`` per variant and stratum of a customer draw, sorted by both: see ``stage_arms``.

    Raises ``NotEstimable`` when nobody's window is observed.
    """
    asked = AskedOfArms((metric,), window, before, data_through)
    found = stage_arms(DayFacts.of_receipts(receipts), asked, customers=customers)
    for refused in found.refusals.values():
        raise refused
    return found.moments[metric.code]


def weekly_series(
    receipts: ir.Table,
    metric: Metric,
    weeks: Sequence[Window],
    *,
    assignment: Mapping[str, str],
    stores: pa.Table,
    homes: pa.Table | None = None,
) -> tuple[WeekPoint, ...]:
    """The mean over units of ``metric`` in each of ``weeks`` (``weeks_around``), per variant, in order.

    A unit whose denominator is zero in a week is left out of that week's mean. Raises ``NotEstimable`` for a metric
    with days of its own, which has no weekly value, and for a customer metric without ``homes``.
    """
    asked = Asked((), weekly=Weekly(metric, tuple(weeks)))
    facts = DayFacts.of_receipts(receipts)
    units = sorted(assignment)
    return stage_moments(facts, asked, units=units, stores=stores, homes=homes, assignment=assignment).weekly
