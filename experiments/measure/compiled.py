"""Questions that are asked of a few rows again and again: to put them into SQL takes longer than to answer them.

The SQL of a question is made once in a process. Only DuckDB is asked so; another engine gets the expression itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    import pyarrow as pa

_MOST = 256
_made: OrderedDict[Hashable, tuple[str, ibis.Schema]] = OrderedDict()
_changing = threading.Lock()


def fetched(
    backend: Any, key: Hashable, build: Callable[..., ir.Table], tables: Mapping[str, ir.Table | pa.Table]
) -> pa.Table:
    """The rows of ``build(**tables)``. ``key`` says all on which it depends beside the tables and their columns."""
    import ibis
    import pyarrow as pa

    if backend.name != "duckdb":
        of_engine = {name: ibis.memtable(t) if isinstance(t, pa.Table) else t for name, t in tables.items()}
        found: pa.Table = build(**of_engine).to_pyarrow()
        return found
    with _asked(backend, key, build, tables) as (sql, schema):
        answer: pa.Table = backend.con.execute(sql).fetch_arrow_table().cast(schema.to_pyarrow())
        return answer


def written(
    backend: Any,
    key: Hashable,
    build: Callable[..., ir.Table],
    tables: Mapping[str, ir.Table | pa.Table],
    path: Path,
    **options: Any,
) -> None:
    """Write the rows that ``fetched`` would give to a Parquet file of DuckDB; ``options`` are those of its COPY."""
    with _asked(backend, key, build, tables) as (sql, schema):
        backend.sql(sql, schema=schema).to_parquet(path, **options)


@contextmanager
def _asked(
    backend: Any, key: Hashable, build: Callable[..., ir.Table], tables: Mapping[str, ir.Table | pa.Table]
) -> Iterator[tuple[str, ibis.Schema]]:
    """The SQL of a question and the types of its answer, while its tables have the names it calls them by."""
    import pyarrow as pa

    schemas = {name: _schema(table) for name, table in tables.items()}
    try:
        for name, table in tables.items():
            if isinstance(table, pa.Table):
                backend.con.register(_named(name), table)
            else:
                backend.con.execute(f"CREATE OR REPLACE TEMP VIEW {_named(name)} AS {backend.compile(table)}")
        yield _sql((key, tuple(schemas.items())), build, schemas)
    finally:
        for name, table in tables.items():
            if isinstance(table, pa.Table):
                backend.con.unregister(_named(name))  # or it would be held as long as the engine
            else:
                backend.con.execute(f"DROP VIEW IF EXISTS {_named(name)}")


def _sql(key: Hashable, build: Callable[..., ir.Table], schemas: Mapping[str, Any]) -> tuple[str, ibis.Schema]:
    import ibis

    with _changing:
        if key in _made:
            _made.move_to_end(key)
            return _made[key]
    asked = build(**{name: ibis.table(schema, name=_named(name)) for name, schema in schemas.items()})
    made = str(ibis.to_sql(asked, dialect="duckdb")), asked.schema()
    with _changing:
        _made[key] = made
        while len(_made) > _MOST:
            _made.popitem(last=False)
    return made


def _schema(table: ir.Table | pa.Table) -> Any:
    import ibis
    import pyarrow as pa

    return ibis.Schema.from_pyarrow(table.schema) if isinstance(table, pa.Table) else table.schema()


def _named(name: str) -> str:
    return f"asked_{name}"
