"""Whether a stage can prove that its offers pay: the smallest effect that it sees, held against the break-even lift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from experiments.design.mechanisms import CONTROL
from experiments.measure.metrics import AssignmentUnit
from pilot.errors import PilotError
from pilot.planning import spending
from pilot.planning.candidates import Exclusions
from pilot.planning.designer import Design, Visible, design_of, smallest_effect_of
from pilot.planning.economics import Past, store_total_break_even_share
from pilot.planning.errors import (
    BreakEvenUnknown,
    CannotProveBreakEven,
    CannotProveBreakEvenBeside,
    OfferNeverPays,
)
from pilot.planning.metrics import library_metric
from pilot.planning.plan import OUTSIDE_LIST, STORE_TOTAL, Plan
from pilot.words import N_, Message

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake

_SPEND = "spend_per_customer"
_IN_MONEY = (STORE_TOTAL, OUTSIDE_LIST, _SPEND)


@dataclass(frozen=True, slots=True)
class Proving:
    """The dearest variant of a stage: what it must bring (``break_even``) and the least that the stage sees.

    Both are shares of the store total, net of discounts at the till, and beside them money per store and week. Where
    they cannot be compared, ``reason`` says why. ``primary`` and ``metric`` are there where the primary metric is no
    money and ``metric`` was held against the break-even in its place.
    """

    stage: int
    variant: str
    smallest: float | None
    break_even: float | None
    smallest_minor: float | None
    break_even_minor: float | None
    reason: Message | None
    primary: Message | None = None
    metric: Message | None = None

    @property
    def proves(self) -> bool | None:
        """Whether the stage sees its break-even; None where the two cannot be compared."""
        if self.smallest is None or self.break_even is None:
            return None
        return self.smallest <= self.break_even

    @property
    def never_pays(self) -> bool:
        """Whether the reward takes the whole margin, so that no lift pays for it and none can be proven."""
        return self.reason is not None and self.reason.code == _NEVER_PAYS

    @property
    def is_unproven(self) -> bool:
        """Anything but a proof, unless the offer costs nothing that sales must earn back."""
        return self.proves is not True and self.reason != _NOTHING_TO_EARN

    @property
    def error(self) -> CannotProveBreakEven:
        """What refuses the submission; only where ``is_unproven``."""
        if self.never_pays:
            return OfferNeverPays(stage=self.stage, reason=self.reason)
        if self.proves is None:
            return BreakEvenUnknown(stage=self.stage, reason=self.reason)
        if self.metric is not None:
            return CannotProveBreakEvenBeside(stage=self.stage, **self._values)
        return CannotProveBreakEven(stage=self.stage, **self._values)

    @property
    def message(self) -> Message:
        """The comparison as a sentence."""
        if self.proves is None:
            reason = self.reason or _NOT_MEASURED
            is_said = self.never_pays or not self.is_unproven
            return reason if is_said else Message("break_even_unknown", _UNKNOWN, {"reason": reason})
        code = "proves" if self.proves else "proves_not"
        if self.metric is None:
            return Message(code, _SAID[self.proves], self._values)
        return Message(f"{code}_beside", _SAID_BESIDE[self.proves], self._values)

    @property
    def _values(self) -> dict[str, object]:
        beside = {"primary": self.primary, "metric": self.metric} if self.metric is not None else {}
        return {"smallest": self.smallest, "break_even": self.break_even, **beside}


_NEVER_PAYS = "margin_below_reward"
_SAID = {
    True: N_("It sees changes from {smallest:.1%} of sales on, and the offer pays from {break_even:.1%} on."),
    False: N_(
        "It sees changes from {smallest:.1%} of sales on, but the offer pays from {break_even:.1%} on already: a "
        "result in between could not be told from nothing."
    ),
}
_SAID_BESIDE = {
    True: N_(
        "“{primary}” cannot be set against money, so “{metric}” is: it sees changes from {smallest:.1%} on, and the "
        "offer pays from {break_even:.1%} on."
    ),
    False: N_(
        "“{primary}” cannot be set against money, so “{metric}” is: it sees changes from {smallest:.1%} on, but the "
        "offer pays from {break_even:.1%} on already: a result in between could not be told from nothing."
    ),
}
_UNKNOWN = N_("Nothing says whether it can prove its break-even: {reason}")
_NOT_MEASURED = Message("not_measured", N_("what it would see cannot be measured on the past"), {})
_NO_ECONOMICS = Message("no_economics", N_("the plan does not say what the money is reckoned with"), {})
_NOTHING_TO_EARN = Message("nothing_to_earn", N_("the offer costs nothing that sales must earn back"), {})


def unproven(
    session: Session, lake: Lake, plan: Plan, *, excluded: Callable[[int], Exclusions], after: int = 0
) -> tuple[Proving, ...]:
    """The stages after ``after`` that cannot prove their break-even.

    Without those that cannot be drawn at all: no acceptance would help them, and the submission says what would.
    """
    found = []
    for stage in plan.stages:
        if stage.number > after:
            try:
                design = design_of(session, lake, plan, stage.number, excluded=excluded(stage.number))
            except PilotError:
                continue
            found.append(proof_of(lake, plan, stage.number, design))
    return tuple(one for one in found if one.is_unproven)


def proof_of(
    lake: Lake, plan: Plan, number: int, design: Design, *, past: Past | None = None, visible: Visible | None = None
) -> Proving:
    """Measure a stage on the network's past and compare.

    ``past`` and ``visible`` (of the primary metric) are taken where they are known.
    """
    code = in_money(plan)
    if visible is None or visible.metric != code:
        visible = smallest_effect_of(lake, plan, number, design, metric=code)
    return proves_break_even(plan, visible, past or past_of(lake, plan, design))


def in_money(plan: Plan) -> str:
    """The metric that is held against the break-even: the primary where it is money, else the one beside it."""
    if plan.primary in _IN_MONEY:
        return plan.primary
    return _SPEND if plan.unit is AssignmentUnit.CUSTOMER else STORE_TOTAL


def proves_break_even(plan: Plan, visible: Visible, past: Past) -> Proving:
    """Hold what a stage sees (of ``in_money(plan)``) against what its dearest variant must bring in treated stores."""
    stage = visible.stage
    if plan.economics is None:
        return _unknown(stage, plan, _NO_ECONOMICS)
    lifts = {variant: store_total_break_even_share(plan, variant, past) for variant in plan.treated}
    for variant, lift in lifts.items():
        if isinstance(lift, Message):
            return Proving(stage, variant, None, None, None, None, lift)
    known = [(lift, variant) for variant, lift in lifts.items() if not isinstance(lift, Message)]
    lift, variant = max(known, default=(Decimal(0), ""))
    if lift <= 0:
        return _unknown(stage, plan, _NOTHING_TO_EARN)
    if visible.effect is None or visible.relative is None:
        return _unknown(stage, plan, visible.refusal or _NOT_MEASURED)
    per_store = _per_store(visible, past)
    smallest = visible.effect / per_store if visible.metric == OUTSIDE_LIST and per_store else visible.relative
    is_beside = visible.metric != plan.primary
    return Proving(
        stage,
        variant,
        smallest=smallest,
        break_even=float(lift),
        smallest_minor=smallest * per_store if per_store else None,
        break_even_minor=float(lift) * per_store if per_store else None,
        reason=None,
        primary=library_metric(plan.primary).title if is_beside else None,
        metric=library_metric(visible.metric).title if is_beside else None,
    )


def break_even_of(plan: Plan, past: Past) -> Decimal | None:
    """What the dearest variant must bring, as the store total shows it; None where that is not known, or is nothing."""
    if plan.economics is None:
        return None
    lifts = [store_total_break_even_share(plan, variant, past) for variant in plan.treated]
    known = [lift for lift in lifts if not isinstance(lift, Message)]
    dearest = max(known, default=Decimal(0))
    return dearest if dearest > 0 and len(known) == len(lifts) else None


def past_of(lake: Lake, plan: Plan, design: Design) -> Past:
    """What the last weeks say of the stores that the stage would treat, and of how each offer's sales divide."""
    version = design.candidates.version
    period = spending.past_period(lake, version)
    if period is None:
        return Past()
    sales = spending.weekly_sales(lake, version, *period)
    total = sum(variant.weight for variant in plan.variants)
    treated = sum(variant.weight for variant in plan.variants if variant.code != CONTROL)
    drawn = set(design.mechanism.codes)
    if plan.unit is AssignmentUnit.CUSTOMER:
        stores = set(Counter(design.candidates.homes.values()))
    else:
        stores = {i for code, ids in design.candidates.stores.items() if code in drawn for i in ids}
    shares: dict[str, tuple[Decimal, ...]] = {}
    for offer in plan.offers:
        found = spending.sales_shares(lake, version, offer.mechanic, offer.terms)
        if found is not None:
            shares[offer.code] = found
    return Past(
        weekly_sales_minor=sum(sales.get(store, 0) for store in stores) * treated // total,
        treated_stores=len(stores) * treated // total,
        spend_minor=spending.spend_per_customer(lake, version, *period),
        sales_shares=shares,
        margin_share=spending.margin_share(lake, version, *period),
    )


def _per_store(visible: Visible, past: Past) -> float | None:
    """Mean sales per store and week: the metric's own past mean where it is the store total."""
    if visible.metric == STORE_TOTAL and visible.mean:
        return visible.mean
    return past.weekly_sales_minor / past.treated_stores if past.weekly_sales_minor and past.treated_stores else None


def _unknown(stage: int, plan: Plan, reason: Message) -> Proving:
    return Proving(stage, plan.treated[0] if plan.treated else "", None, None, None, None, reason)
