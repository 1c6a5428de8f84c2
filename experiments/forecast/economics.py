"""What a reward must bring to pay for itself, and what a result is worth: exact arithmetic, no estimate.

With sales S per period before the offer, margin m (of net sales before rewards), the share e of sales under the offer,
what the offer costs r (of the sales under it) and fixed costs F, the offer pays when the extra sales X S, all of them
under the offer, bring as much as it costs on the sales that would have been made anyway:

    (m − r)(e + X) S + m (1 − e) S − F = m S        ⟹        X = (r e + F / S) / (m − r)

A 5 % discount for everybody at a margin of 30 % needs X = 0.05 / 0.25: 20 % more sales. Where the share t of the sales
under the offer is taken off at the till, net sales show less of it: X (1 − t) − t e. Reference: Nagle and Müller
(2018), The Strategy and Tactics of Pricing, chapter on break-even sales changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from experiments.errors import InvalidNumber, NotEstimable
from experiments.messages import N_, Message

_ONE = Decimal(1)
_ZERO = Decimal(0)
_DAYS_OF_A_YEAR = Decimal(365)
_WEEK = 7
_MOST = 10**9


@dataclass(frozen=True, slots=True)
class BreakEven:
    """``lift``: the extra sales that pay for the offer, as a share of all sales before it; ``lift_under_offer``: as a
    share of those under the offer; ``store_total_lift``: what net sales then show, after discounts at the till."""

    lift: Decimal
    lift_under_offer: Decimal
    store_total_lift: Decimal


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of a waterfall: an ``amount_minor`` that takes the sum from ``start_minor`` to ``end_minor``."""

    code: str
    amount_minor: int
    start_minor: int
    end_minor: int


def break_even(
    *,
    margin_share: Decimal,
    reward_share: Decimal,
    enrolment_share: Decimal = _ONE,
    till_share: Decimal = _ZERO,
    fixed_minor: int = 0,
    sales_minor: int | None = None,
) -> BreakEven:
    """The lift at which an offer pays (formula above). ``reward_share`` of the sales under it may be negative: a fee.

    ``till_share`` is the part of the reward that is taken off net sales at the till. ``sales_minor`` are the sales
    before the offer in the period of ``fixed_minor``. Raises ``NotEstimable`` where the margin does not cover the
    reward, so that every further sale loses money, or where fixed costs meet no sales.
    """
    for name, value in (
        ("margin_share", margin_share),
        ("enrolment_share", enrolment_share),
        ("till_share", till_share),
    ):
        _require(name, value, 0, 1)
    _require("reward_share", reward_share, -_MOST, 1)
    if enrolment_share == 0:
        raise NotEstimable(Message("nobody_enrols", N_("nobody is expected to take part; then nothing can pay"), {}))
    if reward_share >= margin_share:
        raise NotEstimable(
            Message(
                "margin_below_reward",
                N_(
                    "the reward takes {reward:.1%} of sales and the margin is {margin:.1%}: every further sale loses "
                    "money, so no lift pays for it; lower the reward or give it on goods with a higher margin"
                ),
                {"reward": float(reward_share), "margin": float(margin_share)},
            )
        )
    fixed = _fixed_share(fixed_minor, sales_minor)
    lift = max(_ZERO, (reward_share * enrolment_share + fixed) / (margin_share - reward_share))
    return BreakEven(lift, lift / enrolment_share, lift * (_ONE - till_share) - till_share * enrolment_share)


def waterfall(steps: Sequence[tuple[str, int]]) -> tuple[Step, ...]:
    """The bars of (code, amount) in order; the last one ends at the sum of all amounts, to the last digit."""
    found, at = [], 0
    for code, amount in steps:
        found.append(Step(code, amount, at, at + amount))
        at += amount
    return tuple(found)


def value_over_horizon(
    weekly_minor: Decimal | int, *, weeks: int, one_off_minor: int = 0, yearly_rate: Decimal = _ZERO
) -> int:
    """Net present value: ``weekly_minor`` at the end of each of ``weeks`` weeks less what is paid once at the start.

        NPV = Σ_{w=1..weeks} c / (1 + i)^(7 w / 365) − one-off

    A rate of 0 adds up plainly. Rounded to whole minor units, half to even.
    """
    _require("weeks", Decimal(weeks), 0, _MOST)
    _require("yearly_rate", yearly_rate, 0, _MOST)
    weekly = Decimal(weekly_minor)
    if yearly_rate == 0:
        return _whole(weekly * weeks) - one_off_minor
    growth = (_ONE + yearly_rate) ** (Decimal(_WEEK) / _DAYS_OF_A_YEAR)
    return _whole(sum((weekly / growth**week for week in range(1, weeks + 1)), _ZERO)) - one_off_minor


def return_on_investment(net_minor: Decimal | int, cost_minor: Decimal | int) -> Decimal:
    """Net gain per unit of money spent: 0.5 means that 100 spent came back as 150. ``NotEstimable`` without a cost."""
    if Decimal(cost_minor) <= 0:
        raise NotEstimable(Message("no_cost", N_("nothing was spent, so there is no return on what was spent"), {}))
    return Decimal(net_minor) / Decimal(cost_minor)


def value_per_cost(*, customers: int, weeks_each: Decimal, weekly_margin: Decimal, cost: Decimal) -> Decimal:
    """What won customers bring per unit of money that winning them cost: customers × lifetime × margin rate / cost.

    At the same cost per customer, three who stay for three months bring more per cost than five who stay two weeks.
    """
    _require("customers", Decimal(customers), 0, _MOST)
    _require("weeks_each", weeks_each, 0, _MOST)
    if cost <= 0:
        raise NotEstimable(Message("no_cost", N_("nothing was spent, so there is no return on what was spent"), {}))
    return customers * weeks_each * weekly_margin / cost


def _fixed_share(fixed_minor: int, sales_minor: int | None) -> Decimal:
    if fixed_minor == 0:
        return _ZERO
    if sales_minor is None or sales_minor <= 0:
        raise NotEstimable(
            Message("fixed_without_sales", N_("fixed costs need the sales that they are spread over"), {})
        )
    return Decimal(fixed_minor) / Decimal(sales_minor)


def _whole(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def _require(name: str, value: Decimal, least: int, most: int) -> None:
    if not value.is_finite() or not least <= value <= most:
        raise InvalidNumber(name=name, value=str(value), must_be=f"a number from {least} to {most}")
