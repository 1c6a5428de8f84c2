"""The truth of a metric: the mean over the drawn stores of the difference between the two complete worlds.

Measured by the product's own definitions (``experiments.measure``), on identified receipts only where it is a customer
metric: what a perfect analysis of this pilot would find, and nothing that the pilot could not see.
"""

import math
from collections.abc import Collection, Mapping

import pyarrow as pa

from experiments.measure.metrics import Metric
from experiments.measure.moments import unit_moments
from experiments.measure.unit_moments import UnitMoments
from experiments.measure.windows import Window, windows_for
from pilot.demo.households import FIRST_WEEK, LAST_WEEK, LAST_WEEK_BEFORE, week_end, week_start
from pilot.demo.stores import Before
from pilot.demo.worlds import store_code

PILOT = Window(week_start(FIRST_WEEK), week_end(LAST_WEEK))
EARLIER = Window(week_start(2), week_end(LAST_WEEK_BEFORE))

Moments = Mapping[str, UnitMoments]


def world_moments(
    before: Before, receipts: pa.Table, metric: Metric, *, window: Window = PILOT
) -> dict[str, UnitMoments]:
    """Unit code → moments of ``metric`` in one world, for all stores that can take part; covariate: weeks 2–26."""
    import ibis

    windows = windows_for(metric, window=window, before=EARLIER, data_through=window.last)
    units = [store_code(store) for store in before.eligible]
    stores = pa.table({"store_id": pa.array(before.eligible, pa.int64()), "unit": pa.array(units, pa.string())})
    listed = before.listed()
    homes = pa.table(
        {
            "customer_key": pa.array(list(listed), pa.int64()),
            "unit": pa.array([store_code(home) for home in listed.values()], pa.string()),
        }
    )
    moments = unit_moments(ibis.memtable(receipts), metric, windows, units=units, stores=stores, homes=homes)
    return {m.unit: m for m in moments}


def truth(metric: Metric, *, treated: Moments, untreated: Moments, drawn: Collection[str]) -> float:
    """The mean over ``drawn`` stores of (everybody treated − nobody treated), in the metric's unit."""
    differences = [metric.value(treated[unit]) - metric.value(untreated[unit]) for unit in sorted(drawn)]
    return math.fsum(differences) / len(differences)
