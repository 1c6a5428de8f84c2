"""Rule table and verbs for importing customers; the keys they get; the keyed hash that stands for a phone or e-mail."""

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import (
    JSON,
    Text,
    cast,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from pilot.database import settings_of
from pilot.imports.arrow import pc
from pilot.imports.check import ATTRIBUTE_PREFIX
from pilot.imports.importer import Comparison, Context, Published
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.phones import phone_region
from pilot.imports.rules import Field, RowRule
from pilot.imports.values import Contact, Id, Known, Present
from pilot.keys import read_or_make_key
from pilot.network.codes import in_order
from pilot.network.model import Customer, Store
from pilot.network.queries import customer_keys, listed, network
from pilot.words import N_

_KEY_NAME = "phone"
_CHUNK = 5_000
_BITE = 50_000
_ADVISORY_LOCK = 7_162_005  # any constant: one lock for the order of customer keys
_UNKNOWN_STORE = N_("There is no store “{code}”. Import the stores first.")

Values = dict[str, Any]


class CustomerImporter:
    """Customers by external id. Columns that are no field of ours come along as attributes.

    Names, addresses, phones and e-mails are not kept: the staged rows hold a keyed hash of the phone (or else of the
    e-mail) and whether name, phone and e-mail are all given.
    """

    kind = ImportKind.CUSTOMERS
    takes_attributes = True
    keys: Sequence[Sequence[str]] = (("customer",),)
    renamed: Mapping[str, str] = {}
    fields: Sequence[Field] = (
        Field(
            "customer",
            Id(),
            N_("Customer"),
            True,
            synonyms=(
                "customer id, household id, member id, card, card number, loyalty card, клиент, покупатель, "
                "код клиента, номер карты, карта клиента, карта, asiakas, asiakasnumero"
            ),
        ),
        Field("home_store", Known(_UNKNOWN_STORE), N_("Home store"), synonyms="store, store id, магазин, myymälä"),
        Field(
            "phone",
            Contact(is_email=False),
            N_("Phone"),
            is_personal=True,
            synonyms="phone number, mobile, mobile phone, телефон, номер телефона, puhelin, puhelinnumero",
        ),
        Field(
            "email",
            Contact(is_email=True),
            N_("E-mail"),
            is_personal=True,
            synonyms="e-mail, mail, email address, почта, электронная почта, sähköposti",
        ),
        Field(
            "name",
            Present(),
            N_("Name"),
            is_personal=True,
            synonyms="full name, last name, surname, first name, имя, фамилия, фио, nimi, sukunimi",
        ),
        Field("address", Present(), N_("Address"), is_personal=True, synonyms="street, адрес, osoite"),
    )

    def context(self, session: Session, now: datetime) -> Context:
        region = phone_region(network(session).timezone)
        stores = dict(session.execute(select(Store.code, Store.id)).all())
        key = read_or_make_key(settings_of(session), _KEY_NAME)
        known = {"home_store": stores}
        return Context(now, known=known, facts=key, depends={"region": region}, phone_region=region)

    def rules(self, context: Context) -> Sequence[RowRule]:
        return ()

    def finish(self, good: pa.Table, mapping: FileMapping, context: Context) -> pa.Table:
        columns: dict[str, Any] = {"line": good["line"], "customer": good["customer"]}
        if "home_store" in mapping.columns:
            columns["home_store_id"] = good["home_store"]
        if {"phone", "email"} & set(mapping.columns):
            contacts = pc.coalesce(good["phone"], good["email"]).to_pylist()
            hashes = [contact and contact_hash(contact, context.facts) for contact in contacts]
            columns["contact_hash"] = pa.array(hashes, pa.string())
        if {"phone", "email", "name"} & set(mapping.columns):
            given = (pc.is_valid(good[name]) for name in ("phone", "email", "name"))
            columns["is_profile_complete"] = pc.and_(pc.and_(next(given), next(given)), next(given))
        if mapping.attributes:
            names = sorted(mapping.attributes)
            rows = zip(*(good[ATTRIBUTE_PREFIX + name].to_pylist() for name in names), strict=True)
            columns["attributes"] = pa.array([_attributes(names, row) for row in rows], pa.string())
        return pa.table(columns)

    def look_up(self, session: Session, staged: Path) -> None:
        """Customers are compared batch by batch."""

    def compare(self, session: Session, staged: Path, context: Context) -> Comparison:
        n = sum(len(new) + len(changed) for new, changed in _compared(session, staged))
        return Comparison(n_new=n, n_same=pq.read_metadata(staged).num_rows - n)

    def on_staged(self, session: Session, staged: Path, now: datetime) -> None:
        """Nothing is needed before publishing: keys are given there, in the same transaction as the rows."""

    def publish(self, session: Session, run: ImportRun, staged: Path, now: datetime) -> Published:
        n_new = sum(len(new) + len(changed) for new, changed in _compared(session, staged))
        allot_customer_keys(session, _external_ids(staged))
        for _, changed in _compared(session, staged):
            if changed:
                session.execute(update(Customer), changed)
        return Published(n_new)


CUSTOMERS = CustomerImporter()


def contact_hash(contact: str, key: bytes) -> str:
    """HMAC-SHA256 of a phone or e-mail in normal form (``values.Contact``), hexadecimal."""
    return hmac.digest(key, contact.encode("utf-8"), "sha256").hex()


def allot_customer_keys(session: Session, external_ids: Iterable[str]) -> int:
    """Give every external id that has none the next customer_key, in natural order. Returns how many were new.

    The write lock makes the order the same everywhere: SQLite's unit of work holds it, PostgreSQL takes its own.
    A key is never given twice, not even after its customer was forgotten.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    wanted = list(set(external_ids))
    known: set[str] = set()
    for start in range(0, len(wanted), _BITE):
        known |= customer_keys(session, wanted[start : start + _BITE]).keys()
    first = highest_key(session) + 1
    fresh = in_order(external for external in wanted if external not in known)
    for start in range(0, len(fresh), _BITE):
        place, external = listed(session, fresh[start : start + _BITE])
        rows = select(place + (first + start), external, literal({}, JSON), literal(False))
        columns = ["customer_key", "external_id", "attributes", "is_profile_complete"]
        session.connection().execute(insert(Customer).from_select(columns, rows))
    return len(fresh)


def all_keys(session: Session) -> Iterator[pa.Table]:
    """(key, customer) of everybody who is not forgotten, in bites; where many are wanted, far faster than by name."""
    for first in range(0, highest_key(session), _BITE):
        here = Customer.customer_key.between(first + 1, first + _BITE)
        # One text for all: a row costs the database's driver more than its bytes. Ids hold no white space.
        line = cast(Customer.customer_key, Text) + " " + Customer.external_id
        query = select(func.aggregate_strings(line, "\n")).where(here)
        lines = session.scalar(query)
        if lines:
            yield _keys_of(lines)


def _keys_of(lines: str) -> pa.Table:
    import pyarrow.csv as pacsv  # only large imports need it

    source: Any = pa.BufferReader(lines.encode())
    kinds: Any = {"key": pa.int64(), "customer": pa.string()}
    return pacsv.read_csv(
        source,
        read_options=pacsv.ReadOptions(use_threads=False, column_names=list(kinds)),
        parse_options=pacsv.ParseOptions(delimiter=" ", quote_char=False, escape_char=False),
        convert_options=pacsv.ConvertOptions(column_types=kinds, strings_can_be_null=False),
    )


def highest_key(session: Session) -> int:
    """The customer key that was given last; about as many customers there are."""
    return session.scalar(select(func.max(Customer.customer_key))) or 0


def _compared(session: Session, staged: Path) -> Iterator[tuple[list[Values], list[Values]]]:
    """(new, changed) customers of each batch of staged rows, as the values they are to have."""
    with pq.ParquetFile(staged) as file:
        for batch in file.iter_batches(batch_size=_CHUNK):
            rows = batch.to_pylist()
            wanted = [row["customer"] for row in rows]
            _, ids = listed(session, wanted)
            found_there = session.scalars(select(Customer).where(Customer.external_id.in_(select(ids))))
            known = {customer.external_id: customer for customer in found_there}
            new, changed = [], []
            for row in rows:
                found = known.get(row["customer"])
                values = _values(row, found)
                if found is None:
                    new.append(values)
                elif any(getattr(found, name) != value for name, value in values.items()):
                    changed.append({"customer_key": found.customer_key, **values})
            yield new, changed


def _values(row: Values, found: Customer | None) -> Values:
    """What a row says of its customer; attributes join those from other files."""
    values: Values = {
        name: row[name] for name in ("home_store_id", "contact_hash", "is_profile_complete") if name in row
    }
    if "attributes" in row:
        merged = {**(found.attributes if found else {}), **json.loads(row["attributes"])}
        values["attributes"] = {name: value for name, value in sorted(merged.items()) if value is not None}
    return values


def _external_ids(staged: Path) -> Iterator[str]:
    with pq.ParquetFile(staged) as file:
        for batch in file.iter_batches(batch_size=_CHUNK, columns=["customer"]):
            ids: list[Any] = batch.column("customer").to_pylist()
            yield from ids


def _attributes(names: Sequence[str], row: Sequence[str | None]) -> str:
    return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
