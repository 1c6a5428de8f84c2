"""The network's past as a matrix: every store, every period, no gaps, nobody treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.messages import N_, Message

if TYPE_CHECKING:
    from experiments.estimate.unit_table import Floats


@dataclass(frozen=True, slots=True, eq=False)
class NetworkHistory:
    """Past values of every store: ``values`` (stores × periods), no gaps, nobody treated. ``strata`` may be empty."""

    stores: tuple[str, ...]
    values: Floats
    strata: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.shape[:1] != (len(self.stores),) or self.values.ndim != 2 or not np.isfinite(self.values).all():
            raise InvalidNumber(name="values", value=str(self.values.shape), must_be="stores × periods, all finite")
        if self.strata and len(self.strata) != len(self.stores):
            raise InvalidNumber(name="strata", value=str(len(self.strata)), must_be="one for each store, or none")


def network_history(
    data: Any, *, unit: str, period: str, value: str, stratum: str | None = None
) -> tuple[NetworkHistory, tuple[str, ...]]:
    """The history in a table of rows (pandas, polars, Arrow, Ibis or columns) and the stores left out for gaps.

    Values of several rows of a store and period are added. Raises ``NotEstimable`` where no store has every period.
    """
    from experiments import arrow_columns as columns

    table = columns.to_arrow(data)
    units = columns.labels(table, unit)
    time = columns.periods(table, period)
    amount = columns.numbers(table, value)
    shape = (len(units.names), len(time.names))
    cell = units.codes * shape[1] + time.of_row
    rows = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    sums = np.bincount(cell, weights=amount, minlength=shape[0] * shape[1]).reshape(shape)
    whole = (rows > 0).all(axis=1) & np.isfinite(sums).all(axis=1)
    if not whole.any():
        raise NotEstimable(Message("no_store_without_gaps", N_("no store has a value in every period"), {}))
    strata: tuple[str, ...] = ()
    if stratum is not None:
        labels = columns.labels(table, stratum)
        first = np.array([int(np.flatnonzero(units.codes == u)[0]) for u in range(shape[0])])
        strata = tuple(labels.names[labels.codes[first[u]]] for u in np.flatnonzero(whole))
    kept = tuple(units.names[u] for u in np.flatnonzero(whole))
    gone = tuple(units.names[u] for u in np.flatnonzero(~whole))
    return NetworkHistory(kept, sums[whole].astype(np.float64), strata), gone
