"""Staged receipts against the lake: which are new, which are there already, which clash; and the way in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from duckdb import DuckDBPyConnection

from pilot.imports.engine import engine, in_part, literal, name, parts, table
from pilot.imports.importer import CLASHES_LIMIT, Clash, Comparison, Published
from pilot.outcomes.errors import ReceiptsClash
from pilot.outcomes.lake import MONTH, SCHEMA, Lake
from pilot.words import N_, Message

NATURAL_KEY = ("store_id", "till", "number", "business_date")
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
_CONTENT = tuple(column for column in SCHEMA.names if column not in ("received_at", "batch_id"))
_OTHER_CONTENT = N_("A receipt with this id is stored already with another {columns}.")
_OTHER_ID = N_("Receipt “{other}” is stored already for the same store, till, number and business date.")
_UNKNOWN_KEY = -1  # a customer who has no key yet is nobody whom the lake knows


def compare_with_lake(lake: Lake, staged: Path, keys: Mapping[str, int]) -> Comparison:
    """``keys``: external id → customer_key of everybody known."""
    with _joined(lake, staged, keys) as connection:
        clashes, n_clashes = _clashes(connection)
        n_same = _one(connection, "SELECT count(DISTINCT line) FROM same WHERE line NOT IN (SELECT line FROM clash)")
        n = _one(connection, "SELECT count(*) FROM staged")
        return Comparison(n_new=n - n_same - n_clashes, n_same=n_same, n_clashes=n_clashes, clashes=tuple(clashes))


def append_new(lake: Lake, staged: Path, keys: Mapping[str, int], batch_id: str, now: datetime) -> Published:
    """Write the staged receipts that the lake does not hold, exactly once; all or nothing.

    Raises ``ReceiptsClash`` where another import came in between with other content. A batch that the lake knows (the
    database was not finished after a crash) is not written again.
    """
    with lake.writing():
        known = lake.version_of(batch_id)
        if known is not None:
            return Published(_rows_of(lake, batch_id, known), known)
        with _joined(lake, staged, keys) as connection:
            clashes, n_clashes = _clashes(connection)
            if clashes:
                first = clashes[0]
                raise ReceiptsClash(n=n_clashes, line=first.line, reason=str(first.reason))
            new = "FROM staged WHERE line NOT IN (SELECT line FROM same)"
            counted = connection.execute(f"SELECT {MONTH}, count(*) {new} GROUP BY 1 ORDER BY 1").fetchall()
            if not counted:
                return Published(0, lake.version())
            months, n_new = [month for month, _ in counted], sum(n for _, n in counted)
            version = lake.append(
                batch_id, months, lambda month, file: _write_new_rows(connection, month, file, batch_id, now)
            )
            return Published(n_new, version)


@contextmanager
def _joined(lake: Lake, staged: Path, keys: Mapping[str, int]) -> Iterator[DuckDBPyConnection]:
    """A connection with ``staged`` (keys in place), ``same`` and ``clash`` (line, other, columns)."""
    people = pa.table({"customer": pa.array(keys.keys(), pa.string()), "key": pa.array(keys.values(), pa.int64())})
    with engine(staged.parent / "spill") as connection:
        connection.register("people", people)
        columns = ", ".join(name(c) for c in _CONTENT if c != "customer_key")
        connection.execute(f"""
            CREATE TEMP VIEW staged AS
            SELECT line, {columns}, {MONTH},
                   CASE WHEN customer IS NOT NULL THEN coalesce(key, {_UNKNOWN_KEY}) END AS customer_key
            FROM {table(staged)} LEFT JOIN people USING (customer)
        """)  # noqa: S608 - names and paths are quoted
        months = [
            month for (month,) in connection.execute("SELECT DISTINCT business_month FROM staged ORDER BY 1").fetchall()
        ]
        connection.execute(f"CREATE TEMP VIEW stored AS {_stored(lake.files())}")
        connection.execute(f"CREATE TEMP VIEW stored_near AS {_stored(lake.files(months=months))}")
        connection.execute("CREATE TEMP TABLE same (line BIGINT)")
        connection.execute("CREATE TEMP TABLE clash (line BIGINT, other VARCHAR, columns VARCHAR)")
        of = parts(connection, staged)
        for part in range(of):
            _compare_part(connection, part, of)
        yield connection


def _compare_part(connection: DuckDBPyConnection, part: int, of: int) -> None:
    """Fill ``same`` and ``clash`` from one part of the staged and stored rows."""
    differing = ", ".join(f"CASE WHEN s.{name(c)} IS DISTINCT FROM l.{name(c)} THEN {literal(c)} END" for c in _CONTENT)
    by_id = [in_part(("receipt_id",), alias, part, of) for alias in "sl"]
    # Ids are compared with the whole lake: the same id on another day is a clash, not a new receipt.
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE by_id AS
        SELECT s.line, list_filter([{differing}], c -> c IS NOT NULL) AS differing
        FROM staged s JOIN stored l ON s.receipt_id = l.receipt_id WHERE {by_id[0]} AND {by_id[1]}
    """)  # noqa: S608 - names are quoted
    connection.execute("INSERT INTO same SELECT DISTINCT line FROM by_id WHERE len(differing) = 0")
    connection.execute(
        "INSERT INTO clash SELECT line, NULL, array_to_string(differing, ', ') FROM by_id WHERE len(differing) > 0"
    )
    equal = " AND ".join(f"s.{name(c)} = l.{name(c)}" for c in NATURAL_KEY)
    by_key = [in_part(NATURAL_KEY, alias, part, of) for alias in "sl"]
    connection.execute(f"""
        INSERT INTO clash
        SELECT s.line, min(l.receipt_id), NULL FROM staged s JOIN stored_near l ON {equal}
        WHERE s.receipt_id <> l.receipt_id AND {by_key[0]} AND {by_key[1]}
        GROUP BY s.line
    """)  # noqa: S608 - names are quoted


