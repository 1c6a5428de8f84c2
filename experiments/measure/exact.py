"""Exact arithmetic inside the engine: whole numbers never become floats and never overflow, on any number of threads.

Sums are taken over ``decimal(38,0)``, which every engine adds exactly in any order. Products of 64-bit numbers are
taken in 64 bits where both factors are small enough and in ``decimal(38,0)`` where they are not, row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

EXACT = "decimal(38,0)"
_SMALL = 3_000_000_000  # its square is below 2**63


def exact_sum(expression: Any) -> Any:
    """The sum of whole numbers as an exact decimal, zero where there is nothing to add."""
    import ibis

    return ibis.coalesce(expression.cast(EXACT).sum().cast(EXACT), ibis.literal(0).cast(EXACT))


def exact_product(a: ir.IntegerValue, b: ir.IntegerValue) -> Any:
    """``a`` times ``b`` of each row as an exact decimal."""
    small = a.between(-_SMALL, _SMALL) & b.between(-_SMALL, _SMALL)
    return small.ifelse((a * b).cast(EXACT), a.cast(EXACT) * b.cast(EXACT)).cast(EXACT)
