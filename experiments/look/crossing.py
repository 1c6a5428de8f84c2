"""Cross-shopping in an experiment: how much of control the treatment reached, and what that dilutes an effect by."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.design.mechanisms import CONTROL
from experiments.errors import NotEstimable
from experiments.estimate.estimate import Estimate, Interval
from experiments.look.account import Crossed
from experiments.look.plan import LookPlan
from experiments.look.rows import unit_effect
from experiments.measure.metrics import store_total
from experiments.measure.unit_moments import UnitMoments
from experiments.messages import N_, Message
from experiments.monitor.contamination import Contamination

SMALLEST_DILUTION = 0.20  # dividing by less multiplies the noise by more than five; a convention


@dataclass(frozen=True, slots=True)
class HomeSales:
    """What the customers at home in a unit bought anywhere, minor units, and the unit's store-days."""

    unit: str
    days: int
    days_before: int
    window: int
    before: int


@dataclass(frozen=True, slots=True)
class Dilution:
    """The effect by home on what listed customers buy, and what the treatment itself may have done.

    ``estimate`` and ``interval_gate`` are minor units per store-week of the home unit; ``undiluted``, and the two
    intervals beside it, are the same divided by e − c."""

    contamination: Contamination
    estimate: Estimate
    interval_gate: Interval
    undiluted: float
    interval: Interval
    undiluted_gate: Interval


def contamination_by_home(plan: LookPlan, crossed: Crossed, homes: Sequence[HomeSales], variant: str, *,
                          before: bool) -> Contamination:  # fmt: skip
    """c and e from net sales: of what control homes (and homes of the variant) bought, the share in units of the
    variant. Raises ``NotEstimable`` where the customers of an arm bought nothing."""
    cells, sums = (crossed.before if before else crossed.window), {CONTROL: 0, variant: 0}
    reached = dict(sums)
    for home in homes:
        arm = plan.assignment[home.unit]
        if arm in sums:
            sums[arm] += home.before if before else home.window
    for (home_unit, at), net in cells.items():
        home_arm = plan.assignment.get(home_unit, "")
        if home_arm in sums and plan.assignment.get(at) == variant:
            reached[home_arm] += net
    if min(sums.values()) <= 0:
        raise NotEstimable(Message("an_arm_bought_nothing", N_("the listed customers of an arm bought nothing"), {}))
    return Contamination(reached[CONTROL] / sums[CONTROL], reached[variant] / sums[variant])


def dilution(
    plan: LookPlan,
    homes: Sequence[HomeSales],
    contamination: Contamination,
    variant: str,
    *,
    gate_confidence: float,
) -> Dilution:
    """The bound: effect by home ≈ (e − c) × effect of the treatment itself, so it lies between the first and the first
    divided by e − c. Assumes that treatment acts in proportion on what is bought in treated stores.

    Raises ``NotEstimable`` where e − c is under ``SMALLEST_DILUTION``, or the effect by home cannot be estimated.
    """
    left = contamination.dilution
    if left < SMALLEST_DILUTION:
        raise NotEstimable(
            Message(
                "too_diluted",
                N_(
                    "treated homes made {treated:.0%} of their purchases in treated stores and control {control:.0%}: "
                    "with so little between them the effect of the treatment itself cannot be told"
                ),
                {"treated": contamination.variant_share, "control": contamination.control_share},
            )
        )
    moments = [UnitMoments(h.unit, h.days, h.window, 0, h.before, 0, 0, h.days_before, days=1, days_x=1) for h in homes]
    effect = unit_effect(plan, store_total(), moments, variant)
    gate = effect.inference.interval(gate_confidence)
    return Dilution(
        contamination,
        effect.estimate,
        gate,
        effect.estimate.effect / left,
        _divided(effect.estimate.interval, left),
        _divided(gate, left),
    )


def _divided(interval: Interval, by: float) -> Interval:
    low, high = interval
    return (None if low is None else low / by, None if high is None else high / by)
