"""Customers of staged receipts → keys: distinct ids only, looked up in large bites, kept beside the staged rows."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from sqlalchemy.orm import Session

from pilot.imports.engine import engine, table
from pilot.network.people import allot_customer_keys, known_keys

_KNOWN, _ALLOTTED, _MISSING = "keys.parquet", "keys-allotted.parquet", "keys-missing.parquet"
_BITE = 50_000
_FIELDS: list[Any] = [pa.field("customer", pa.string()), pa.field("key", pa.int64())]
_SCHEMA = pa.schema(_FIELDS)


def write_known_keys(session: Session, staged: Path) -> None:
    """Keep the keys of all customers of the staged rows who have one, and who has none."""
    # In the order of the index: neighbours are found together.
    ids = f"SELECT DISTINCT customer FROM {table(staged)} WHERE customer IS NOT NULL ORDER BY 1"  # noqa: S608 - quoted
    with (
        engine(staged.parent / "spill") as connection,
        pq.ParquetWriter(staged.with_name(_KNOWN), _SCHEMA) as known,
        pq.ParquetWriter(staged.with_name(_MISSING), _SCHEMA) as missing,
    ):
        for bite in _bites(connection, ids):
            found = known_keys(session, bite)
            _write(known, found)
            if len(found) < len(bite):
                _write(missing, dict.fromkeys(external for external in bite if external not in found))


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
            _write(allotted, known_keys(session, ids[start : start + _BITE]))


def key_files(session: Session, staged: Path) -> list[Path]:
    """The files that hold the keys of the staged rows' customers."""
    if not staged.with_name(_KNOWN).is_file():  # staged by an earlier version
        write_known_keys(session, staged)
    return [path for path in (staged.with_name(_KNOWN), staged.with_name(_ALLOTTED)) if path.is_file()]


def _bites(connection: DuckDBPyConnection, sql: str) -> Iterator[list[str]]:
    for batch in connection.execute(sql).fetch_record_batch(_BITE):
        ids: list[Any] = batch.column(0).to_pylist()
        yield ids


def _write(writer: pq.ParquetWriter, keys: Mapping[str, int | None]) -> None:
    writer.write_table(pa.table({"customer": list(keys), "key": list(keys.values())}, schema=_SCHEMA))
