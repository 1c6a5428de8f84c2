"""Who shops where: one pass over receipts gives exact sums by home unit, visited unit and period.

A receipt that was identified late counts with the customer's home, and is taken from everybody else's: so listed
customers count as they do everywhere, and the sums over homes are what the visited stores counted, to the digit.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from experiments.measure.exact import whole_sum
from experiments.measure.facts import counts_in_store, is_customer_sale, is_identified_sale, is_receipt
from experiments.measure.listed import listed_customers, require_once
from experiments.measure.windows import Window

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

BEFORE, WINDOW = "before", "window"
AMOUNTS = (
    "net_minor",
    "vat_minor",
    "discount_minor",
    "cost_minor",
    "cost_known_net_minor",
    "reward_minor",
    "full_price_net_minor",
    "sales",
    "receipts",
)
IDENTIFIED = ("identified_sales", "identified_net_minor")
COLUMNS = (*AMOUNTS, *IDENTIFIED, "customers")
_NOBODY, _NOWHERE = -1, -1


def visit_sums(receipts: ir.Table, *, homes: pa.Table, stores: pa.Table, window: Window, before: Window) -> pa.Table:
    """One row per home, visited unit and period where anything is known: ``home``, ``at``, ``period``, ``COLUMNS``.

    ``homes`` (``customer_key``, ``unit``) lists customers with their home unit, ``stores`` (``store_id``, ``unit``)
    says which stores make a unit. ``home`` is null for everybody who is not listed, ``at`` is null for stores of no
    unit, ``period`` is "before" or "window"; rows are in this order, nulls last. All columns are 64-bit whole numbers:
    ``cost_minor`` adds up the facts that carry a cost and ``cost_known_net_minor`` the net sales of the same facts,
    ``full_price_net_minor`` those of facts without a discount, ``identified_sales`` the sales that carry a customer
    and ``identified_net_minor`` the net sales of facts that do,
    and ``customers`` counts the different ones with a sale in the cell (it does not add up). ``receipts`` has the
    columns of the lake. Raises ``DuplicateUnit`` for a customer or a store that is listed twice.
    """
    import ibis
    import pyarrow as pa

    listed = listed_customers(homes, ("unit",))
    require_once(stores.column("store_id").to_numpy(zero_copy_only=False), "store_id")
    unit_of = [str(unit) for unit in stores.column("unit").to_pylist()]
    units = sorted(set(unit_of))
    place_of = pa.array([units.index(unit) for unit in unit_of], pa.int32())
    places = stores.select(["store_id"]).append_column("place", place_of)
    facts = _facts(receipts, window, before)
    customers, visited = ibis.memtable(listed.table.select(["customer_key", "cell"])), ibis.memtable(places)
    t = facts.left_join(customers, "customer_key").select(*facts.columns, "cell")
    t = t.left_join(visited, "store_id").select(*t.columns, "place")
    t = t.mutate(cell=t.cell.fill_null(_NOBODY), place=t.place.fill_null(_NOWHERE))
    found = t.group_by("cell", "place", "in_window").aggregate(
        **{name: whole_sum(t[name]) for name in (*AMOUNTS, *map(_late, AMOUNTS), *IDENTIFIED)},
        customers=t.customer_key.nunique(where=t.bought),
    )
    return _table(found.to_pyarrow(), [label[0] for label in listed.labels], units)


def visitors(
    receipts: ir.Table, *, homes: pa.Table, stores: pa.Table, window: Window, before: Window
) -> dict[tuple[str, str | None, str], int]:
    """How many different listed customers bought, by home, visited unit (None: stores of no unit) and period.

    ``homes`` and ``stores`` as in ``visit_sums``, whose numbers of customers do not add up over units.
    """
    import ibis

    listed = listed_customers(homes, ("unit",))
    customers = ibis.memtable(listed.table.select(["customer_key", "cell"]))
    where = ibis.memtable(stores.select(["store_id"]).append_column("at", stores.column("unit").cast("string")))
    t = receipts.filter(_inside(receipts, window) | _inside(receipts, before))
    t = t.filter(is_customer_sale(t)).select("customer_key", "store_id", in_window=_inside(t, window))
    t = t.join(customers, "customer_key").select("customer_key", "store_id", "in_window", "cell")
    t = t.left_join(where, "store_id").select("customer_key", "in_window", "cell", "at").distinct()
    found = t.group_by("cell", "at", "in_window").aggregate(n=t.count()).to_pyarrow().to_pylist()
    return {
        (str(listed.labels[row["cell"]][0]), row["at"], WINDOW if row["in_window"] else BEFORE): row["n"]
        for row in found
    }


def _inside(receipts: ir.Table, window: Window) -> ir.BooleanValue:
    return receipts.business_date.between(window.first, window.last)


def _facts(receipts: ir.Table, window: Window, before: Window) -> ir.Table:
    """What each fact of the two periods adds: as its customer counts it, and that part of it which was told late."""
    import ibis

    t = receipts.filter(_inside(receipts, window) | _inside(receipts, before))
    late, has_cost = ~counts_in_store(t), t.cost_minor.notnull()
    amounts = {
        **{name: t[name] for name in ("net_minor", "vat_minor", "discount_minor", "reward_minor")},
        "cost_minor": ibis.coalesce(t.cost_minor, ibis.literal(0, "int64")),
        "cost_known_net_minor": has_cost.ifelse(t.net_minor, 0),
        "full_price_net_minor": (t.discount_minor == 0).ifelse(t.net_minor, 0),
        "sales": is_customer_sale(t).cast("int64"),
        "receipts": (is_receipt(t) | late).cast("int64"),
    }
    return t.select(
        "customer_key",
        "store_id",
        in_window=_inside(t, window),
        bought=is_customer_sale(t),
        identified_sales=is_identified_sale(t).cast("int64"),
        identified_net_minor=t.customer_key.notnull().ifelse(t.net_minor, 0),
        **amounts,
        **{_late(name): late.ifelse(amount, 0) for name, amount in amounts.items()},
    )


def _late(name: str) -> str:
    """The part of a sum that comes from late identifications: their stores counted it before, with nobody's name."""
    return f"late_{name}"


def _table(found: pa.Table, homes: list[str | None], units: list[str]) -> pa.Table:
    import pyarrow as pa

    sums: dict[tuple[int, int, bool], dict[str, int]] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    for row in found.to_pylist():
        place, in_window = row["place"], row["in_window"]
        own = sums[row["cell"], place, in_window]
        for name in COLUMNS:
            own[name] += row[name]
        everybody_else = sums[_NOBODY, place, in_window]
        for name in AMOUNTS:
            everybody_else[name] -= row[_late(name)]
    labels = [(homes[cell] if cell >= 0 else None, units[place] if place >= 0 else None) for cell, place, _ in sums]
    rows: list[dict[str, Any]] = [
        {"home": home, "at": at, "period": WINDOW if in_window else BEFORE, **columns}
        for (home, at), ((_, _, in_window), columns) in zip(labels, sums.items(), strict=True)
        if any(columns.values())
    ]
    rows.sort(
        key=lambda row: (row["home"] is None, row["home"] or "", row["at"] is None, row["at"] or "", row["period"])
    )
    fields: list[Any] = [pa.field(name, pa.string()) for name in ("home", "at", "period")]
    fields += [pa.field(name, pa.int64()) for name in COLUMNS]
    return pa.Table.from_pylist(rows, pa.schema(fields))
