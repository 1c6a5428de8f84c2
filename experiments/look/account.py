"""Real or just swiped: the effect on the store total as the sum of its effect on and outside the list of customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np

from experiments.design.acceptance import acceptance_of
from experiments.errors import NotEstimable
from experiments.estimate.account import MICRO, UnitSums, exact_effects, rounded
from experiments.estimate.estimate import Estimate, Interval
from experiments.estimate.moved import Crossings, moved
from experiments.estimate.redraws import Redraws, redraws
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import Floats, UnitTable, unit_table
from experiments.look.plan import LookPlan
from experiments.look.rows import CONFIDENCE_LEVEL, unit_effect
from experiments.measure.metrics import store_total
from experiments.measure.unit_moments import UnitMoments
from experiments.messages import Message

_WEEK = 7


class Part(StrEnum):
    """The rows of an account: the store total is listed customers and everything else."""

    TOTAL = "total"
    LISTED = "listed"
    OUTSIDE = "outside"


class CardShowing(StrEnum):
    """A fall outside the list: shown by the interval, or the point estimate alone while the listed rise."""

    SHOWN = "shown"
    HINTED = "hinted"


@dataclass(frozen=True, slots=True)
class UnitSales:
    """One unit's sales, minor units: to listed customers and to everybody else, in the window and ``before``.

    ``days`` are its store-days: stores times days."""

    unit: str
    days: int
    days_before: int
    listed: int
    outside: int
    before: int


@dataclass(frozen=True, slots=True)
class AccountRow:
    """``effect_micro`` is the exact effect in millionths of a minor unit per store-week, ``whole_minor`` the same over
    all treated store-days in minor units; each adds up over the parts. ``estimate`` has the p-value and the interval,
    ``interval_gate`` the gate's; None where ``refusal`` says why."""

    part: Part
    effect_micro: int
    whole_minor: int
    estimate: Estimate | None
    interval_gate: Interval | None
    refusal: Message | None


@dataclass(frozen=True, slots=True)
class Account:
    """The three rows for one variant, with what they share. ``adjusted``: by the store total before the start."""

    variant: str
    rows: tuple[AccountRow, ...]
    n_units: int
    treated_days: int
    adjusted: bool
    gate_confidence: float

    def row(self, part: Part) -> AccountRow:
        """The row of ``part``."""
        return next(row for row in self.rows if row.part is part)

    @property
    def card_showing(self) -> CardShowing | None:
        """The signature of a card that is shown more often: sales outside the list fall."""
        outside, listed = self.row(Part.OUTSIDE), self.row(Part.LISTED)
        upper = outside.estimate.interval[1] if outside.estimate else None
        if upper is not None and upper < 0.0:
            return CardShowing.SHOWN
        return CardShowing.HINTED if outside.effect_micro < 0 < listed.effect_micro else None

    def rose(self, part: Part) -> bool:
        """Whether the gate's interval of ``part`` lies above zero."""
        gate = self.row(part).interval_gate
        return gate is not None and gate[0] is not None and gate[0] > 0.0

    @property
    def sold_more(self) -> bool:
        """Whether more was sold: in total, or outside the list, where cards that are shown more often cannot raise
        anything."""
        return self.rose(Part.TOTAL) or self.rose(Part.OUTSIDE)


@dataclass(frozen=True, slots=True)
class Moved:
    """The effect on what treated-home customers buy in control stores, minor units per store-week of their home.

    ``mean_variant`` is what they spent there."""

    effect: float
    interval: Interval
    interval_gate: Interval
    p_value: float
    mean_variant: float
    n_units: int


