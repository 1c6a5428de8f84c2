"""Customers of staged receipts → keys: distinct ids only, looked up in large bites, kept beside the staged rows."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from sqlalchemy.orm import Session

from pilot.imports.engine import engine, has_left_out, literal, table
from pilot.network.people import all_keys, allot_customer_keys, highest_key
from pilot.network.queries import customer_keys

_KNOWN, _ALLOTTED, _MISSING = "keys.parquet", "keys-allotted.parquet", "keys-missing.parquet"
_BITE = 50_000
_MANY = 4  # a file that names a quarter of all customers, or more, is compared with all of them
_FIELDS: list[Any] = [pa.field("customer", pa.string()), pa.field("key", pa.int64())]
_SCHEMA = pa.schema(_FIELDS)


def write_known_keys(session: Session, staged: Path) -> None:
    """Keep the keys of all customers of the staged rows who have one, and who has none."""
    known, missing = staged.with_name(_KNOWN), staged.with_name(_MISSING)
    with engine(staged.parent / "spill") as connection:
        connection.execute(f"""
            CREATE TABLE wanted AS SELECT DISTINCT customer FROM {table(staged)} WHERE customer IS NOT NULL
        """)  # noqa: S608 - quoted
        n = int(connection.execute("SELECT count(*) FROM wanted").fetchall()[0][0])
        connection.execute("CREATE TABLE found (customer VARCHAR, key BIGINT)")
        is_many = n * _MANY > highest_key(session)
        for keys in all_keys(session) if is_many else _by_name(session, connection):
            connection.register("bite", keys)
            connection.execute("INSERT INTO found BY NAME FROM bite SEMI JOIN wanted USING (customer)")
            connection.unregister("bite")
        rest = "(SELECT customer, NULL::BIGINT AS key FROM wanted ANTI JOIN found USING (customer))"
        for rows, file in (("found", known), (rest, missing)):
            connection.execute(f"COPY (FROM {rows}) TO {literal(str(file))} (FORMAT parquet)")


def _by_name(session: Session, connection: DuckDBPyConnection) -> Iterator[pa.Table]:
    # In the order of the index: neighbours are found together.
    for bite in _bites(connection.cursor(), "SELECT customer FROM wanted ORDER BY 1"):
        yield _table(customer_keys(session, bite))


def forget_left_out(session: Session, staged: Path) -> None:
    """Whom only rows name that were left out since is given no key."""
    if has_left_out(staged) and pq.read_metadata(staged.with_name(_MISSING)).num_rows:
        write_known_keys(session, staged)


def allot_missing_keys(session: Session, staged: Path) -> None:
    """Give every customer of the staged rows without a key one, in natural order; keep these keys too."""
    if not staged.with_name(_MISSING).is_file():  # staged by an earlier version
        write_known_keys(session, staged)
    ids: list[Any] = pq.read_table(staged.with_name(_MISSING), columns=["customer"]).column(0).to_pylist()
    if not ids:
        return
    allot_customer_keys(session, ids)
    with pq.ParquetWriter(staged.with_name(_ALLOTTED), _SCHEMA) as allotted:
        for start in range(0, len(ids), _BITE):
            _write(allotted, customer_keys(session, ids[start : start + _BITE]))


def key_files(session: Session, staged: Path) -> list[Path]:
    """The files that hold the keys of the staged rows' customers."""
    if not staged.with_name(_KNOWN).is_file():  # staged by an earlier version
        write_known_keys(session, staged)
    return [path for path in (staged.with_name(_KNOWN), staged.with_name(_ALLOTTED)) if path.is_file()]


def _bites(connection: DuckDBPyConnection, sql: str) -> Iterator[list[str]]:
    for batch in connection.execute(sql).fetch_record_batch(_BITE):
        ids: list[Any] = batch.column(0).to_pylist()
        yield ids


def _write(writer: pq.ParquetWriter, keys: Mapping[str, int]) -> None:
    writer.write_table(_table(keys))


def _table(keys: Mapping[str, int]) -> pa.Table:
    return pa.table({"customer": list(keys), "key": list(keys.values())}, schema=_SCHEMA)
