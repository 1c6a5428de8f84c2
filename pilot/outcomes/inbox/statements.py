"""Statements as their driver takes them, rendered once: what every call passes through is not built anew."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.engine import Connection

_Bind = Callable[[Any], Any] | None


class Statement:
    """An insert or a select whose shape never changes."""

    def __init__(self, statement: Any, *names: str) -> None:
        """``statement``: of SQLAlchemy; ``names``: the columns that an insert fills."""
        self._statement, self._names = statement, names
        self._rendered = lru_cache(maxsize=8)(self._render)  # one for each engine of this process

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The rows of a select."""
        return connection.exec_driver_sql(*self.bound(connection.dialect, values)).all()

    def bound(self, dialect: Dialect, values: Mapping[str, Any]) -> tuple[str, Any]:
        """The text and its parameters, as the driver takes them."""
        sql, is_positional, binds = self._rendered(dialect)
        bound = [(name, bind(values[name]) if bind is not None else values[name]) for name, bind in binds]
        return sql, tuple([value for _, value in bound]) if is_positional else dict(bound)

    def _render(self, dialect: Dialect) -> tuple[str, bool, list[tuple[str, _Bind]]]:
        """The text, whether values go by place, and the names in their order with what each value passes through."""
        keys = list(self._names) or None
        compiled = self._statement.compile(dialect=dialect, column_keys=keys)
        order = compiled.positiontup if compiled.positiontup is not None else list(compiled.binds)
        kinds = {name: compiled.binds[name].type.dialect_impl(dialect) for name in order}
        return str(compiled), compiled.positiontup is not None, [(n, kinds[n].bind_processor(dialect)) for n in order]