def _stored(files: list[str]) -> str:
    if not files:
        nothing = ", ".join(
            f"NULL::{_SQL_TYPES.get(str(SCHEMA.field(c).type), 'VARCHAR')} AS {name(c)}" for c in _CONTENT
        )
        return f"SELECT {nothing} WHERE false"
    columns = ", ".join(name(c) for c in _CONTENT)
    listed = ", ".join(literal(file) for file in files)
    return f"SELECT {columns} FROM read_parquet([{listed}], hive_partitioning = false)"  # noqa: S608 - quoted


_SQL_TYPES = {"int64": "BIGINT", "date32[day]": "DATE", "timestamp[us, tz=UTC]": "TIMESTAMPTZ"}


def _clashes(connection: DuckDBPyConnection) -> tuple[list[Clash], int]:
    n = _one(connection, "SELECT count(DISTINCT line) FROM clash")
    rows = connection.execute(
        "SELECT line, min(columns), min(other) FROM clash GROUP BY line ORDER BY line LIMIT ?", [CLASHES_LIMIT]
    ).fetchall()
    return [Clash(line, "receipt", _reason(columns, other)) for line, columns, other in rows], n


def _reason(columns: str | None, other: str | None) -> Message:
    if columns is not None:
        fields = dict.fromkeys(FIELD_OF.get(column, column) for column in columns.split(", "))
        return Message("stored_with_other_content", _OTHER_CONTENT, {"columns": ", ".join(fields)})
    return Message("stored_under_other_id", _OTHER_ID, {"other": other})


def _write_new_rows(connection: DuckDBPyConnection, month: str, file: Path, batch_id: str, now: datetime) -> int:
    """Write the new receipts of one month in a fixed order; returns how many."""
    columns = ", ".join(name(c) for c in _CONTENT)
    written = connection.execute(
        f"""
        COPY (
            SELECT {columns}, {literal(now.isoformat())}::TIMESTAMPTZ AS received_at, {literal(batch_id)} AS batch_id
            FROM staged WHERE {MONTH} = {literal(month)} AND line NOT IN (SELECT line FROM same)
            ORDER BY business_date, store_id, receipt_id
        ) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 61440)
        """  # noqa: S608 - names, texts and paths are quoted
    ).fetchone()
    return int(written[0]) if written else 0


def _rows_of(lake: Lake, batch_id: str, version: int) -> int:
    found = lake.receipts(version).filter(lambda receipt: receipt.batch_id == batch_id).count().to_pyarrow()
    return int(found.as_py())


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    found = connection.execute(sql).fetchone()
    return int(found[0]) if found else 0
