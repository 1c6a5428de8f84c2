"""Charts of chapters: effects and shares with their intervals, one row each, as Vega-Lite specifications."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.charts import ForestRow, forest


@dataclass(frozen=True, slots=True)
class Bar:
    """A label in the reader's language, a value and the ends of its interval (None: no limit on that side)."""

    label: str
    value: float
    low: float | None
    high: float | None
    emphasised: bool = False


def bar_of(label: str, estimate: Mapping[str, Any], scale: float = 1.0, *, emphasised: bool = False) -> Bar:
    """The bar of a stored estimate; ``scale`` turns its unit into the axis' (0.01: minor units into money)."""
    low, high = (None if end is None else end * scale for end in estimate["interval"])
    return Bar(label, estimate["effect"] * scale, low, high, emphasised)


def intervals(bars: Iterable[Bar], *, title: str, axis: str) -> dict[str, Any]:
    """Values with their intervals and a line at zero, in the order given."""
    rows = [ForestRow(bar.label, bar.value, bar.low, bar.high, bar.emphasised) for bar in bars]
    return forest(rows, title=title, effect_title=axis)
