"""The subsidised share: how much of the rewards was paid on sales that control shows would have come anyway.

Rewards follow sales: a treated unit's sales Y earn ρ Y, and of Y the part Y − τ would have come without the program,
so the share is

    S = (Y − τ) / Y = 1 − τ / Y

with τ the effect per customer and Y the treated units' own mean, which is a fact about the stores that were treated.
S falls in τ, so the ends of τ's interval, turned round, are the ends of S's; both are cut to 0–1, for no more can be
subsidised than was paid. An end that τ's interval leaves open is 0 or 1.
"""

from dataclasses import dataclass

from experiments.errors import NotEstimable
from experiments.estimate.estimate import Estimate
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True)
class SubsidisedShare:
    """The share (0 to 1) with its interval at ``confidence_level``."""

    share: float
    low: float
    high: float
    confidence_level: float


def subsidised_share(estimate: Estimate) -> SubsidisedShare:
    """The share from the effect on sales per customer. Raises ``NotEstimable`` where treated sales are not positive."""
    sales = estimate.mean_variant
    if not sales > 0.0:
        raise NotEstimable(
            Message(
                "no_sales_to_subsidise",
                N_("these customers bought nothing on balance, so no reward was paid on their sales"),
                {},
            )
        )
    lower, upper = estimate.interval
    return SubsidisedShare(
        share=_cut(1.0 - estimate.effect / sales),
        low=0.0 if upper is None else _cut(1.0 - upper / sales),
        high=1.0 if lower is None else _cut(1.0 - lower / sales),
        confidence_level=estimate.confidence_level,
    )


def _cut(share: float) -> float:
    return min(max(share, 0.0), 1.0)
