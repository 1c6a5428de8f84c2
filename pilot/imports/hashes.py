"""Rows that share a key, found by the hashes of their keys: sorted arrays of 64 bits a row, in parts that fit."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.engine import in_part, name, parts, row, table

_BATCH_ROWS = 1_000_000
_REST_BITS = np.uint64(40)

Hashes = npt.NDArray[np.uint64]


def find_doubled(connection: duckdb.DuckDBPyConnection, path: Path, keys: Sequence[Sequence[str]]) -> None:
    """Make the table ``doubled(line, other, differs, key)`` of all rows that share a key with another row.

    ``other`` is the first line with the same key, or the last for the first one itself; ``differs`` says that
    the rows with this key are not equal in every other column; ``key`` is the place in ``keys``. Rows in which
    a part of a key is null do not have that key.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE doubled (line BIGINT, other BIGINT, differs BOOLEAN, key INTEGER)")
    described = connection.execute(f"DESCRIBE SELECT * EXCLUDE (line) FROM {table(path)}").fetchall()  # noqa: S608 - quoted
    content = [column for column, *_ in described]
    of = parts(connection, path)
    for part in range(of):
        with ThreadPoolExecutor(len(keys)) as pool:
            looked = [pool.submit(_likely_doubled, connection.cursor(), path, key, part, of) for key in keys]
        for place, (key, found) in enumerate(zip(keys, looked, strict=True)):
            likely = found.result()
            if not len(likely):
                continue
            connection.register("likely", hash_table(likely))
            window = f"(PARTITION BY {', '.join(f't.{name(c)}' for c in key)})"
            connection.execute(f"""
                INSERT INTO doubled
                SELECT t.line,
                       CASE WHEN t.line = min(t.line) OVER {window} THEN max(t.line) OVER {window}
                            ELSE min(t.line) OVER {window} END,
                       (count(DISTINCT {row(content, "t")}) OVER {window}) > 1,
                       {place}
                FROM {table(path)} t
                WHERE {given(key, "t")} AND {in_part(key, "t", part, of)}
                      AND {hashed(key, "t")} IN (SELECT hashed FROM likely)
                QUALIFY count(*) OVER {window} > 1
            """)  # noqa: S608 - names and paths are quoted above
            connection.unregister("likely")


def _likely_doubled(
    connection: duckdb.DuckDBPyConnection, path: Path, key: Sequence[str], part: int, of: int
) -> Hashes:
    """The hashes of ``key`` that come more than once: few rows share a hash, and only these are looked at again.

    All hashes are kept beside the staged rows: who compares these with others needs them too.
    """
    with connection:
        hashes = sorted_hashes(connection, f"{table(path)} t", key, part, of)
    np.save(_hash_file(path, key, part, of), hashes)
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def staged_hashes(
    connection: duckdb.DuckDBPyConnection, staged: Path | Sequence[Path], key: Sequence[str], part: int, of: int
) -> Hashes:
    """The hashes of ``key`` of all rows in this part, sorted; also of rows that are left out by now."""
    if isinstance(staged, Path) and (kept := _hash_file(staged, key, part, of)).is_file():
        found: Hashes = np.load(kept)
        return found
    return sorted_hashes(connection, f"{table(staged)} t", key, part, of)


def sorted_hashes(
    connection: duckdb.DuckDBPyConnection, rows: str, key: Sequence[str], part: int = 0, of: int = 1
) -> Hashes:
    """The hashes of ``key`` of ``rows`` (a SQL table expression ``… t``), sorted."""
    pieces = list(key_hashes(connection, rows, key, part, of))
    found: Hashes = np.concatenate(pieces) if pieces else np.zeros(0, np.uint64)
    found.sort()
    return found


def meeting_hashes(
    connection: duckdb.DuckDBPyConnection, mine: Hashes, rows: str, key: Sequence[str], part: int, of: int
) -> Hashes:
    """Those of the sorted hashes ``mine`` that some of ``rows`` (a SQL table expression ``… t``) have too, sorted."""
    if not len(mine):
        return mine
    begins = np.zeros(1 << (64 - int(_REST_BITS)), bool)  # most hashes of others do not even begin like one of mine
    begins[mine >> _REST_BITS] = True
    met = []
    for theirs in key_hashes(connection, rows, key, part, of):
        likely = np.sort(theirs[begins[theirs >> _REST_BITS]])
        places = np.searchsorted(mine, likely)
        places[places == len(mine)] = 0
        met.append(likely[mine[places] == likely])
    return np.unique(np.concatenate(met)) if met else mine[:0]


def without(hashes: Hashes, gone: Hashes) -> Hashes:
    """The sorted ``hashes`` without each of the sorted ``gone``, which are among them, once."""
    kept = np.ones(len(hashes), bool)
    kept[np.searchsorted(hashes, gone) + np.arange(len(gone)) - np.searchsorted(gone, gone)] = False
    return hashes[kept]


def key_hashes(
    connection: duckdb.DuckDBPyConnection, rows: str, key: Sequence[str], part: int = 0, of: int = 1
) -> Iterator[Hashes]:
    """The hashes of ``key`` of ``rows`` (a SQL table expression ``… t``), as they come."""
    query = f"SELECT {hashed(key, 't')} FROM {rows} WHERE {given(key, 't')} AND {in_part(key, 't', part, of)}"  # noqa: S608 - quoted
    for batch in connection.execute(query).fetch_record_batch(_BATCH_ROWS):
        found: Hashes = batch.column(0).to_numpy()
        yield found


def hash_table(hashes: Hashes) -> pa.Table:
    """``hashes`` as a table with the column ``hashed``."""
    return pa.table({"hashed": pa.array(hashes)})


def _hash_file(staged: Path, key: Sequence[str], part: int, of: int) -> Path:
    return staged.with_name(f"hashes-{'-'.join(key)}-{part}-{of}.npy")


def given(key: Sequence[str], alias: str) -> str:
    """The condition that every part of the key is there."""
    return " AND ".join(f"{alias}.{name(c)} IS NOT NULL" for c in key)


def hashed(key: Sequence[str], alias: str) -> str:
    """The hash of a key, in SQL."""
    # The engine's hash of one text is the same for many that are alike; with its reverse beside it, for none.
    turned = f", reverse({alias}.{name(key[0])}::VARCHAR)" if len(key) == 1 else ""
    return f"hash({', '.join(f'{alias}.{name(c)}' for c in key)}{turned})"
