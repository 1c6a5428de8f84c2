"""What a receipt fact counts as: one table of predicates that every measurement reads, whatever the engine.

A fact is never changed; a later one refers to it. A ``sale`` makes a purchase day. A ``return`` has a negative
``net_minor``. A ``correction`` carries signed differences to an earlier receipt on that receipt's store and day: money,
never a purchase. An ``identification`` says late whose receipt it was: it repeats the receipt's store, day and amounts
with the customer, so customers count it like the receipt itself and stores only count one more identified sale.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir


class FactKind(StrEnum):
    """The kinds of receipt facts."""

    SALE = "sale"
    RETURN = "return"
    CORRECTION = "correction"
    IDENTIFICATION = "identification"


def is_sale(t: ir.Table) -> ir.BooleanColumn:
    """A receipt of goods sold, as its store counts it."""
    return t.kind == FactKind.SALE.value


def is_receipt(t: ir.Table) -> ir.BooleanColumn:
    """A receipt that a till printed: what corrects it or says later whose it was is none of its own."""
    return t.kind.isin([FactKind.SALE.value, FactKind.RETURN.value])


def is_customer_sale(t: ir.Table) -> ir.BooleanColumn:
    """A purchase of the customer it carries: a sale, or a sale (not a return) identified late."""
    return is_sale(t) | ((t.kind == FactKind.IDENTIFICATION.value) & (t.net_minor >= 0))


def is_identified_sale(t: ir.Table) -> ir.BooleanColumn:
    """What makes one more sale of its store an identified one."""
    return is_customer_sale(t) & t.customer_key.notnull()


def counts_in_store(t: ir.Table) -> ir.BooleanColumn:
    """Whether its money counts in the store: a late identification repeats a receipt counted before."""
    return t.kind != FactKind.IDENTIFICATION.value
