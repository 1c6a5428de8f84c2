"""What the subsidised share is made of, whatever was drawn: rewards by tenth, a tenth's row, and the weeks after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments.design.mechanisms import CONTROL
from experiments.errors import NotEstimable
from experiments.estimate.estimate import Estimate
from experiments.estimate.subsidised_share import subsidised_share
from experiments.messages import N_
from experiments.messages import Message as ExperimentMessage
from pilot.audit.queries import history_of
from pilot.errors import PilotError
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.reasons import FEWEST_CUSTOMERS, customers, or_reason
from pilot.planning.economics import offer_assumptions
from pilot.planning.plan_parts import Economics
from pilot.planning.queries import business_day
from pilot.programs.economics import offer_cost

TENTHS = tuple(str(number) for number in range(1, 11))
_FEWEST_WEEKS = 4  # to tell a fade from a first week
_NO_REWARD = ExperimentMessage("no_rewards", N_("no reward was paid to these customers, so none was subsidised"), {})
_NOBODY = ExperimentMessage("nobody_in_tenth", N_("nobody is in this tenth, as many spent the same"), {})
_RUNNING = ExperimentMessage(
    "reward_still_runs",
    N_("The reward runs to the last day of this window: what customers do once it has ended is not yet observed."),
    {},
)
_SHORT = ExperimentMessage(
    "too_short_to_fade", N_("{n} weeks are too few to compare the first with the last; {needed} are needed"), {}
)


@dataclass(frozen=True, slots=True)
class Rewards:
    """How rewards are known: ``basis`` "receipts" or "terms"; per tenth the rewards paid to the variant's customers."""

    basis: str
    share: float | None
    of_tenth: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.of_tenth.values())


def rewards_of(
    inputs: ChapterInputs,
    variant: str,
    *,
    paid: Callable[[str, str, str], int],
    listed: Callable[[str, str], int],
    sold: Callable[[str], int],
) -> Rewards:
    """Rewards beyond what as many customers of control got; by the terms where receipts show none.

    ``paid`` is an amount of an arm's customers of a tenth, ``listed`` how many they are, ``sold`` the sales of the
    variant's customers of a tenth.
    """
    assumed = offer_assumptions(inputs.plan.economics or Economics(), stage_weeks=inputs.window.days // 7)
    costs = []
    for offer in inputs.plan.offers_of(variant):
        try:
            costs.append(offer_cost(offer.mechanic, offer.terms, assumed))
        except PilotError:  # its cost is no share of sales
            continue
    names = ["reward_minor", *(["discount_minor"] if any(cost.at_till for cost in costs) else [])]

    def beyond_control(tenth: str) -> float:
        usual, given = (sum(paid(name, arm, tenth) for name in names) for arm in (CONTROL, variant))
        n_control = listed(CONTROL, tenth)
        return float(given - usual * listed(variant, tenth) / n_control) if n_control else float(given)

    beyond = {tenth: beyond_control(tenth) for tenth in TENTHS}
    if sum(beyond.values()) > 0:
        return Rewards("receipts", None, {tenth: max(amount, 0.0) for tenth, amount in beyond.items()})
    share = float(max((cost.base * cost.reach for cost in costs), default=0))
    if not share > 0.0:
        raise NotEstimable(_NO_REWARD)
    return Rewards("terms", share, {tenth: share * max(sold(tenth), 0) for tenth in TENTHS})


def require_somebody(n: int) -> None:
    """Raise ``NotEstimable`` where a tenth is empty."""
    if not n:
        raise NotEstimable(_NOBODY)


def tenth_row(
    tenth: str, control: int, treated: int, paid: float, estimate: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """A tenth's row: who is in it, what they were paid, the effect and the subsidised share, or why there is none."""
    enough = min(control, treated) >= FEWEST_CUSTOMERS
    row: dict[str, Any] = {
        "tenth": int(tenth),
        **customers(control, treated),
        "reward_minor": round(paid) if enough else None,
        "reward_per_customer": paid / treated if enough else None,
    }
    row |= or_reason(estimate)
    if "estimate" in row:
        row["subsidised"] = or_reason(subsidised, Estimate.from_dict(row["estimate"]), paid)
    return row


def subsidised(estimate: Estimate, paid: float) -> dict[str, Any]:
    """The share and its amount. Raises ``NotEstimable`` where nothing was paid."""
    if not paid > 0.0:
        raise NotEstimable(_NO_REWARD)
    found = subsidised_share(estimate)
    return {**asdict(found), "minor": round(found.share * paid)}


def third_of(weeks: int) -> int:
    """A third of the weeks. Raises ``NotEstimable`` where they are too few to tell the last from the first."""
    if weeks < _FEWEST_WEEKS:
        raise NotEstimable(ExperimentMessage(_SHORT.code, _SHORT.template, {"n": weeks, "needed": _FEWEST_WEEKS}))
    return max(1, weeks // 3)


def weeks_after(inputs: ChapterInputs) -> tuple[int, int]:
    """The first whole week after the day on which the pilot was stopped, and the one after the last that is complete;
    counted from the start. Raises ``NotEstimable`` where there is none."""
    stops = [entry for entry in history_of(inputs.session, "pilot", inputs.pilot) if entry.verb == "pilot.stop"]
    if not stops:
        raise NotEstimable(_RUNNING)
    ended = business_day(inputs.session, stops[-1].at)
    first = (max(ended, inputs.window.last) - inputs.window.first).days // 7 + 1
    last = ((inputs.through - inputs.window.first).days + 1) // 7
    if last <= first:
        raise NotEstimable(_RUNNING)
    return first, last
