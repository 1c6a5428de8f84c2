"""From the rows of ``visit_sums`` to what the account and the map are made of: sums by unit, and by home and visit."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from experiments.errors import NotEstimable
from experiments.look.account import Crossed, UnitSales
from experiments.look.crossing import HomeSales
from experiments.measure.visits import WINDOW
from experiments.messages import N_, Message

if TYPE_CHECKING:
    from pilot.evidence.chapters.inputs import ChapterInputs

Cells = dict[tuple[str, str], int]


def require_units(inputs: ChapterInputs) -> None:
    """``NotEstimable`` where customers were drawn: then a store's sales belong to no variant."""
    if inputs.population.customers is not None:
        text = N_("customers were drawn one by one: what a store sells belongs to no variant")
        raise NotEstimable(Message("stores_have_no_variant", text, {}))


def unit_sales(inputs: ChapterInputs) -> tuple[UnitSales, ...]:
    """The compared units' sales to listed customers and to everybody else."""
    rows, days = inputs.visits.to_pylist(), store_days(inputs)
    listed, outside, before = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        if row["period"] == WINDOW:
            (outside if row["home"] is None else listed)[row["at"]] += row["net_minor"]
        else:
            before[row["at"]] += row["net_minor"]
    return tuple(
        UnitSales(unit, *days[unit], listed[unit], outside[unit], before[unit]) for unit in inputs.population.units
    )


def crossed(inputs: ChapterInputs) -> Crossed:
    """What listed customers of the compared units bought in which of them."""
    units, window, before = set(inputs.population.units), Cells(), Cells()
    for row in inputs.visits.to_pylist():
        if row["home"] in units and row["at"] in units:
            (window if row["period"] == WINDOW else before)[row["home"], row["at"]] = row["net_minor"]
    return Crossed(window, before, store_days(inputs))


def home_sales(inputs: ChapterInputs) -> tuple[HomeSales, ...]:
    """What the customers at home in each compared unit bought anywhere."""
    window, before, days = Counter[str](), Counter[str](), store_days(inputs)
    for row in inputs.visits.to_pylist():
        (window if row["period"] == WINDOW else before)[row["home"]] += row["net_minor"]
    return tuple(HomeSales(unit, *days[unit], window[unit], before[unit]) for unit in inputs.population.units)


def store_days(inputs: ChapterInputs) -> dict[str, tuple[int, int]]:
    """Each unit's stores times the days of the window, and of the period before."""
    sizes: Any = Counter(inputs.population.stores.column("unit").to_pylist())
    return {str(unit): (n * inputs.window.days, n * inputs.before.days) for unit, n in sizes.items()}
