"""Typed terms, one class per mechanic. Money in minor units, shares 0–1 as exact decimals, durations in days."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pilot.programs.exact import ExactDecimal, Whole
from pilot.words import N_

ShareTerm = Annotated[ExactDecimal, Field(gt=0, le=1)]
DiscountShare = Annotated[ExactDecimal, Field(ge=0, lt=1)]
Minor = Annotated[Whole, Field(ge=0, le=10**12)]
PositiveMinor = Annotated[Whole, Field(gt=0, le=10**12)]
Days = Annotated[Whole, Field(ge=1, le=3660)]
Count = Annotated[Whole, Field(ge=1, le=10**6)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class Terms(BaseModel):
    """Common to all terms: frozen, nothing unknown, valid from birth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_document(self) -> dict[str, Any]:
        """The stored form: JSON-able without floats (decimals as strings), the same for the same terms."""
        return self.model_dump(mode="json")


class FixedDiscount(Terms):
    discount_share: ShareTerm


class PersonalCard(Terms):
    discount_share: ShareTerm
    valid_days: Days | None = None


class Tier(Terms):
    name: Words
    from_spend_minor: Minor
    discount_share: DiscountShare


class TierCard(Terms):
    tiers: Annotated[tuple[Tier, ...], Field(min_length=2)]
    period_days: Days

    @model_validator(mode="after")
    def _rise(self) -> "TierCard":
        if self.tiers[0].from_spend_minor != 0:
            raise ValueError(N_("the first tier must begin at 0"))
        _must_rise([tier.from_spend_minor for tier in self.tiers], N_("tiers must begin at rising amounts"))
        return self


class ScaleStep(Terms):
    from_basket_minor: PositiveMinor
    discount_share: ShareTerm


class ProgressiveScale(Terms):
    steps: Annotated[tuple[ScaleStep, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _rise(self) -> "ProgressiveScale":
        _must_rise([step.from_basket_minor for step in self.steps], N_("steps must begin at rising amounts"))
        _must_rise([step.discount_share for step in self.steps], N_("a higher step must give a higher discount"))
        return self


class CumulativeBonus(Terms):
    """Points: ``earn_share`` of sales comes back as bonus; at most ``redeem_share`` of a basket can be paid with it."""

    earn_share: ShareTerm
    redeem_share: ShareTerm
    expires_after_days: Days | None = None


class Privilege(StrEnum):
    FREE_DELIVERY = "free_delivery"
    EARLY_ACCESS = "early_access"
    LONGER_RETURNS = "longer_returns"
    PRIORITY_SERVICE = "priority_service"
    FREE_PARKING = "free_parking"


class PrivilegedTerms(Terms):
    privileges: Annotated[tuple[Privilege, ...], Field(min_length=1)]
    valid_days: Days | None = None


class PrizeKind(StrEnum):
    GIFT = "gift"
    DRAW = "draw"


class GiftOrDraw(Terms):
    """A gift for everybody who qualifies, or a draw of ``prizes`` among them."""

    prize_kind: PrizeKind
    prize: Words
    qualifying_spend_minor: Minor
    prize_cost_minor: PositiveMinor
    prizes: Count | None = None

    @model_validator(mode="after")
    def _count_of_a_draw(self) -> "GiftOrDraw":
        if (self.prize_kind is PrizeKind.DRAW) != (self.prizes is not None):
            raise ValueError(N_("a draw states how many prizes there are, a gift does not"))
        return self


class ClosedAccess(Terms):
    what: Words
    opens_days_before: Days
    qualifying_spend_minor: Minor = 0


class ClubMembership(Terms):
    benefits: Annotated[tuple[Words, ...], Field(min_length=1)]
    fee_minor: Minor
    period_days: Days


class Promise(Terms):
    what: Words
    kept_share: ShareTerm


class ServiceStandard(Terms):
    """Plain reliable service without any discount: promises, each with the share of cases in which it is to be kept."""

    promises: Annotated[tuple[Promise, ...], Field(min_length=1)]


def _must_rise(values: list[Any], otherwise: str) -> None:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise ValueError(otherwise)