def account(plan: LookPlan, sales: Sequence[UnitSales], variant: str, *, gate_confidence: float) -> Account:
    """The account of ``variant``: one regression for all three rows, with the store total before as covariate.

    Units, blocks, covariate and redraws are those of the report's row of the store total, so the first row is that
    row. Raises ``NotEstimable`` where the store total cannot be estimated.
    """
    moments = {part: [_moments(unit, part) for unit in sales] for part in Part}
    table = _table(plan, moments[Part.TOTAL], variant)
    adjusted = fit(table).adjusted
    by_unit = {unit.unit: unit for unit in sales}
    rows = [by_unit[name] for name in table.units]
    sums = [
        UnitSums(bool(t), int(block), row.days, row.days_before, row.before if adjusted else None,
                 (row.listed, row.outside))
        for row, t, block in zip(rows, table.treated, table.block, strict=True)
    ]  # fmt: skip
    treated_days = sum(unit.days for unit in sums if unit.treated)
    exact = exact_effects(sums)
    micro, micro_parts = rounded([effect * MICRO for effect in exact])
    whole, whole_parts = rounded([effect * Fraction(treated_days, _WEEK) for effect in exact])
    shown = zip(Part, (micro, *micro_parts), (whole, *whole_parts), strict=True)
    found = tuple(
        _row(plan, part, moments[part], variant, (effect, over_all), gate_confidence)
        for part, effect, over_all in shown
    )
    if found[0].refusal is not None:
        raise NotEstimable(found[0].refusal)
    return Account(variant, found, table.n_units, treated_days, adjusted, gate_confidence)


def moved_sales(
    plan: LookPlan, sales: Sequence[UnitSales], crossed: "Crossed", variant: str, *, gate_confidence: float
) -> Moved:
    """What moved between the arms of ``variant`` and control, on the units of its account."""
    table = _table(plan, [_moments(unit, Part.TOTAL) for unit in sales], variant)
    treated = table.treated == 1.0
    window, before = crossed.per_store_week(table.units)
    crossings = Crossings(window, before, treated, table.block)
    found = moved(crossings, _redraws(plan, table, variant))
    return Moved(
        found.effect,
        found.interval(CONFIDENCE_LEVEL),
        found.interval(gate_confidence),
        found.p_value(),
        crossings.mean_of_treated,
        table.n_units,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Crossed:
    """Net sales by (home unit, visited unit), minor units, in the window and before, and each unit's store-days."""

    window: dict[tuple[str, str], int]
    before: dict[tuple[str, str], int]
    days: dict[str, tuple[int, int]]

    def per_store_week(self, units: Sequence[str]) -> tuple[Floats, Floats]:
        """Two matrices (n × n) of ``units``: rows homes, columns visited units, per store-week of the home."""
        window, before = np.zeros((len(units), len(units))), np.zeros((len(units), len(units)))
        for i, home in enumerate(units):
            days, days_before = self.days[home]
            for j, at in enumerate(units):
                window[i, j] = self.window.get((home, at), 0) / days * _WEEK
                before[i, j] = self.before.get((home, at), 0) / days_before * _WEEK
        return window, before


def _table(plan: LookPlan, moments: Sequence[UnitMoments], variant: str) -> UnitTable:
    return unit_table(store_total(), moments, mechanism=plan.mechanism, assignment=plan.assignment, variant=variant)


def _redraws(plan: LookPlan, table: UnitTable, variant: str) -> Redraws:
    accept = acceptance_of(plan.mechanism, plan.assignment, variant, table.units)
    return redraws(table, seed=plan.seed, draws=plan.draws, accept=accept)


def _moments(unit: UnitSales, part: Part) -> UnitMoments:
    """A part of the unit's sales in the window, beside its whole total before: the one covariate of all three rows."""
    y = {Part.TOTAL: unit.listed + unit.outside, Part.LISTED: unit.listed, Part.OUTSIDE: unit.outside}[part]
    return UnitMoments(
        unit=unit.unit, n=unit.days, y=y, yy=0, x=unit.before, xx=0, xy=0, n_x=unit.days_before, days=1, days_x=1
    )


def _row(
    plan: LookPlan,
    part: Part,
    moments: Sequence[UnitMoments],
    variant: str,
    exact: tuple[int, int],
    gate_confidence: float,
) -> AccountRow:
    try:
        effect = unit_effect(plan, store_total(), moments, variant)
    except NotEstimable as refused:
        return AccountRow(part, *exact, None, None, refused.message)
    return AccountRow(part, *exact, effect.estimate, effect.inference.interval(gate_confidence), None)
