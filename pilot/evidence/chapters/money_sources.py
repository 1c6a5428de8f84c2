"""What the account of money is made from: the money of drawn stores and regions, or that of drawn customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from experiments.look.money import MoneyEffect, customer_money_effect, money_effect
from experiments.measure.customer_money import CustomerMoney, customer_money
from experiments.measure.unit_money import MarginBasis, UnitMoney, margin_basis, unit_money
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.planning.plan_parts import Economics

if TYPE_CHECKING:
    import ibis.expr.types as ir


class MoneySource(Protocol):
    """The money of what was drawn, variant by variant."""

    @property
    def basis(self) -> MarginBasis:
        """Where the margin comes from."""

    @property
    def margin_rate(self) -> float:
        """What goods earned before the offer took its part, per unit of sales before it did."""

    def effect(self, variant: str) -> MoneyEffect:
        """The effect on money. Raises ``NotEstimable``."""

    def identified_minor(self, variant: str) -> int:
        """Sales in the window that carry a customer of the variant."""

    def receipts(self, variant: str) -> ir.Table:
        """Receipts of the window that carry a customer of the variant."""

    def listed(self, variant: str) -> int:
        """Customers of the variant that were listed before the start."""

    def treated(self) -> int:
        """Stores or customers that get any of the variants."""

    def ready_stores(self, variant: str) -> Fraction:
        """The stores that are made ready for the variant; its part of them, where they serve others, too."""


def money_source(inputs: ChapterInputs, given: Economics) -> MoneySource:
    """By what was drawn. Raises ``NotEstimable`` where no margin is known."""
    if inputs.population.customers is not None:
        return OfCustomers(inputs, customer_money(inputs.amounts, given.margin_share))
    of_stores = inputs.population.stores.column("unit").to_pylist()
    sizes = {unit: of_stores.count(unit) for unit in inputs.population.units}
    basis = margin_basis(inputs.visits, inputs.population.units, given.margin_share)
    return OfStores(inputs, basis, unit_money(inputs.visits, sizes, basis=basis, margin_share=given.margin_share))


@dataclass(frozen=True)
class OfStores:
    """The money of stores or regions: all receipts of theirs count, whoever bought."""

    inputs: ChapterInputs
    basis: MarginBasis
    money: tuple[UnitMoney, ...]

    @cached_property
    def margin_rate(self) -> float:
        sales = sum(row.sales_minor + row.discount_minor for row in self.money)
        return sum(row.margin_minor + row.discount_minor for row in self.money) / sales if sales > 0 else 0.0

    def effect(self, variant: str) -> MoneyEffect:
        days, before = self.inputs.window.days, self.inputs.before.days
        return money_effect(self.inputs.look_plan, self.money, variant, days=days, days_before=before)

    def identified_minor(self, variant: str) -> int:
        return sum(row.identified_net_minor for row in self._of(variant))

    def receipts(self, variant: str) -> ir.Table:
        wanted = {row.unit for row in self._of(variant)}
        rows = self.inputs.population.stores.select(["store_id", "unit"]).to_pylist()
        t = _in_window(self.inputs)
        return t.filter(t.store_id.isin([row["store_id"] for row in rows if row["unit"] in wanted]))

    def listed(self, variant: str) -> int:
        import pyarrow as pa
        import pyarrow.compute as pc

        homes = self.inputs.population.homes.column("unit").cast(pa.string())
        inside: Any = pc.is_in(homes, pa.array([row.unit for row in self._of(variant)], pa.string()))
        return int(pc.sum(inside).as_py() or 0)

    def treated(self) -> int:
        return sum(
            row.n_stores
            for row in self.money
            if self.inputs.population.assignment[row.unit] in self.inputs.plan.treated
        )

    def ready_stores(self, variant: str) -> Fraction:
        return Fraction(sum(row.n_stores for row in self._of(variant)))

    def _of(self, variant: str) -> Sequence[UnitMoney]:
        assignment = self.inputs.population.assignment
        return [row for row in self.money if assignment[row.unit] == variant]


@dataclass(frozen=True)
class OfCustomers:
    """The money of drawn customers: what they show a card for, wherever they buy."""

    inputs: ChapterInputs
    money: CustomerMoney

    @property
    def basis(self) -> MarginBasis:
        return self.money.basis

    @property
    def margin_rate(self) -> float:
        return self.money.margin_rate

    def effect(self, variant: str) -> MoneyEffect:
        return customer_money_effect(self.inputs.look_plan, self.inputs.drawn, self.money, variant)

    def identified_minor(self, variant: str) -> int:
        return int(self.money.sales[self.inputs.drawn.of(variant)].sum())

    def receipts(self, variant: str) -> ir.Table:
        import ibis
        import pyarrow as pa

        mine = pa.array(self.inputs.drawn.of(variant))
        keys = ibis.memtable(self.inputs.customers.select(["customer_key"]).filter(mine))
        return _in_window(self.inputs).semi_join(keys, "customer_key")

    def listed(self, variant: str) -> int:
        return self.inputs.drawn.count(variant)

    def treated(self) -> int:
        return sum(self.inputs.drawn.count(variant) for variant in self.inputs.plan.treated)

    def ready_stores(self, variant: str) -> Fraction:
        """Every store where a drawn customer is at home is made ready once, for all variants together."""
        homes = np.unique(self.inputs.customers.column("home").drop_null().to_numpy())
        return Fraction(len(homes) * self.listed(variant), max(self.treated(), 1))


def _in_window(inputs: ChapterInputs) -> ir.Table:
    t = inputs.receipts
    window = inputs.window
    return t.filter(t.customer_key.notnull() & t.business_date.between(window.first, window.last))
