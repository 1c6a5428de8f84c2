"""What other rooms and pages ask of the network: its settings, regions, stores and customers."""

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, func, select
from sqlalchemy.orm import Session

from pilot.errors import NotFound
from pilot.network.errors import NetworkNotSetUp
from pilot.network.model import Customer, Network, Region, Segment, Store
from pilot.words import N_

_BITE = 50_000


def network(session: Session) -> Network:
    """The network's settings; raises ``NetworkNotSetUp``."""
    found: Network | None = session.scalar(select(Network))
    if found is None:
        raise NetworkNotSetUp
    return found


def is_set_up(session: Session) -> bool:
    return session.scalar(select(func.count()).select_from(Network)) == 1


def regions(session: Session) -> list[Region]:
    """All regions by code."""
    return list(session.scalars(select(Region).order_by(Region.code)))


def stores(session: Session) -> list[Store]:
    """All stores by id, that is by the order in which their codes came."""
    return list(session.scalars(select(Store).order_by(Store.id)))


def store_by_code(session: Session, code: str) -> Store:
    """The store with this code; raises ``NotFound``."""
    found = session.scalar(select(Store).where(Store.code == code))
    if found is None:
        raise NotFound(kind=N_("store"), name=code)
    return found


def customer_by_external_id(session: Session, external_id: str) -> Customer:
    """The customer with this id of theirs; raises ``NotFound`` (a forgotten customer is not found)."""
    found = session.scalar(select(Customer).where(Customer.external_id == external_id))
    if found is None:
        raise NotFound(kind=N_("customer"), name=external_id)
    return found


def customer_keys(session: Session, external_ids: Iterable[str] | None = None) -> dict[str, int]:
    """External id → customer_key of everybody who is not forgotten, or of those among ``external_ids``."""
    if external_ids is None:
        rows = session.execute(select(Customer.external_id, Customer.customer_key))
        return {external: key for external, key in rows if external is not None}
    wanted = sorted(set(external_ids))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _BITE):
        _, ids = listed(session, wanted[start : start + _BITE])
        query = select(Customer.external_id, Customer.customer_key).where(Customer.external_id.in_(select(ids)))
        found.update((external, key) for external, key in session.execute(query) if external is not None)
    return found


def listed(session: Session, texts: Sequence[str]) -> tuple[ColumnElement[int], ColumnElement[str]]:
    """The columns (place from 0, text) of a table that consists of one bound value.

    Where texts differ in number from one time to the next, a list in the statement makes it another statement each
    time, and a connection keeps a hundred of them with all their values.
    """
    if session.get_bind().dialect.name == "postgresql":
        several = func.unnest(bindparam(None, list(texts), ARRAY(Text)))
        found = several.table_valued("text", with_ordinality="place", name="listed").render_derived()
        return found.c.place - 1, found.c.text
    found = func.json_each(bindparam(None, json.dumps(list(texts)))).table_valued("key", "value", name="listed")
    return found.c.key, found.c.value


def n_customers(session: Session) -> int:
    """Customers who are not forgotten."""
    return session.scalar(select(func.count()).select_from(Customer).where(Customer.forgotten_at.is_(None))) or 0


def segment_by_code(session: Session, code: str) -> Segment:
    """The segment with this code; raises ``NotFound``."""
    found = session.scalar(select(Segment).where(Segment.code == code))
    if found is None:
        raise NotFound(kind=N_("segment"), name=code)
    return found


def attribute_values(session: Session, limit: int = 50) -> dict[str, list[str]]:
    """The attributes that customers have, each with its most frequent values first (at most ``limit``)."""
    counts: dict[str, dict[str, int]] = {}
    query = select(Customer.attributes).where(Customer.forgotten_at.is_(None)).execution_options(yield_per=10_000)
    for attributes in session.scalars(query):
        for name, value in attributes.items():
            seen = counts.setdefault(name, {})
            seen[value] = seen.get(value, 0) + 1
    return {
        name: sorted(seen, key=lambda value: (-seen[value], value))[:limit] for name, seen in sorted(counts.items())
    }
