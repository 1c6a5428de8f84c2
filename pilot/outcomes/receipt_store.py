"""Staged receipts against the lake: which are new, which are there already, which clash; and the way in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from pilot.imports.engine import engine, in_part, literal, name, parts, table
from pilot.imports.importer import CLASHES_LIMIT, Clash, Comparison, Published
from pilot.outcomes.errors import ReceiptsClash
from pilot.outcomes.lake import MONTH, SCHEMA, Lake
from pilot.outcomes.references import REASONS, resolve
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
_SAME = "SELECT DISTINCT line FROM same WHERE line NOT IN (SELECT line FROM clash)"
_NEW = "FROM staged WHERE line NOT IN (SELECT line FROM same) AND line NOT IN (SELECT line FROM clash)"
_UNKNOWN_KEY = -1  # a customer who has no key yet is nobody whom the lake knows


class OnClash(StrEnum):
    """What becomes of staged receipts that clash with stored ones: ``REFUSE`` all, or ``SET_ASIDE`` those."""

    REFUSE = "refuse"
    SET_ASIDE = "set_aside"


def compare_with_lake(lake: Lake, staged: Path, keys: Mapping[str, int]) -> Comparison:
    """``keys``: external id → customer_key of everybody known."""
    with _joined(lake, staged, keys) as connection:
        clashes, n_clashes = _clashes(connection, CLASHES_LIMIT)
        n_same = _one(connection, f"SELECT count(*) FROM ({_SAME})")  # noqa: S608 - a constant
        n = pq.read_metadata(staged).num_rows
        return Comparison(n_new=n - n_same - n_clashes, n_same=n_same, n_clashes=n_clashes, clashes=tuple(clashes))


def append_new(
    lake: Lake,
    staged: Path,
    keys: Mapping[str, int],
    batch_id: str,
    now: datetime,
    *,
    on_clash: OnClash = OnClash.REFUSE,
) -> Published:
    """Write the staged receipts that the lake does not hold, exactly once, as one commit.

    Rows may carry a ``batch_id`` and ``received_at`` of their own; else those of the arguments are theirs. Receipts
    that clash are refused together (``ReceiptsClash``: another import came in between) or set aside and told. A batch that
    the lake knows (the database was not finished after a crash) is not written again; what is told of it is worked out
    from the version before it, so it is the same as the first time.
    """
    with lake.writing():
        known = lake.version_of(batch_id)
        with _joined(lake, staged, keys, None if known is None else known - 1) as connection:
            limit = CLASHES_LIMIT if on_clash is OnClash.REFUSE else None
            clashes, n_clashes = _clashes(connection, limit)
            if clashes and known is None and on_clash is OnClash.REFUSE:
                first = clashes[0]
                raise ReceiptsClash(n=n_clashes, line=first.line, reason=str(first.reason))
            same = connection.execute(f"{_SAME} ORDER BY line").fetchnumpy()["line"].tolist()
            counted = connection.execute(f"SELECT {MONTH}, count(*) {_NEW} GROUP BY 1 ORDER BY 1").fetchall()
            months, n_new = [month for month, _ in counted], sum(n for _, n in counted)
            if known is not None:
                version = known
            elif not counted:
                version = lake.version()
            else:
                version = lake.append(
                    batch_id, months, lambda month, file: _write_new_rows(connection, month, file, batch_id, now)
                )
            set_aside = tuple(clashes) if on_clash is OnClash.SET_ASIDE else ()
            return Published(n_new, version, n_known=len(same), clashes=set_aside, known_lines=tuple(same))


@contextmanager
def _joined(
    lake: Lake, staged: Path, keys: Mapping[str, int], version: int | None = None
) -> Iterator[DuckDBPyConnection]:
    """A connection with ``staged`` (keys in place, references resolved) compared with the lake at ``version``.

    Lines that are stored are in ``same``, those that clash in ``clash`` (line, other, columns), and facts that refer to
    nothing in ``unresolved`` (line, reason); ``staged`` holds neither these nor facts that say what is known.
    """
    people = pa.table({"customer": pa.array(keys.keys(), pa.string()), "key": pa.array(keys.values(), pa.int64())})
    with engine(staged.parent / "spill") as connection:
        connection.register("people", people)
        columns = ", ".join(name(c) for c in _CONTENT if c != "customer_key")
        own = ", ".join(name(c) for c in _of_its_own(staged))
        connection.execute(f"""
            CREATE TEMP VIEW keyed AS
            SELECT line, {columns}, {MONTH}, {own + "," if own else ""}
                   CASE WHEN customer IS NOT NULL THEN coalesce(key, {_UNKNOWN_KEY}) END AS customer_key
            FROM {table(staged)} LEFT JOIN people USING (customer)
        """)  # noqa: S608 - names and paths are quoted
        connection.execute("CREATE TEMP TABLE same (line BIGINT)")
        connection.execute("CREATE TEMP TABLE clash (line BIGINT, other VARCHAR, columns VARCHAR)")
        connection.execute("CREATE TEMP TABLE unresolved (line BIGINT, reason VARCHAR)")
        _resolve_references(connection, lake, version)
        months = [
            month for (month,) in connection.execute("SELECT DISTINCT business_month FROM staged ORDER BY 1").fetchall()
        ]
        connection.execute(f"CREATE TEMP VIEW stored AS {_stored(lake.files(version))}")
        connection.execute(f"CREATE TEMP VIEW stored_near AS {_stored(lake.files(version, months))}")
        of = parts(connection, staged)
        for part in range(of):
            _compare_part(connection, part, of)
        yield connection


def _resolve_references(connection: DuckDBPyConnection, lake: Lake, version: int | None) -> None:
    """Make ``staged``: facts that refer to receipts are completed from them, the others are as they came."""
    refers = "kind IN ('correction', 'identification')"
    connection.execute(f"CREATE TEMP TABLE referring AS SELECT * FROM keyed WHERE {refers}")  # noqa: S608 - a constant
    if not _one(connection, "SELECT count(*) FROM referring"):
        connection.execute("CREATE TEMP VIEW staged AS FROM keyed")
        return
    connection.execute(f"CREATE TEMP VIEW staged_others AS SELECT * FROM keyed WHERE NOT ({refers})")  # noqa: S608 - a constant
    resolve(connection, lake, "referring", version)
    connection.execute("""
        CREATE TEMP VIEW staged AS
        FROM staged_others UNION ALL BY NAME
        FROM referring WHERE line NOT IN (FROM same) AND line NOT IN (SELECT line FROM unresolved)
    """)


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
    alike = " AND ".join(f"s.{name(c)} IS NOT DISTINCT FROM l.{name(c)}" for c in _CONTENT if c != "receipt_id")
    # A till that heard no answer may send the same receipt again under a new id.
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE by_key AS
        SELECT s.line, min(l.receipt_id) AS other, bool_and({alike}) AS is_same
        FROM staged s JOIN stored_near l ON {equal}
        WHERE s.receipt_id <> l.receipt_id AND {by_key[0]} AND {by_key[1]}
        GROUP BY s.line
    """)  # noqa: S608 - names are quoted
    connection.execute("INSERT INTO same SELECT line FROM by_key WHERE is_same")
    connection.execute("INSERT INTO clash SELECT line, other, NULL FROM by_key WHERE NOT is_same")


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


