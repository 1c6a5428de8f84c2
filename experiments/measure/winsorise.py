"""Winsorising: values above one threshold, the same for every variant and fixed before the start, are set to it.

The threshold is the smallest value that at least the share q of all rows (by weight) do not exceed, taken over all
variants together: a threshold by variant would let the treatment choose it. The estimand changes: it is the effect on
the mean of min(value, threshold), smaller than the effect on the mean where the largest values react.
Reference: Wilcox (2012), Introduction to Robust Estimation and Hypothesis Testing.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True, eq=False)
class Winsorised:
    """``values`` (n) at most ``threshold``; ``n_capped`` rows, the share ``share_capped``, were above it."""

    values: Floats
    quantile: float
    threshold: float
    n_capped: int

    @property
    def share_capped(self) -> float:
        """The share of rows that were above the threshold."""
        return self.n_capped / len(self.values)

    @property
    def assumption(self) -> Message:
        """What a report must say beside an effect on winsorised values."""
        return Message(
            "winsorised",
            N_(
                "values above {threshold:g} (the pooled quantile {quantile:g}, fixed in the plan) count as "
                "{threshold:g}, in {n} rows: the effect is on the mean of the capped values, not on the mean"
            ),
            {"threshold": self.threshold, "quantile": self.quantile, "n": self.n_capped},
        )


def winsorise(values: Floats, *, quantile: float, weight: Floats | None = None) -> Winsorised:
    """``values`` (n) of all variants together, capped at their pooled ``quantile`` (above .5, below 1).

    Raises ``InvalidNumber`` for another quantile, or for no or missing values.
    """
    if not 0.5 < quantile < 1.0:
        raise InvalidNumber(name="winsorise", value=quantile, must_be="above 0.5 and below 1")
    if not len(values) or not np.isfinite(values).all():
        raise InvalidNumber(name="values", value=str(values), must_be="finite numbers, at least one")
    order = np.argsort(values, kind="stable")
    mass = np.ones(len(values)) if weight is None else weight
    reached = np.cumsum(mass[order])
    place = int(np.searchsorted(reached, quantile * reached[-1] * (1.0 - 1e-12), side="left"))
    threshold = float(values[order[place]])
    return Winsorised(np.minimum(values, threshold), quantile, threshold, int(np.count_nonzero(values > threshold)))
