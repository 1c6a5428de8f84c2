"""Everybody at once, as bundles need them: salted hashes of ids, and for each the kind of customer they are.

Two customers of one kind get the same answer in every store on every day, so a bundle asks about one of each kind.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.assignment.people import Person, drawn_of
from pilot.assignment.snapshot import Snapshot
from pilot.assignment.till import place_by_hash
from pilot.network.model import Customer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HASH_BYTES = 8
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Crowd:
    """``hashes`` (big-endian, ascending) and beside each the index of its kind in ``kinds``, one customer of each."""

    hashes: npt.NDArray[np.uint64]
    kind_of: npt.NDArray[np.int32]
    kinds: tuple[Person, ...]


def hash_of(salt: bytes, external_id: str) -> bytes:
    """What a bundle holds of an id: the first eight bytes of SHA-256 over the salt and the id in UTF-8."""
    return sha256(salt + external_id.encode()).digest()[:HASH_BYTES]


def read_crowd(session: Session, snapshot: Snapshot, salt: bytes) -> Crowd:
    """Everybody who is known and not forgotten."""
    import numpy as np

    kind_by_traits: dict[Hashable, int] = {}
    kinds: list[Person] = []
    hashes, kind_of = bytearray(), []
    traits = _traits(snapshot)
    for external_id, person in _everybody(session, snapshot):
        index = kind_by_traits.setdefault(traits(person), len(kinds))
        if index == len(kinds):
            kinds.append(person)
        hashes += hash_of(salt, external_id)
        kind_of.append(index)
    found = np.frombuffer(bytes(hashes), dtype=">u8").astype(np.uint64)
    order = np.argsort(found, kind="stable")
    return Crowd(found[order], np.array(kind_of, dtype=np.int32)[order], tuple(kinds))


def _traits(snapshot: Snapshot) -> Callable[[Person], Hashable]:
    """What of a customer can matter to any till of ``snapshot``."""
    plans = (*(case.plan for case in snapshot.cases), *(plan for _, plan in snapshot.rolled_out))
    segmented = list({repr(plan.segment_rules): plan for plan in plans if plan.segment_rules}.values())
    places = [place_by_hash(case.drawn.mechanism) for case in snapshot.cases if case.drawn.mechanism is not None]

    def traits(person: Person) -> Hashable:
        return (
            tuple(person.homes.items()),
            tuple(person.variants.items()),
            tuple([place(person.key) for place in places]),
            tuple([plan.segment_for(person.attributes) for plan in segmented]),
        )

    return traits


def _everybody(session: Session, snapshot: Snapshot) -> Iterator[tuple[str, Person]]:
    last = 0
    query = select(Customer.customer_key, Customer.external_id, Customer.attributes).order_by(Customer.customer_key)
    while rows := session.execute(query.where(Customer.customer_key > last).limit(_CHUNK)).all():
        last = rows[-1][0]
        homes, variants = drawn_of(session, snapshot, [key for key, _, _ in rows])
        for key, external_id, attributes in rows:
            if external_id is not None:
                yield external_id, Person(key, attributes, homes.get(key, {}), variants.get(key, {}))
