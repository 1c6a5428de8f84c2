"""Ibis on Spark with Arrow both ways: a detour over pandas would turn whole numbers with gaps into floats."""

from collections.abc import Mapping
from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.backends.pyspark import Backend
from ibis.formats.pyarrow import PyArrowData


class ArrowBackend(Backend):  # type: ignore[misc]  # ibis ships no types
    """Results come as Arrow, and tables in memory go as Arrow; executors need no Python."""

    def to_pyarrow(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **kwargs: Any,
    ) -> Any:
        self._run_pre_execute_hooks(expr)
        table = expr.as_table()
        sql = self.compile(table, params=params, limit=limit, **kwargs)
        found = PyArrowData.convert_table(self._session.sql(sql).toArrow(), table.schema())
        return expr.__pyarrow_result__(found)

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)