def _clashes(connection: DuckDBPyConnection, limit: int | None) -> tuple[list[Clash], int]:
    every = """
        SELECT line, min(columns) AS columns, min(other) AS other, NULL AS reason FROM clash GROUP BY line
        UNION ALL SELECT line, NULL, NULL, min(reason) FROM unresolved GROUP BY line
    """
    n = _one(connection, f"SELECT count(*) FROM ({every})")  # noqa: S608 - a constant
    rows = connection.execute(
        f"SELECT line, columns, other, reason FROM ({every}) ORDER BY line" + (f" LIMIT {limit}" if limit else "")  # noqa: S608 - a constant
    ).fetchall()
    return [_clash(*row) for row in rows], n


def _clash(line: int, columns: str | None, other: str | None, reason: str | None) -> Clash:
    if reason is not None:
        return Clash(line, "refers_to", Message(reason, REASONS[reason]))
    return Clash(line, "receipt", _reason(columns, other))


def _reason(columns: str | None, other: str | None) -> Message:
    if columns is not None:
        fields = dict.fromkeys(FIELD_OF.get(column, column) for column in columns.split(", "))
        return Message("stored_with_other_content", _OTHER_CONTENT, {"columns": ", ".join(fields)})
    return Message("stored_under_other_id", _OTHER_ID, {"other": other})


def _write_new_rows(connection: DuckDBPyConnection, month: str, file: Path, batch_id: str, now: datetime) -> int:
    """Write the new receipts of one month in a fixed order; returns how many."""
    columns = ", ".join(name(c) for c in _CONTENT)
    has = {row[0] for row in connection.execute("DESCRIBE staged").fetchall()}
    received = "received_at" if "received_at" in has else f"{literal(now.isoformat())}::TIMESTAMPTZ"
    batch = "batch_id" if "batch_id" in has else literal(batch_id)
    written = connection.execute(
        f"""
        COPY (
            SELECT {columns}, {received} AS received_at, {batch} AS batch_id
            {_NEW} AND {MONTH} = {literal(month)}
            ORDER BY business_date, store_id, receipt_id
        ) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 61440)
        """
    ).fetchone()
    return int(written[0]) if written else 0


def _of_its_own(staged: Path) -> list[str]:
    """Which of the columns that say how a receipt came the staged rows carry themselves."""
    return [c for c in ("received_at", "batch_id") if c in pq.read_schema(staged).names]


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    found = connection.execute(sql).fetchone()
    return int(found[0]) if found else 0
