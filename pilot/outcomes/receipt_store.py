"""Staged receipts against the lake: which are new, which are there already, which clash; and the way in."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from pilot.imports.engine import engine, leave_out, literal, name, parts, table
from pilot.imports.hashes import Hashes, hash_table, hashed, sorted_hashes, staged_hashes, without
from pilot.imports.importer import CLASHES_LIMIT, Clash, Comparison, Published
from pilot.outcomes.errors import ReceiptsClash
from pilot.outcomes.key_index import NATURAL_KEY, RECEIPT_ID, Key, KeyIndex, rows_of
from pilot.outcomes.lake import MONTH, SCHEMA, Lake
from pilot.outcomes.receipt_answers import Answer, answer_in
from pilot.outcomes.references import REASONS, resolve
from pilot.words import N_, Message

# The field from which a column of the lake comes: people know the fields.
FIELD_OF = {
    "receipt_id": "receipt",
    "store_id": "store",
    "business_date": "at",
    "customer_key": "customer",
    "net_minor": "net",
    "vat_minor": "vat",
    "discount_minor": "discount",
    "cost_minor": "cost",
    "reward_minor": "reward",
    "offer_id": "offer",
}
_ARRIVAL = ("received_at", "batch_id")
_CONTENT = tuple(column for column in SCHEMA.names if column not in _ARRIVAL)
_OTHER_CONTENT = N_("A receipt with this id is stored already with another {columns}.")
_OTHER_ID = N_("Receipt “{other}” is stored already for the same store, till, number and business date.")
_SEEN = "compared.json"
_UNKNOWN_KEY = -1  # a customer who has no key yet is nobody whom the lake knows
_FACTS = "kind IN ('correction', 'identification')"

Staged = Path | Sequence[Path]
# External id → customer_key: as a mapping, or as Parquet files of (customer, key).
Keys = Mapping[str, int] | Sequence[Path]


class OnClash(StrEnum):
    """What becomes of receipts that are stored with other content: nothing is published, or they are left out."""

    REFUSE = "refuse"
    SET_ASIDE = "set aside"


@dataclass(frozen=True, slots=True)
class Seen:
    """The lake's files with which the staged rows were compared already."""

    files: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Lying:
    """The lake's files to compare with: all of them, and those of the months from which rows came."""

    index: KeyIndex
    files: Sequence[str]
    near: Sequence[str]

    def with_key(self, key: Key) -> Sequence[str]:
        """The files in which this key could be."""
        return self.near if key == NATURAL_KEY else self.files


def write_seen(staged: Path, seen: Seen) -> None:
    """Keep beside the staged rows what they were compared with."""
    staged.with_name(_SEEN).write_text(json.dumps(sorted(seen.files)), "utf-8")


def read_seen(staged: Path) -> Seen:
    """What ``write_seen`` kept; nothing where there is none."""
    path = staged.with_name(_SEEN)
    return Seen(frozenset(json.loads(path.read_text("utf-8")))) if path.is_file() else Seen()


def compare_with_lake(lake: Lake, staged: Path, keys: Keys) -> tuple[Comparison, Seen]:
    """``keys`` of everybody known. What is stored already is left out of the staged rows from now on."""
    version = lake.version()
    files = lake.files(version)
    with _joined(lake, staged, keys, version) as connection:
        n = _one(connection, "SELECT count(*) FROM bare")
        clashes, n_clashes = _clashes(connection, CLASHES_LIMIT)
        n_same = _one(connection, f"SELECT count(DISTINCT line) FROM same WHERE {_NOT_CLASHING}")  # noqa: S608 - ours
        leave_out(connection, staged, "SELECT line FROM same UNION SELECT line FROM clash")
    done = Comparison(n_new=n - n_same - n_clashes, n_same=n_same, n_clashes=n_clashes, clashes=tuple(clashes))
    return done, Seen(frozenset(files))


def append_new(
    lake: Lake,
    staged: Staged,
    keys: Keys,
    batch_id: str,
    now: datetime,
    *,
    on_clash: OnClash = OnClash.REFUSE,
    seen: Seen | None = None,
) -> Published:
    """Write the staged receipts that the lake does not hold, exactly once; all or nothing.

    Staged rows may carry a ``batch_id`` and ``received_at`` of their own; else these arguments are theirs. Raises
    ``ReceiptsClash`` where another import came in between with other content, or sets such rows aside. A batch that the
    lake knows (the database was not finished after a crash) is not written again, and the answer is that of the first
    time, which its commit kept; rows of a file that were refused then and are good by now go in as a commit of their
    own. ``seen``: with which of the lake's files the rows were compared before.
    """
    with lake.writing():
        return _append(lake, staged, keys, batch_id, now, on_clash, seen, commit_id=batch_id)


