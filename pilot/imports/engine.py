"""The engine that compares staged rows set-wise: DuckDB in process, within a fixed amount of memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pilot.imports.errors import EngineStopped

MEMORY = "96MB"
_ROWS_A_PART = 500_000


@contextmanager
def engine(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory DuckDB that spills into ``spill`` and answers times in UTC; ``EngineStopped``: no room."""
    spill.mkdir(parents=True, exist_ok=True)
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": 1,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,  # rows carry their line; keeping their order costs memory
    }
    with duckdb.connect(":memory:", config=options) as connection:
        connection.execute("SET TimeZone = 'UTC'")
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


def table(path: Path) -> str:
    """A staged file as a SQL table expression."""
    return f"read_parquet({literal(str(path))})"


def row(columns: Sequence[str], alias: str) -> str:
    """``columns`` of ``alias`` as one comparable value."""
    return "row(" + ", ".join(f"{alias}.{name(c)}" for c in columns) + ")"


def parts(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Into how many parts a comparison of the staged file must be cut to stay within ``MEMORY``."""
    return _count(connection, f"SELECT count(*) FROM {table(path)}") // _ROWS_A_PART + 1  # noqa: S608 - quoted


def in_part(columns: Sequence[str], alias: str, part: int, of: int) -> str:
    """The condition that a row of ``alias`` belongs to this part; rows with equal ``columns`` share a part."""
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
    for place, key in enumerate(keys):
        given = " AND ".join(f"t.{name(c)} IS NOT NULL" for c in key)
        columns = ", ".join(f"t.{name(c)}" for c in key)
        joined = " AND ".join(f"t.{name(c)} = d.{name(c)}" for c in key)
        window = f"(PARTITION BY {columns})"
        for part in range(of):
            here = in_part(key, "t", part, of)
            connection.execute(f"""
                INSERT INTO doubled
                WITH d AS (
                    SELECT {columns} FROM {table(path)} t WHERE {given} AND {here} GROUP BY ALL HAVING count(*) > 1
                )
                SELECT t.line,
                       CASE WHEN t.line = min(t.line) OVER {window} THEN max(t.line) OVER {window}
                            ELSE min(t.line) OVER {window} END,
                       (count(DISTINCT {row(content, "t")}) OVER {window}) > 1,
                       {place}
                FROM {table(path)} t JOIN d ON {joined} WHERE {here}
            """)  # noqa: S608 - names and paths are quoted above


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
