"""The groups of the chapter "where does it work?": which units, or which customers of all units, each of them holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select

from experiments.design.mechanisms import MechanismKind
from experiments.look.unit_effects import Ratio
from experiments.measure.metrics import AssignmentUnit
from experiments.measure.visits import BEFORE
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.home_list import segments_of
from pilot.network.model import Region, Store

if TYPE_CHECKING:
    from experiments.measure.listed_sums import ListedSums

REST = ""  # everybody whom no group of the family holds
SMALL, LARGE = "small", "large"


class Family(StrEnum):
    """By what groups are told apart; the first part of a subgroup's code in a plan."""

    SEGMENT = "segment"
    REGION = "region"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Split:
    """How one family divides the units: ``group_of`` a unit. ``declared`` are the groups that the plan named."""

    family: Family
    group_of: Mapping[str, str]
    declared: tuple[str, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that have a unit, in the order of their codes; the rest comes last."""
        return in_order(set(self.group_of.values()))

    def compared(self) -> Split:
        """What the interaction test compares: the declared groups and all others as one; without any, every group."""
        if not self.declared:
            return self
        merged = {unit: group if group in self.declared else REST for unit, group in self.group_of.items()}
        return Split(self.family, merged, self.declared)


def declared(inputs: ChapterInputs, family: Family) -> tuple[str, ...]:
    """The groups of ``family`` among the plan's subgroups."""
    parts = [code.partition(":") for code in inputs.plan.subgroups]
    return tuple(code for kind, _, code in parts if kind == family)


def splits_of_units(inputs: ChapterInputs) -> tuple[Split, ...]:
    """Regions (where stores were drawn) and sizes."""
    found = [Split(Family.SIZE, _sizes(inputs), declared(inputs, Family.SIZE))]
    if inputs.plan.unit is AssignmentUnit.STORE:
        found.insert(0, Split(Family.REGION, _regions(inputs), declared(inputs, Family.REGION)))
    return tuple(found)


def in_order(groups: set[str]) -> tuple[str, ...]:
    """By code, with the rest last."""
    return tuple(sorted(groups, key=lambda group: (group == REST, group)))


def _regions(inputs: ChapterInputs) -> dict[str, str]:
    query = select(Store.id, Region.code).join(Region, Store.region_id == Region.id)
    region_of = dict(inputs.session.execute(query).all())
    units = set(inputs.population.units)
    return {
        str(row["unit"]): region_of.get(row["store_id"], REST)
        for row in inputs.population.stores.to_pylist()
        if row["unit"] in units
    }


def _sizes(inputs: ChapterInputs) -> dict[str, str]:
    """The smaller and the larger half of the units by sales before the start; the two of a pair stay together."""
    before = dict.fromkeys(inputs.population.units, 0)
    for row in inputs.visits.to_pylist():
        if row["period"] == BEFORE and row["at"] in before:
            before[row["at"]] += row["net_minor"]
    if inputs.population.mechanism.kind is MechanismKind.MATCHED_PAIRS:
        for block in inputs.population.mechanism.blocks:
            together = [unit for unit in block if unit in before]
            total = sum(before[unit] for unit in together)
            before |= {unit: 2 * total // len(together) for unit in together}
    blocks = {unit: number for number, block in enumerate(inputs.population.mechanism.blocks) for unit in block}
    paired = inputs.population.mechanism.kind is MechanismKind.MATCHED_PAIRS
    order = sorted(before, key=lambda unit: (before[unit], blocks[unit] if paired else 0, unit))
    half = len(order) // 2
    half -= half % 2 if paired else 0
    return {unit: SMALL if place < half else LARGE for place, unit in enumerate(order)}


@dataclass(frozen=True, eq=False)
class SegmentSums:
    """Sales of the listed customers of each unit and segment; ``REST`` are those who are in none."""

    sums: ListedSums
    segments: tuple[str, ...]
    declared: tuple[str, ...]

    def listed(self, units: Sequence[str], group: str) -> int:
        """The customers of a segment at home in these units."""
        return sum(self.sums.listed(unit, group) for unit in units)

    def ratios(self, units: Sequence[str], members: Sequence[str]) -> list[Ratio]:
        """Net sales per listed customer of these segments together in each unit, in the window and before."""
        return [
            Ratio(
                unit,
                sum(self.sums.amount("net_minor", unit, one) for one in members),
                sum(self.sums.listed(unit, one) for one in members),
                sum(self.sums.before("net_minor", unit, one) for one in members),
                sum(self.sums.listed(unit, one) for one in members),
            )
            for unit in units
        ]


def segment_sums(inputs: ChapterInputs) -> SegmentSums | None:
    """By the plan's sealed rules; None where there are none or nobody is listed."""
    import pyarrow as pa

    from experiments.measure.listed_sums import listed_sums

    codes = tuple(segment.code for segment in inputs.plan.segment_rules)
    homes = inputs.population.homes
    if not codes or not homes.num_rows:
        return None
    found = segments_of(inputs.attributes, inputs.plan, homes["customer_key"].to_numpy(), codes)
    group = pa.array([code or REST for code in found.to_pylist()], pa.string())
    listed = homes.select(["customer_key", "unit"]).append_column("group", group)
    sums = listed_sums(inputs.receipts, homes=listed, window=inputs.window, before=inputs.before)
    held = {cell[1] or REST for cell, n in zip(sums.cells, sums.customers.tolist(), strict=True) if n}
    return SegmentSums(sums, in_order(held), declared(inputs, Family.SEGMENT))
