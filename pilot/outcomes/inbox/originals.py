"""The real receipts behind hits of the key window: in payloads that wait, then in the lake. Only they say "known"."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.engine import Connection

from pilot.imports.arrow import column, pc
from pilot.outcomes.inbox.key_window import WINDOW_DAYS
from pilot.outcomes.inbox.model import InboxPayload
from pilot.outcomes.inbox.payload import unpack
from pilot.outcomes.lake import MONTH, Lake
from pilot.outcomes.receipt_rows import CORRECTION, IDENTIFICATION
from pilot.outcomes.receipt_store import FIELD_OF
from pilot.words import N_, Message

Row = Mapping[str, Any]
CustomerKeys = Callable[[Sequence[str]], Mapping[str, int]]

_AMOUNTS = ("net_minor", "vat_minor", "discount_minor", "cost_minor", "reward_minor", "n_items")
_CONTENT = ("store_id", "till", "number", "kind", "refers_to", "at", "business_date", *_AMOUNTS, "offer_id")
# What refers to another receipt takes the rest from it when it goes into the lake.
_OWN_CONTENT = {
    CORRECTION: ("kind", "refers_to", "at", *_AMOUNTS, "offer_id"),
    IDENTIFICATION: ("kind", "refers_to", "customer"),
}
_UNKNOWN_KEY = -1

KNOWN = Message("known", N_("This receipt arrived before."))
_KNOWN_AS = N_("This receipt arrived before as “{other}”: same store, till, number, business date and content.")
_OTHER_CONTENT = N_("A receipt with this id arrived before with another {columns}.")
_OTHER_ID = N_(
    "Receipt “{other}” arrived before for the same store, till, number and business date with another {columns}."
)


@dataclass(frozen=True, slots=True)
class Original:
    """What a suspected receipt turned out to be: the same as one that arrived before, or in conflict with it."""

    is_known: bool
    reason: Message


def natural_key(row: Row) -> tuple[Any, ...] | None:
    """(store, till, number, business date); None for a receipt without a number: only its id tells it apart."""
    if row["number"] is None:
        return None
    return row["store_id"], row["till"], row["number"], row["business_date"]


class Originals:
    """Receipts that arrived before, by both keys. ``has_keys``: they name customers by key, as the lake does."""

    def __init__(self, rows: Iterable[Row] = (), *, has_keys: bool = False) -> None:
        self._by_id: dict[str, Row] = {}
        self._by_number: dict[tuple[Any, ...], Row] = {}
        self._has_keys = has_keys
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Remember ``row``; of two with one key the first counts."""
        self._by_id.setdefault(row["receipt_id"], row)
        if (key := natural_key(row)) is not None:
            self._by_number.setdefault(key, row)

    def of(self, row: Row) -> Original | None:
        """What ``row`` is beside these; None where none of them has one of its keys."""
        same_id = self._by_id.get(row["receipt_id"])
        if same_id is not None:
            columns = self._differing(row, same_id)
            return Original(not columns, _other(_OTHER_CONTENT, columns) if columns else KNOWN)
        key = natural_key(row)
        same_number = self._by_number.get(key) if key is not None else None
        if same_number is None:
            return None
        other, columns = same_number["receipt_id"], self._differing(row, same_number)
        if columns:
            return Original(False, _other(_OTHER_ID, columns, other=other))
        return Original(True, Message("known_as", _KNOWN_AS, {"other": other}))

    def _differing(self, row: Row, stored: Row) -> list[str]:
        who = "customer_key" if self._has_keys else "customer"
        compared: Sequence[str] = (*_CONTENT, who)
        if self._has_keys and row["kind"] == stored["kind"]:
            own = _OWN_CONTENT.get(row["kind"], compared)
            compared = [who if name == "customer" else name for name in own]
        return [name for name in compared if row[name] != stored[name]]


def _other(template: str, columns: Sequence[str], **values: str) -> Message:
    fields = dict.fromkeys(FIELD_OF.get(name, name) for name in columns)
    code = "same_number_other_content" if values else "same_id_other_content"
    return Message(code, template, {"columns": ", ".join(fields), **values})


def find_originals(
    connection: Connection, batches: Sequence[str], lake: Lake, keys: CustomerKeys, suspects: Sequence[Row], today: date
) -> dict[int, Original]:
    """``line`` → what it is, for the ``suspects`` whose original is really there.

    ``batches`` are those that may hold them; what is not in their payloads (any more) is looked up in the lake: first
    on the suspects' own days, then, by id, in the whole window. What is nowhere is not an original: two receipts share
    a hash, or the earlier one never became a fact.
    """
    left, found = list(suspects), {}
    for places in (_in_payloads(connection, batches, left), _in_lake(lake, keys, left, today)):
        for originals, rows in places:
            for row in rows:
                original = originals.of(row)
                if original is not None:
                    found[row["line"]] = original
            left[:] = [row for row in left if row["line"] not in found]
            if not left:
                return found
    return found


def _in_payloads(
    connection: Connection, batches: Sequence[str], suspects: list[Row]
) -> Iterator[tuple[Originals, list[Row]]]:
    """Batch by batch, the newest first, while there are suspects."""
    for batch_id in batches:
        packed = connection.scalar(select(InboxPayload.payload).where(InboxPayload.batch_id == batch_id))
        if packed is not None:
            yield Originals(_with_keys_of(suspects, unpack(packed)).to_pylist()), list(suspects)


def _with_keys_of(suspects: Sequence[Row], table: pa.Table) -> pa.Table:
    """The rows of ``table`` that have the id or the number of a suspect."""
    ids = pa.array([row["receipt_id"] for row in suspects], pa.string())
    numbers = pa.array([row["number"] for row in suspects if row["number"] is not None], pa.string())
    same_id = pc.is_in(column(table, "receipt_id"), value_set=ids)
    return table.filter(pc.or_(same_id, pc.is_in(column(table, "number"), value_set=numbers)))


def _in_lake(lake: Lake, keys: CustomerKeys, suspects: list[Row], today: date) -> Iterator[tuple[Originals, list[Row]]]:
    people = keys([row["customer"] for row in suspects if row["customer"] is not None])
    known = [{**row, "customer_key": row["customer"] and people.get(row["customer"], _UNKNOWN_KEY)} for row in suspects]

    def rows() -> list[Row]:
        left = {row["line"] for row in suspects}
        return [row for row in known if row["line"] in left]

    days = sorted({row["business_date"] for row in suspects})
    table = lake.receipts(months=sorted({str(day)[:7] for day in days}))
    ids, numbers = [row["receipt_id"] for row in suspects], [row["number"] for row in suspects if row["number"]]
    wanted = table.receipt_id.isin(ids)
    if numbers:
        wanted |= table.store_id.isin(sorted({row["store_id"] for row in suspects})) & table.number.isin(numbers)
    near = table.filter(table.business_date.isin(days) & wanted).drop(MONTH)
    yield Originals(near.to_pyarrow().to_pylist(), has_keys=True), rows()
    first = today - timedelta(days=WINDOW_DAYS)
    window = sorted({str(first + timedelta(days=n))[:7] for n in range(WINDOW_DAYS + 2)})
    far = lake.receipts(months=window)
    far = far.filter(far.receipt_id.isin([row["receipt_id"] for row in suspects])).drop(MONTH)
    yield Originals(far.to_pyarrow().to_pylist(), has_keys=True), rows()
