"""Who is compared: the units of the stage's own draw, their stores, their listed customers, as the ledger has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.mechanisms import Mechanism, MechanismKind, assign_one
from experiments.measure.metrics import AssignmentUnit
from experiments.measure.windows import Window
from pilot.assignment import queries as assignment
from pilot.assignment.model import Draw
from pilot.network.model import Store

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, slots=True)
class Population:
    """The units of one draw.

    ``assignment`` maps a store or region to its variant (empty where customers are assigned). ``stores`` has store_id
    and unit, ``homes`` customer_key and unit; ``customers`` (None unless customers are assigned) has customer_key,
    variant and stratum. ``lost`` are drawn units that closed or sent no receipt in the window: they leave the
    comparison, by name.
    """

    mechanism: Mechanism
    assignment: Mapping[str, str]
    stores: pa.Table
    homes: pa.Table
    customers: pa.Table | None
    lost: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """The drawn stores or regions that have data, in the order of their codes."""
        return tuple(sorted(set(self.assignment) - set(self.lost)))

    @property
    def present_stores(self) -> pa.Table:
        """``stores`` without the lost units."""
        return self.stores.filter(pc.is_in(self.stores["unit"], pa.array(self.units, pa.string())))

    @property
    def present_homes(self) -> pa.Table:
        """``homes`` without the lost units."""
        return self.homes.filter(pc.is_in(self.homes["unit"], pa.array(self.units, pa.string())))

    def of_segment(self, keys: pa.Int64Array) -> Population:
        """The same units with only the listed customers in ``keys`` (int64 customer keys)."""
        customers = self.customers
        return replace(
            self,
            homes=self.homes.filter(pc.is_in(self.homes["customer_key"], keys)),
            customers=None if customers is None else customers.filter(pc.is_in(customers["customer_key"], keys)),
        )


@dataclass(frozen=True, slots=True)
class Activity:
    """How fresh one store's receipts are: their number in the window and the last business day that has one."""

    receipts: int
    last: date


def population_of(session: Session, draw: Draw) -> Population:
    """Read the ledger of ``draw``: the stores that its units had when they were drawn, and the home list it froze."""
    mechanism = assignment.mechanism_of(draw)
    homes = assignment.homes(session, draw)
    if assignment.unit_of(draw) is AssignmentUnit.CUSTOMER:
        nobody = pa.table({"customer_key": pa.array([], pa.int64()), "unit": pa.array([], pa.string())})
        nowhere = pa.table({"store_id": pa.array([], pa.int64()), "unit": pa.array([], pa.string())})
        drawn = assignment.assignment_of(session, draw)
        return Population(mechanism, {}, nowhere, nobody, _customers(mechanism, drawn, homes))
    stores = assignment.unit_stores(session, draw)
    unit_of = dict(zip(stores["store_id"].to_pylist(), stores["unit"].to_pylist(), strict=True))
    at_home = [(key, unit_of[store]) for key, store in _pairs(homes) if store in unit_of]
    listed = pa.table(
        {
            "customer_key": pa.array([key for key, _ in at_home], pa.int64()),
            "unit": pa.array([unit for _, unit in at_home], pa.string()),
        }
    )
    return Population(mechanism, assignment.assignment_of(session, draw), stores, listed, None)


def without_lost(
    session: Session, population: Population, activity: Mapping[int, Activity], window: Window
) -> Population:
    """The population with its lost units named: all their stores closed by the window's end or sent nothing."""
    closed = set(session.scalars(select(Store.id).where(Store.closed_on <= window.last)))
    alive = {
        row["unit"]
        for row in population.stores.to_pylist()
        if row["store_id"] in activity and row["store_id"] not in closed
    }
    return replace(population, lost=tuple(sorted(set(population.assignment) - alive)))


def activity_of(receipts: ir.Table, window: Window) -> dict[int, Activity]:
    """Receipts in the window per store id; a store without any is not in the answer."""
    inside = receipts.filter(receipts.business_date.between(window.first, window.last))
    found = inside.group_by("store_id").aggregate(n=inside.count(), last=inside.business_date.max()).to_pyarrow()
    return {row["store_id"]: Activity(row["n"], row["last"]) for row in found.to_pylist()}


def _customers(mechanism: Mechanism, variants: Mapping[str, str], homes: pa.Table) -> pa.Table:
    """Assigned customers. Under ``bernoulli_hash`` those of the frozen list; who came later has no period before."""
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        variants = {str(key): assign_one(mechanism, str(key)) for key, _ in _pairs(homes)}
    stratum = {candidate.code: candidate.stratum or "" for candidate in mechanism.candidates}
    codes = sorted(variants, key=int)
    return pa.table(
        {
            "customer_key": pa.array([int(code) for code in codes], pa.int64()),
            "variant": pa.array([variants[code] for code in codes], pa.string()),
            "stratum": pa.array([stratum.get(code, "") for code in codes], pa.string()),
        }
    )


def _pairs(homes: pa.Table) -> list[tuple[int, int]]:
    return [(row["customer_key"], row["store_id"]) for row in homes.to_pylist()]
