"""Who is compared: the units of the stage's own draw, their stores, their listed customers, as the ledger has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.mechanisms import Mechanism, MechanismKind, assign_one
from experiments.measure.metrics import AssignmentUnit
from experiments.measure.store_moments import Activity
from experiments.measure.windows import Window
from pilot.assignment import queries as assignment
from pilot.assignment.model import Draw
from pilot.evidence.home_list import attributes_of, frozen_homes, segments_of
from pilot.network.model import Store
from pilot.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Population:
    """The units of one draw.

    ``assignment`` maps a store or region to its variant (empty where customers are assigned). ``stores`` has store_id
    and unit, ``homes`` customer_key, unit and segment; ``customers`` (None unless customers are assigned) has
    customer_key, variant, stratum, home (the id of a store) and segment. ``lost`` are drawn units that closed or sent
    no receipt in the window: they leave the comparison, by name.
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


def population_of(session: Session, draw: Draw, plan: Plan, home: Path) -> Population:
    """Read the ledger of ``draw``: the stores that its units had when they were drawn, and the home list it froze.

    Segments are those that the plan or one of its offers names, by the sealed rules. ``home`` is the installation's
    folder.
    """
    mechanism = assignment.mechanism_of(draw)
    homes = frozen_homes(session, draw, home)
    named = named_segments(plan)
    if assignment.unit_of(draw) is AssignmentUnit.CUSTOMER:
        nobody = pa.table({"customer_key": pa.array([], pa.int64()), "unit": pa.array([], pa.string())})
        nowhere = pa.table({"store_id": pa.array([], pa.int64()), "unit": pa.array([], pa.string())})
        drawn = assignment.assignment_of(session, draw)
        customers = _with_segments(session, plan, _customers(mechanism, drawn, homes), named)
        return Population(mechanism, {}, nowhere, nobody, customers)
    stores = assignment.unit_stores(session, draw)
    at_home = _with_segments(session, plan, _at_home(homes, stores), named)
    return Population(mechanism, assignment.assignment_of(session, draw), stores, at_home, None)


def named_segments(plan: Plan) -> tuple[str, ...]:
    """The segments that the plan or one of its offers names, in the order of their codes."""
    return tuple(sorted({*plan.segments, *(offer.segment for offer in plan.offers if offer.segment)}))


def without_lost(
    session: Session, population: Population, activity: Mapping[int, Activity], window: Window
) -> Population:
    """The population with its lost units named: all their stores closed by the window's end or sent nothing.

    A store that is said to have closed and sells on has not: nobody leaves out a store by a word written afterwards.
    """
    closings = select(Store.id, Store.closed_on).where(Store.closed_on <= window.last)
    closed = {
        store for store, day in session.execute(closings) if day and store in activity and activity[store].last <= day
    }
    alive = {
        row["unit"]
        for row in population.stores.to_pylist()
        if row["store_id"] in activity and row["store_id"] not in closed
    }
    return replace(population, lost=tuple(sorted(set(population.assignment) - alive)))


def _customers(mechanism: Mechanism, variants: Mapping[str, str], homes: pa.Table) -> pa.Table:
    """Assigned customers. Under ``bernoulli_hash`` those of the frozen list; who came later has no period before."""
    if mechanism.kind is MechanismKind.BERNOULLI_HASH:
        variants = {str(key): assign_one(mechanism, str(key)) for key, _ in _pairs(homes)}
    stratum = {candidate.code: candidate.stratum or "" for candidate in mechanism.candidates}
    home = dict(_pairs(homes))
    codes = sorted(variants, key=int)
    return pa.table(
        {
            "customer_key": pa.array([int(code) for code in codes], pa.int64()),
            "variant": pa.array([variants[code] for code in codes], pa.string()),
            "stratum": pa.array([stratum.get(code, "") for code in codes], pa.string()),
            "home": pa.array([home.get(int(code)) for code in codes], pa.int64()),
        }
    )


def _pairs(homes: pa.Table) -> list[tuple[int, int]]:
    keys, stores = homes["customer_key"].to_numpy(), homes["store_id"].to_numpy()
    return list(zip(keys.tolist(), stores.tolist(), strict=True))


def _at_home(homes: pa.Table, stores: pa.Table) -> pa.Table:
    """(customer_key, unit) of the customers whose home store belongs to a drawn unit."""
    units: Any = stores["unit"].combine_chunks().dictionary_encode()
    place: Any = pc.index_in(homes["store_id"].combine_chunks(), stores["store_id"].combine_chunks())
    codes = units.indices.take(place)
    listed = pa.table(
        {
            "customer_key": homes["customer_key"].combine_chunks(),
            "unit": pa.DictionaryArray.from_arrays(codes, units.dictionary),
        }
    )
    return listed.filter(codes.is_valid())


def _with_segments(session: Session, plan: Plan, listed: pa.Table, named: tuple[str, ...]) -> pa.Table:
    if not named:
        return listed
    keys = listed["customer_key"].to_numpy()
    return listed.append_column("segment", segments_of(attributes_of(session), plan, keys, named))
