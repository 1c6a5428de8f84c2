"""Rule tables and verbs for importing regions and stores."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.imports.importer import Comparison, Context, Published
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.rules import Field, RowRule
from pilot.imports.times import Day
from pilot.imports.values import Id, Known, Text, Zone
from pilot.network.codes import natural_key
from pilot.network.model import Region, Store
from pilot.network.queries import network
from pilot.words import N_, Message

_OPEN_AHEAD_DAYS = 3 * 366
_CLOSED_FIRST = Message("closed_before_opened", N_("The store closed before it opened. Are two columns swapped?"))

Values = dict[str, Any]


class RegionImporter:
    """Regions by code; a file adds regions and changes names."""

    kind = ImportKind.REGIONS
    takes_attributes = False
    keys: Sequence[Sequence[str]] = (("region",),)
    renamed: Mapping[str, str] = {}
    fields: Sequence[Field] = (
        Field("region", Id(), N_("Region"), True, synonyms="region id, region code, код региона, регион, alue"),
        Field("name", Text(), N_("Name"), synonyms="region name, название, наименование, nimi"),
    )

    def context(self, session: Session, now: datetime) -> Context:
        network(session)
        return Context(now)

    def rules(self, context: Context) -> Sequence[RowRule]:
        return ()

    def finish(self, good: pa.Table, mapping: FileMapping, context: Context) -> pa.Table:
        return _mapped(good, mapping, {})

    def look_up(self, session: Session, staged: Path) -> None:
        """There are few of them."""

    def compare(self, session: Session, staged: Path, context: Context) -> Comparison:
        known = {region.code: region for region in session.scalars(select(Region))}
        n = sum(_differs(known.get(row["region"]), _region_values(row)) for row in _rows(staged))
        return Comparison(n_new=n, n_same=pq.read_metadata(staged).num_rows - n)

    def on_staged(self, session: Session, staged: Path, now: datetime) -> None:
        """Nothing is needed before publishing."""

    def publish(self, session: Session, run: ImportRun, staged: Path, now: datetime) -> Published:
        known = {region.code: region for region in session.scalars(select(Region))}
        n_new = 0
        for row in sorted(_rows(staged), key=lambda row: natural_key(row["region"])):
            values = _region_values(row)
            found = known.get(row["region"])
            if not _differs(found, values):
                continue
            n_new += 1
            if found is None:
                session.add(Region(**{"code": row["region"], "name": row["region"], **values}))
            else:
                _change(found, values)
        session.flush()
        return Published(n_new)


class StoreImporter:
    """Stores by code, each in a region that must exist."""

    kind = ImportKind.STORES
    takes_attributes = False
    keys: Sequence[Sequence[str]] = (("store",),)
    renamed: Mapping[str, str] = {}
    fields: Sequence[Field] = (
        Field(
            "store",
            Id(),
            N_("Store"),
            True,
            synonyms="store id, store code, shop, shop id, магазин, код магазина, myymälä, toimipaikka",
        ),
        Field(
            "region",
            Known(N_("There is no region “{code}”. Import the regions first.")),
            N_("Region"),
            True,
            synonyms="region id, region code, регион, код региона, alue",
        ),
        Field("name", Text(), N_("Name"), synonyms="store name, shop name, название, наименование, nimi"),
        Field("timezone", Zone(), N_("Time zone"), synonyms="time zone, tz, часовой пояс, aikavyöhyke"),
        Field(
            "opened_on",
            Day(days_ahead=_OPEN_AHEAD_DAYS),
            N_("Opened on"),
            synonyms="opened, opening date, дата открытия",
        ),
        Field(
            "closed_on",
            Day(days_ahead=_OPEN_AHEAD_DAYS),
            N_("Closed on"),
            synonyms="closed, closing date, дата закрытия",
        ),
    )

    def context(self, session: Session, now: datetime) -> Context:
        network(session)
        regions = dict(session.execute(select(Region.code, Region.id)).all())
        return Context(now, known={"region": regions})

    def rules(self, context: Context) -> Sequence[RowRule]:
        return (RowRule("closed_on", _CLOSED_FIRST, lambda rows: ~(rows.times("closed_on") < rows.times("opened_on"))),)

    def finish(self, good: pa.Table, mapping: FileMapping, context: Context) -> pa.Table:
        return _mapped(good, mapping, {"region": "region_id"})

    def look_up(self, session: Session, staged: Path) -> None:
        """There are few of them."""

    def compare(self, session: Session, staged: Path, context: Context) -> Comparison:
        known = {store.code: store for store in session.scalars(select(Store))}
        n = sum(_differs(known.get(row["store"]), _store_values(row)) for row in _rows(staged))
        return Comparison(n_new=n, n_same=pq.read_metadata(staged).num_rows - n)

    def on_staged(self, session: Session, staged: Path, now: datetime) -> None:
        """Nothing is needed before publishing."""

    def publish(self, session: Session, run: ImportRun, staged: Path, now: datetime) -> Published:
        known = {store.code: store for store in session.scalars(select(Store))}
        next_id = max((store.id for store in known.values()), default=0) + 1
        n_new = 0
        # New stores get their ids in the order of their codes: the lake then holds the same integers everywhere.
        for row in sorted(_rows(staged), key=lambda row: natural_key(row["store"])):
            values = _store_values(row)
            found = known.get(row["store"])
            if not _differs(found, values):
                continue
            n_new += 1
            if found is None:
                session.add(Store(**{"id": next_id, "code": row["store"], "name": row["store"], **values}))
                next_id += 1
            else:
                _change(found, values)
        session.flush()
        return Published(n_new)


REGIONS = RegionImporter()
STORES = StoreImporter()


def _mapped(good: pa.Table, mapping: FileMapping, renamed: Mapping[str, str]) -> pa.Table:
    """``line`` and the mapped fields only, so that a file changes nothing that it does not speak of."""
    kept = [name for name in good.column_names if name == "line" or name in mapping.columns]
    return good.select(kept).rename_columns([renamed.get(name, name) for name in kept])


def _rows(staged: Path) -> list[Values]:
    return pq.read_table(staged).to_pylist()


def _region_values(row: Values) -> Values:
    return {"name": row["name"]} if row.get("name") else {}


def _store_values(row: Values) -> Values:
    """What a row says of its store. An empty name changes nothing; an empty date or zone empties it."""
    values = {name: row[name] for name in ("region_id", "timezone", "opened_on", "closed_on") if name in row}
    return values | ({"name": row["name"]} if row.get("name") else {})


def _differs(found: Region | Store | None, values: Values) -> bool:
    return found is None or any(getattr(found, name) != value for name, value in values.items())


def _change(found: Region | Store, values: Values) -> None:
    for name, value in values.items():
        setattr(found, name, value)