def _append(
    lake: Lake,
    staged: Staged,
    keys: Keys,
    batch_id: str,
    now: datetime,
    on_clash: OnClash,
    seen: Seen | None,
    *,
    commit_id: str,
) -> Published:
    known = lake.version_of(commit_id)
    if known is not None and (answer := answer_in(lake.commits(known - 1, known)[0].details)):
        told = answer.published(known, _lines_of(staged, [*answer.known, *answer.clashes]))
        if on_clash is OnClash.SET_ASIDE:  # what tills sent is the same whenever it is read
            return told
        rest = _append(lake, staged, keys, batch_id, now, on_clash, seen, commit_id=f"{commit_id}-rest")
        return replace(told, n_new=told.n_new + rest.n_new, lake_version=rest.lake_version if rest.n_new else known)
    before = lake.version() if known is None else known - 1  # a commit of before answers were kept
    with _joined(lake, staged, keys, before, seen) as connection:
        limit = CLASHES_LIMIT if on_clash is OnClash.REFUSE else None
        clashes, n_clashes = _clashes(connection, limit)
        if clashes and on_clash is OnClash.REFUSE and known is None:
            first = clashes[0]
            raise ReceiptsClash(n=n_clashes, line=first.line, reason=str(first.reason))
        counted = connection.execute(f"SELECT {MONTH}, count(*) FROM fresh_bare GROUP BY 1 ORDER BY 1").fetchall()  # noqa: S608 - our name
        months, n_new = [month for month, _ in counted], sum(n for _, n in counted)
        found = connection.execute(f"SELECT DISTINCT line FROM same WHERE {_NOT_CLASHING} ORDER BY 1").fetchall()  # noqa: S608 - ours
        same = [line for (line,) in found]
        version = known
        if version is None and months:
            ids = _ids_of_gone(connection) if same or clashes else {}
            version = lake.append(
                commit_id,
                months,
                lambda month, file: _write_new_rows(connection, month, file, batch_id, now),
                details=Answer.of(n_new, same, clashes, ids).to_details(),
            )
        return Published(n_new, before if version is None else version, same, tuple(clashes))


@contextmanager
def _joined(
    lake: Lake, staged: Staged, keys: Keys, version: int, seen: Seen | None = None
) -> Iterator[DuckDBPyConnection]:
    """A connection with ``staged`` (keys in place), ``same(line)`` and ``clash(line, other, columns, reason)``."""
    first = staged if isinstance(staged, Path) else staged[0]
    with engine(first.parent / "spill", lake.storage.filesystem()) as connection:
        connection.execute("CREATE TEMP TABLE same (line BIGINT)")
        connection.execute("CREATE TEMP TABLE unresolved (line BIGINT, reason VARCHAR)")
        connection.execute("CREATE TEMP TABLE clash (line BIGINT, other VARCHAR, columns VARCHAR, reason VARCHAR)")
        keyed = _look_customers_up(connection, staged, keys)
        index = KeyIndex(lake)
        is_complete = _complete_references(connection, lake, index, version)
        files = [file for file in lake.files(version) if seen is None or file not in seen.files]
        if files:
            months = {month for (month,) in connection.execute(f"SELECT DISTINCT {MONTH} FROM bare").fetchall()}  # noqa: S608 - our name
            # Ids are compared with the whole lake: the same id on another day is a clash, not a new receipt.
            lying = _Lying(index, files, sorted(set(files) & set(lake.files(version, sorted(months)))))
            of = parts(connection, staged)
            for part in range(of):
                _compare_part(connection, staged, part, of, lying, _as_they_are if is_complete else keyed)
        connection.execute("DELETE FROM clash WHERE line IN (SELECT line FROM unresolved)")
        connection.execute("INSERT INTO clash SELECT line, NULL, NULL, reason FROM unresolved")
        connection.execute("CREATE TEMP TABLE gone AS SELECT line FROM same UNION SELECT line FROM clash")
        is_any = _one(connection, "SELECT count(*) FROM gone")
        without = " ANTI JOIN gone USING (line)" if is_any else ""
        connection.execute(f"CREATE TEMP VIEW fresh AS SELECT staged.* FROM staged{without}")  # noqa: S608 - our names
        connection.execute(f"CREATE TEMP VIEW fresh_bare AS SELECT bare.* FROM bare{without}")  # noqa: S608 - our names
        yield connection


