"""The cross-shopping map: customers and sales by home and visited arm, the largest crossings, the dilution bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from experiments.design.mechanisms import CONTROL
from experiments.errors import NotEstimable
from experiments.look.account import Crossed
from experiments.look.crossing import HomeSales, contamination_by_home, dilution
from experiments.measure.visits import BEFORE, WINDOW, visitors
from experiments.monitor.contamination import WARNING, Contamination
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.store_sales import crossed, home_sales, require_units
from pilot.evidence.chapters.swiped import identification_of
from pilot.planning.metrics import in_our_words

FEWEST = 5  # customers: a cell with fewer is not stored, shown or exported
ELSEWHERE = ""  # stores of no drawn unit
_FLOWS = 20
_MOST_UNITS = 30  # of a drawing that can be read


def compute(inputs: ChapterInputs) -> dict[str, Any]:
    """``cells`` by home and visited variant, ``grid`` store by store, ``flows`` from unit to unit across arms, and by
    variant the shares c and e and the bound."""
    require_units(inputs)
    cells, homes = crossed(inputs), home_sales(inputs)
    return {
        "cells": _cells(inputs),
        "grid": _grid(inputs),
        "flows": _flows(inputs),
        "threshold": WARNING,
        "fewest": FEWEST,
        "gate_confidence": inputs.analysis.look.gate_confidence,
        "variants": {variant: _variant_or_reason(inputs, cells, homes, variant) for variant in inputs.plan.treated},
    }


def _cells(inputs: ChapterInputs) -> list[dict[str, Any]]:
    """Money adds up over units; customers count once in each cell, so they are counted by variant."""
    assignment = {unit: inputs.population.assignment[unit] for unit in inputs.population.units}
    customers = visitors(
        inputs.receipts,
        homes=_renamed(inputs.population.homes, assignment),
        stores=_renamed(inputs.population.stores, assignment),
        window=inputs.window,
        before=inputs.before,
    )
    money, sales = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for row in inputs.visits.to_pylist():
        if row["home"] in assignment:
            cell = assignment[row["home"]], assignment.get(row["at"], ELSEWHERE), row["period"]
            money[cell] += row["net_minor"]
            sales[cell] += row["sales"]
    variants = [variant.code for variant in inputs.plan.variants]
    return [
        {"home": home, "at": at, "period": period}
        | _shown(customers.get((home, at or None, period), 0), money[home, at, period], sales[home, at, period])
        for period in (WINDOW, BEFORE)
        for home in variants
        for at in (*variants, ELSEWHERE)
    ]


def _grid(inputs: ChapterInputs) -> dict[str, Any]:
    """Store by store in the window: the units with most crossing, by arm, and what each one's customers bought where.

    ``share`` is of all that the home's customers bought; cells of few customers are left out."""
    assignment, units = inputs.population.assignment, set(inputs.population.units)
    rows = [row for row in inputs.visits.to_pylist() if row["period"] == WINDOW and row["home"] in units]
    total, crossing = Counter[str](), Counter[str](dict.fromkeys(units, 0))
    for row in rows:
        total[row["home"]] += row["net_minor"]
        if row["at"] in units and row["at"] != row["home"]:
            crossing[row["home"]] += row["net_minor"]
            crossing[row["at"]] += row["net_minor"]
    chosen = sorted(sorted(units), key=lambda unit: -crossing[unit])[:_MOST_UNITS]
    chosen.sort(key=lambda unit: (assignment[unit] != CONTROL, assignment[unit], unit))
    cells = [
        {name: row[name] for name in ("home", "at", "customers", "net_minor")}
        | {"share": row["net_minor"] / total[row["home"]]}
        for row in rows
        if {row["home"], row["at"]} <= set(chosen) and row["customers"] >= FEWEST and total[row["home"]] > 0
    ]
    return {"units": [{"unit": unit, "variant": assignment[unit]} for unit in chosen], "cells": cells,
            "n_units": len(units)}  # fmt: skip


def _flows(inputs: ChapterInputs) -> list[dict[str, Any]]:
    """The largest crossings from one arm to another in the window, with the share of all that the home's customers
    bought."""
    assignment, total = inputs.population.assignment, dict[str, int]()
    units, rows = set(inputs.population.units), [row for row in inputs.visits.to_pylist() if row["period"] == WINDOW]
    for row in rows:
        total[row["home"]] = total.get(row["home"], 0) + row["net_minor"]
    crossing = [
        {name: row[name] for name in ("home", "at", "customers", "net_minor")}
        | {"share": row["net_minor"] / total[row["home"]]}
        for row in rows
        if {row["home"], row["at"]} <= units
        and assignment[row["home"]] != assignment[row["at"]]
        and row["customers"] >= FEWEST
        and total[row["home"]] > 0
    ]
    crossing.sort(key=lambda row: (-row["net_minor"], row["home"], row["at"]))
    return crossing[:_FLOWS]


def _variant_or_reason(
    inputs: ChapterInputs, cells: Crossed, homes: Sequence[HomeSales], variant: str
) -> dict[str, Any]:
    plan = inputs.look_plan
    try:
        before, window = (contamination_by_home(plan, cells, homes, variant, before=early) for early in (True, False))
    except NotEstimable as refused:
        return {"refusal": in_our_words(refused.message).to_dict()}
    rate = identification_of(inputs, variant)
    shares = {
        "before": _shares(before),
        "window": _shares(window),
        "too_much": before.control_share > WARNING,
        "identification_moved": rate is None or rate["moved"],
    }
    try:
        found = dilution(plan, homes, before, variant, gate_confidence=inputs.analysis.look.gate_confidence)
    except NotEstimable as refused:
        return shares | {"bound": {"refusal": in_our_words(refused.message).to_dict()}}
    bound = {
        "effect": found.estimate.effect,
        "interval": list(found.estimate.interval),
        "p_value": found.estimate.p_value,
        "undiluted": found.undiluted,
        "undiluted_interval": list(found.interval),
        "undiluted_gate": list(found.undiluted_gate),
        "n_units": found.estimate.n_units,
    }
    return shares | {"bound": bound}


def _shares(found: Contamination) -> dict[str, float]:
    return asdict(found) | {"dilution": found.dilution}


def _shown(customers: int, net_minor: int, sales: int) -> dict[str, Any]:
    """What may be known of a cell: of under five customers, that there are some."""
    if 0 < customers < FEWEST:
        return {"suppressed": True, "customers": None, "net_minor": None, "sales": None}
    return {"suppressed": False, "customers": customers, "net_minor": net_minor, "sales": sales}


def _renamed(table: pa.Table, assignment: Mapping[str, str]) -> pa.Table:
    """The rows of compared units, with the unit's variant in its place."""
    column: Any = table.column("unit").combine_chunks()
    units = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    arms = pa.array([assignment.get(str(unit)) for unit in units.dictionary.to_pylist()], pa.string())
    renamed: Any = arms.take(units.indices)
    return table.select([table.column_names[0]]).append_column("unit", renamed).filter(renamed.is_valid())
