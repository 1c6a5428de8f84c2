"""The engine that compares staged rows set-wise: DuckDB in process, within a fixed amount of memory."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.imports.errors import EngineStopped

MEMORY = "320MB"
_ROWS_A_PART = 4_000_000
_PARTS = "rows-*.parquet"
_LEFT_OUT = "left-out.parquet"


@contextmanager
def engine(spill: Path, filesystem: Any | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory DuckDB that spills into ``spill`` and answers times in UTC; ``EngineStopped``: no room.

    ``filesystem``: where the lake is, if it is not on this machine (fsspec).
    """
    spill.mkdir(parents=True, exist_ok=True)
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": os.cpu_count() or 1,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,  # rows carry their line; keeping their order costs memory
    }
    with duckdb.connect(":memory:", config=options) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if filesystem is not None:
            connection.register_filesystem(filesystem)
        try:
            yield connection
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise EngineStopped(problem=str(error).splitlines()[0]) from error


def name(column: str) -> str:
    """``column`` as a quoted SQL name."""
    return '"' + column.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as a quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"


def staged_parts(staged: Path) -> list[Path]:
    """The files in which the rows of an import are staged: the first one, and those beside it."""
    return [staged, *sorted(staged.parent.glob(_PARTS))]


def table(staged: Path | Sequence[Path]) -> str:
    """Staged rows as a SQL table expression, without those that were left out."""
    if not isinstance(staged, Path):
        return f"read_parquet([{', '.join(literal(str(path)) for path in staged)}])"
    parts = table(staged_parts(staged))
    left_out = staged.with_name(_LEFT_OUT)
    if not left_out.is_file():
        return parts
    return f"(SELECT * FROM {parts} p ANTI JOIN read_parquet({literal(str(left_out))}) o ON p.line = o.line)"  # noqa: S608 - quoted


def leave_out(connection: duckdb.DuckDBPyConnection, staged: Path, lines: str) -> int:
    """From now on ``table`` is without ``lines`` (a SQL query of line numbers). Returns how many rows went."""
    left_out = staged.with_name(_LEFT_OUT)
    earlier = f"SELECT line FROM read_parquet({literal(str(left_out))}) UNION ALL " if left_out.is_file() else ""  # noqa: S608 - quoted
    n = _count(connection, f"SELECT count(DISTINCT line) FROM ({lines})")  # noqa: S608 - our own query
    if n:
        more = left_out.with_suffix(".rest")
        every = f"{earlier}SELECT DISTINCT line FROM ({lines})"  # noqa: S608 - our own query
        connection.execute(f"COPY ({every}) TO {literal(str(more))} (FORMAT parquet)")
        more.replace(left_out)
    return n


def row(columns: Sequence[str], alias: str) -> str:
    """``columns`` of ``alias`` as one comparable value."""
    return "row(" + ", ".join(f"{alias}.{name(c)}" for c in columns) + ")"


def parts(connection: duckdb.DuckDBPyConnection, path: Path | Sequence[Path]) -> int:
    """Into how many parts a comparison of the staged file must be cut to stay within ``MEMORY``."""
    return _count(connection, f"SELECT count(*) FROM {table(path)}") // _ROWS_A_PART + 1  # noqa: S608 - quoted


def in_part(columns: Sequence[str], alias: str, part: int, of: int) -> str:
    """The condition that a row of ``alias`` belongs to this part; rows with equal ``columns`` share a part."""
    if of == 1:
        return "true"
    return f"hash({', '.join(f'{alias}.{name(c)}' for c in columns)}) % {of} = {part}"


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
            connection.register("likely", pa.table({"hashed": pa.array(likely)}))
            window = f"(PARTITION BY {', '.join(f't.{name(c)}' for c in key)})"
            connection.execute(f"""
                INSERT INTO doubled
                SELECT t.line,
                       CASE WHEN t.line = min(t.line) OVER {window} THEN max(t.line) OVER {window}
                            ELSE min(t.line) OVER {window} END,
                       (count(DISTINCT {row(content, "t")}) OVER {window}) > 1,
                       {place}
                FROM {table(path)} t
                WHERE {_given(key)} AND {in_part(key, "t", part, of)} AND {_hashed(key)} IN (SELECT hashed FROM likely)
                QUALIFY count(*) OVER {window} > 1
            """)  # noqa: S608 - names and paths are quoted above
            connection.unregister("likely")


def _likely_doubled(
    connection: duckdb.DuckDBPyConnection, path: Path, key: Sequence[str], part: int, of: int
) -> npt.NDArray[np.uint64]:
    """The hashes of ``key`` that come more than once: few rows share a hash, and only these are looked at again."""
    with connection:
        here = f"{_given(key)} AND {in_part(key, 't', part, of)}"
        query = f"SELECT {_hashed(key)} AS hashed FROM {table(path)} t WHERE {here}"  # noqa: S608 - quoted
        hashes: npt.NDArray[np.uint64] = np.asarray(connection.execute(query).fetchnumpy()["hashed"])
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _given(key: Sequence[str]) -> str:
    return " AND ".join(f"t.{name(c)} IS NOT NULL" for c in key)


def _hashed(key: Sequence[str]) -> str:
    # The engine's hash of one text is the same for many that are alike; with its reverse beside it, for none.
    turned = f", reverse(t.{name(key[0])}::VARCHAR)" if len(key) == 1 else ""
    return f"hash({', '.join(f't.{name(c)}' for c in key)}{turned})"


def drop_lines(connection: duckdb.DuckDBPyConnection, path: Path, lines: str) -> int:
    """Rewrite the staged file at ``path`` without ``lines`` (a SQL query of line numbers).

    Returns how many rows went.
    """
    n = _count(connection, f"SELECT count(DISTINCT line) FROM ({lines})")  # noqa: S608 - our own query
    if n:
        rest = path.with_suffix(".rest")
        sql = f"""
            COPY (SELECT * FROM {table(path)} t WHERE t.line NOT IN ({lines})) TO {literal(str(rest))} (FORMAT parquet)
        """  # noqa: S608 - the paths are quoted above
        connection.execute(sql)
        rest.replace(path)
    return n


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    found = connection.execute(sql).fetchone()
    return int(found[0]) if found else 0