def _look_customers_up(connection: DuckDBPyConnection, staged: Staged, keys: Keys) -> Callable[[str], str]:
    """Make the views ``bare``, the staged rows, and ``keyed``, with the customers' keys; returns what gives some staged
    rows theirs."""
    if not isinstance(keys, Mapping):
        connection.execute(f"CREATE TEMP VIEW people AS FROM {table(keys)}")
    else:
        arrays: list[Any] = [pa.array(keys.keys(), pa.string()), pa.array(keys.values(), pa.int64())]
        connection.register("people", pa.Table.from_arrays(arrays, names=["customer", "key"]))
    described = connection.execute(f"DESCRIBE SELECT * FROM {table(staged)}").fetchall()  # noqa: S608 - quoted
    arrival = [column for column, *_ in described if column in _ARRIVAL]
    columns = ", ".join(f"t.{name(c)}" for c in (*_CONTENT, *arrival, MONTH) if c != "customer_key")
    connection.execute(f"CREATE TEMP VIEW as_staged AS FROM {table(staged)}")
    connection.execute("CREATE TEMP VIEW bare AS FROM as_staged")
    connection.execute(f"CREATE TEMP VIEW keyed AS {_keyed('as_staged', columns)}")
    return lambda rows: f"({_keyed(rows, columns)})"


def _as_they_are(rows: str) -> str:
    return rows


def _keyed(rows: str, columns: str) -> str:
    """``rows`` with the keys of their customers."""
    return f"""
        SELECT t.line, {columns},
               CASE WHEN t.customer IS NOT NULL THEN coalesce(p.key, {_UNKNOWN_KEY}) END AS customer_key
        FROM {rows} t LEFT JOIN people p ON p.customer = t.customer
    """  # noqa: S608 - our names


def _complete_references(connection: DuckDBPyConnection, lake: Lake, index: KeyIndex, version: int) -> bool:
    """Make the view ``staged``: corrections and identifications completed from what they refer to.

    Returns whether there were any; then ``bare`` is the same view.
    """
    if not _one(connection, f"SELECT count(*) FROM bare WHERE {_FACTS}"):  # noqa: S608 - ours
        connection.execute("CREATE TEMP VIEW staged AS FROM keyed")
        return False
    connection.execute(f"CREATE TEMP TABLE referring AS SELECT * FROM keyed WHERE {_FACTS}")  # noqa: S608 - ours
    connection.execute(f"CREATE TEMP VIEW staged_others AS FROM keyed WHERE NOT ({_FACTS})")
    resolve(connection, lake, index, "referring", version)
    connection.execute("CREATE TEMP VIEW staged AS FROM staged_others UNION ALL BY NAME FROM referring")
    connection.execute("CREATE OR REPLACE TEMP VIEW bare AS FROM staged")
    return True


def _compare_part(
    connection: DuckDBPyConnection, staged: Staged, part: int, of: int, lying: _Lying, whole: Callable[[str], str]
) -> None:
    """Fill ``same`` and ``clash`` from one part of the staged and stored rows.

    First the hashes of the keys find the few rows that meet; only these are read, made ``whole`` and looked at.
    """
    hashes = staged_hashes(connection, staged, RECEIPT_ID, part, of)
    is_known = _meet(connection, whole, "bare", hashes, RECEIPT_ID, lying, part, of)
    if is_known:
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE by_id AS
            SELECT s.line, {_differing(_CONTENT)} AS differing
            FROM met s JOIN stored l ON s.receipt_id = l.receipt_id
        """)  # noqa: S608 - names are quoted
        connection.execute("INSERT INTO same SELECT DISTINCT line FROM by_id WHERE differing = ''")
        connection.execute("INSERT INTO clash SELECT line, NULL, differing, NULL FROM by_id WHERE differing <> ''")
    # A till that tries again may give a new id: what is equal but for the id is the receipt that is there. What is
    # there under its own id need not be asked for again.
    hashes = staged_hashes(connection, staged, NATURAL_KEY, part, of)
    if is_known:
        known = sorted_hashes(connection, "(FROM met SEMI JOIN same USING (line)) t", NATURAL_KEY, part, of)
        hashes = without(hashes, known)
    others = "(FROM bare ANTI JOIN same USING (line))"
    if _meet(connection, whole, others, hashes, NATURAL_KEY, lying, part, of):
        equal = " AND ".join(f"s.{name(c)} = l.{name(c)}" for c in NATURAL_KEY)
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE by_key AS
            SELECT s.line, l.receipt_id, {_differing([c for c in _CONTENT if c != "receipt_id"])} <> '' AS differs
            FROM met s JOIN stored l ON {equal}
            WHERE s.receipt_id <> l.receipt_id
        """)  # noqa: S608 - names are quoted
        connection.execute("INSERT INTO same SELECT DISTINCT line FROM by_key WHERE NOT differs")
        connection.execute(
            "INSERT INTO clash SELECT line, min(receipt_id), NULL, NULL FROM by_key WHERE differs GROUP BY line"
        )


