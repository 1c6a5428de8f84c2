"""Ibis on Spark with Arrow both ways: a detour over pandas would turn whole numbers with gaps into floats."""

import warnings
from typing import Any


def arrow_backend(session: Any) -> Any:
    """The Ibis backend of a Spark session: results come as Arrow, tables in memory go as Arrow.

    Executors need no Python for either.
    """
    with warnings.catch_warnings():
        # pyspark warns that it does not know pandas 3 well; nothing here passes through pandas.
        warnings.simplefilter("ignore", FutureWarning)
        from ibis.backends.pyspark import Backend
    from ibis.formats.pyarrow import PyArrowData

    class ArrowBackend(Backend):  # type: ignore[misc]  # ibis ships no types
        def to_pyarrow(self, expr: Any, /, *, params: Any = None, limit: int | str | None = None, **kwargs: Any) -> Any:
            self._run_pre_execute_hooks(expr)
            table = expr.as_table()
            sql = self.compile(table, params=params, limit=limit, **kwargs)
            found = PyArrowData.convert_table(self._session.sql(sql).toArrow(), table.schema())
            return expr.__pyarrow_result__(found)

        def _register_in_memory_table(self, op: Any) -> None:
            self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)

    return ArrowBackend().connect(session)
