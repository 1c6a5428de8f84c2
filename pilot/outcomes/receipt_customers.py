"""Customers of staged receipts → keys: distinct ids only, looked up in large bites, kept beside the staged rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from sqlalchemy.orm import Session

from pilot.imports.engine import engine, literal, table
from pilot.network.people import allot_customer_keys, known_keys

_KNOWN, _ALLOTTED = "keys.parquet", "keys-allotted.parquet"
_BITE = 50_000
_FIELDS: list[Any] = [pa.field("customer", pa.string()), pa.field("key", pa.int64())]
_SCHEMA = pa.schema(_FIELDS)


def write_known_keys(session: Session, staged: Path) -> None:
    """Keep the keys of all customers of the staged rows who have one."""
    with engine(staged.parent / "spill") as connection:
        ids = f"SELECT DISTINCT customer FROM {table(staged)} WHERE customer IS NOT NULL"  # noqa: S608 - quoted
        _write(session, staged.with_name(_KNOWN), _bites(connection, ids))


def allot_missing_keys(session: Session, staged: Path) -> None:
    """Give every customer of the staged rows without a key one, in natural order; keep these keys too."""
    if not staged.with_name(_KNOWN).is_file():  # staged by an earlier version
        write_known_keys(session, staged)
    with engine(staged.parent / "spill") as connection:
        known = f"read_parquet({literal(str(staged.with_name(_KNOWN)))})"
        missing = f"""
            SELECT DISTINCT t.customer FROM {table(staged)} t ANTI JOIN {known} k ON k.customer = t.customer
            WHERE t.customer IS NOT NULL
        """  # noqa: S608 - quoted
        ids = [external for bite in _bites(connection, missing) for external in bite]
    allot_customer_keys(session, ids)
    bites = (ids[start : start + _BITE] for start in range(0, len(ids), _BITE))
    _write(session, staged.with_name(_ALLOTTED), bites)


def key_files(session: Session, staged: Path) -> list[Path]:
    """The files that hold the keys of the staged rows' customers."""
    if not staged.with_name(_KNOWN).is_file():  # staged by an earlier version
        write_known_keys(session, staged)
    return [path for path in (staged.with_name(_KNOWN), staged.with_name(_ALLOTTED)) if path.is_file()]


def _bites(connection: DuckDBPyConnection, sql: str) -> Iterator[list[str]]:
    for batch in connection.execute(sql).fetch_record_batch(_BITE):
        ids: list[Any] = batch.column(0).to_pylist()
        yield ids


def _write(session: Session, path: Path, bites: Iterator[list[str]]) -> None:
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        for bite in bites:
            found = known_keys(session, bite)
            writer.write_table(pa.table({"customer": list(found), "key": list(found.values())}, schema=_SCHEMA))
