"""Rates with their Monte-Carlo error: draws of one world share its data, so the error comes from the worlds."""

import math
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """A mean over draws with its Monte-Carlo standard error (between worlds) and the number of draws."""

    mean: float
    error: float
    n: int

    def within(self, low: float, high: float) -> bool:
        """Whether the rate lies in the range, two Monte-Carlo errors allowed (between worlds, or at the limit)."""
        return low - 2 * self._error_at(low) <= self.mean <= high + 2 * self._error_at(high)

    def _error_at(self, limit: float) -> float:
        # A few draws may agree by chance and show no error at all; a rate that stood at the limit would have this one.
        return max(self.error, math.sqrt(limit * (1 - limit) / self.n))

    def percent(self) -> str:
        return f"{100 * self.mean:.1f} ± {100 * self.error:.1f} %"


@dataclass(slots=True)
class Tally:
    """Values of named quantities, one per draw, kept by world."""

    values: dict[str, dict[int, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def add(self, name: str, world: int, value: float) -> None:
        self.values[name][world].append(float(value))

    def rate(self, name: str) -> Rate:
        """The mean of ``name`` over all draws; one world alone has the error of independent draws."""
        by_world = self.values[name]
        everything = [value for values in by_world.values() for value in values]
        n = len(everything)
        mean = math.fsum(everything) / n
        if len(by_world) == 1:
            return Rate(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in everything)) / n, n)
        # Residual sums per world (worlds may have unequal numbers of draws), as for the mean of a cluster sample.
        k = len(by_world)
        squares = math.fsum((math.fsum(values) - mean * len(values)) ** 2 for values in by_world.values())
        return Rate(mean, math.sqrt(squares * k / (k - 1)) / n, n)