def _meet(
    connection: DuckDBPyConnection,
    whole: Callable[[str], str],
    rows: str,
    hashes: Hashes,
    key: Key,
    lying: _Lying,
    part: int,
    of: int,
) -> bool:
    """Make ``met`` of those ``rows`` whose ``key`` is stored (by its hash, so nearly only those), and ``stored`` of the
    files with the others; whether there is any."""
    found, files = lying.index.find(connection, hashes, key, lying.with_key(key), part, of)
    if not len(found):
        return False
    connection.execute(f"CREATE OR REPLACE TEMP VIEW stored AS {_stored(files)}")
    connection.register("likely", hash_table(found))
    few = f"(SELECT t.* FROM {rows} t SEMI JOIN likely l ON {hashed(key, 't')} = l.hashed)"  # noqa: S608 - quoted
    connection.execute(f"CREATE OR REPLACE TEMP TABLE met AS FROM {whole(few)}")
    connection.unregister("likely")
    return True


def _differing(columns: Sequence[str]) -> str:
    cases = ", ".join(f"CASE WHEN s.{name(c)} IS DISTINCT FROM l.{name(c)} THEN {literal(c)} END" for c in columns)
    return f"concat_ws(', ', {cases})"


def _stored(files: Sequence[str]) -> str:
    return f"SELECT {', '.join(name(c) for c in _CONTENT)} FROM {rows_of(files)}"  # noqa: S608 - quoted


_NOT_CLASHING = "line NOT IN (SELECT line FROM clash)"


def _clashes(connection: DuckDBPyConnection, limit: int | None) -> tuple[list[Clash], int]:
    """The first ``limit`` clashes by line (None: all), and how many there are."""
    n = _one(connection, "SELECT count(DISTINCT line) FROM clash")
    rows = connection.execute(
        "SELECT line, min(columns), min(other), min(reason) FROM clash GROUP BY line ORDER BY line LIMIT ?",
        [n if limit is None else limit],
    ).fetchall()
    return [_clash(line, columns, other, reason) for line, columns, other, reason in rows], n


def _clash(line: int, columns: str | None, other: str | None, reason: str | None) -> Clash:
    if reason is not None:
        return Clash(line, "refers_to", Message(reason, REASONS[reason]))
    if columns is not None:
        fields = dict.fromkeys(FIELD_OF.get(column, column) for column in columns.split(", "))
        message = Message("stored_with_other_content", _OTHER_CONTENT, {"columns": ", ".join(fields)})
        return Clash(line, "receipt", message)
    return Clash(line, "receipt", Message("stored_under_other_id", _OTHER_ID, {"other": other}))


def _ids_of_gone(connection: DuckDBPyConnection) -> dict[int, str]:
    """The ids of the staged receipts that do not go in, by line."""
    return dict(connection.execute("SELECT line, receipt_id FROM bare SEMI JOIN gone USING (line)").fetchall())


def _lines_of(staged: Staged, ids: Sequence[str]) -> dict[str, int]:
    """On which lines these receipts are staged; without those that are not any more."""
    if not ids:
        return {}
    first = staged if isinstance(staged, Path) else staged[0]
    with engine(first.parent / "spill") as connection:
        connection.register("asked", pa.table({"receipt_id": pa.array(ids, pa.string())}))
        return dict(
            connection.execute(
                f"SELECT receipt_id, line FROM {table(staged)} t SEMI JOIN asked USING (receipt_id)"  # noqa: S608 - quoted
            ).fetchall()
        )


def _write_new_rows(connection: DuckDBPyConnection, month: str, file: Path, batch_id: str, now: datetime) -> int:
    """Write the new receipts of one month as they came, most often by day; returns how many."""
    described = [column for column, *_ in connection.execute("DESCRIBE staged").fetchall()]
    own = {"received_at": f"{literal(now.isoformat())}::TIMESTAMPTZ", "batch_id": literal(batch_id)}
    arrival = ", ".join(f"{name(c) if c in described else own[c]} AS {name(c)}" for c in _ARRIVAL)
    written = connection.execute(
        f"""
        COPY (
            SELECT {", ".join(name(c) for c in _CONTENT)}, {arrival}
            FROM fresh WHERE {MONTH} = {literal(month)}
        ) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880,
             DICTIONARY_SIZE_LIMIT 5000)
        """  # noqa: S608 - names, texts and paths are quoted
    ).fetchone()
    return int(written[0]) if written else 0


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    found = connection.execute(sql).fetchone()
    return int(found[0]) if found else 0
