"""The engine that compares staged rows set-wise: DuckDB in process, within a fixed amount of memory."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from pilot.imports.errors import EngineStopped

MEMORY = "320MB"
_ROWS_A_PART = 6_000_000
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


def has_left_out(staged: Path) -> bool:
    """Whether rows were left out."""
    return staged.with_name(_LEFT_OUT).is_file()


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
