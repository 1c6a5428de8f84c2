"""The parts of a plan about money and belief: priors, economics, wind-down, and the thresholds of its gates."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pilot.programs.exact import ExactDecimal, Whole
from pilot.words import N_

Code = Annotated[str, StringConstraints(min_length=1, max_length=120)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Share = Annotated[ExactDecimal, Field(gt=0, lt=1)]
Portion = Annotated[ExactDecimal, Field(ge=0, le=1)]
Weeks = Annotated[Whole, Field(ge=1, le=260)]
Minor = Annotated[Whole, Field(ge=0, le=10**15)]

# Sealed in English as they stand; shown in the reader’s language. A person may replace them by their own source.
CONVENTION = N_("convention: few programs move a store's sales by more than ten per cent")
WIDE = N_("convention: wide enough to let the data speak")


class Part(BaseModel):
    """A part of a plan: frozen, nothing unknown, valid from birth."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedPrior(Part):
    """What is believed of the leading metric's effect before the pilot: normal, as shares of control's mean."""

    mean_share: Annotated[ExactDecimal, Field(gt=-1, lt=1)] = Decimal(0)
    sd_share: Annotated[ExactDecimal, Field(gt=0, le=1)]
    source: Reason


class Priors(Part):
    """The sceptical and the neutral prior; no probability is said without them."""

    sceptical: PlannedPrior = PlannedPrior(sd_share=Decimal("0.05"), source=CONVENTION)
    neutral: PlannedPrior = PlannedPrior(sd_share=Decimal("0.1"), source=WIDE)

    @model_validator(mode="after")
    def _sceptical(self) -> "Priors":
        if self.sceptical.mean_share > 0:
            raise ValueError(N_("the sceptical prior expects nothing good: its mean is at most 0"))
        if self.neutral.mean_share != 0 or self.neutral.sd_share < self.sceptical.sd_share:
            raise ValueError(N_("the neutral prior is centred at 0 and at least as wide as the sceptical one"))
        return self


class Economics(Part):
    """What the money is reckoned with: assumptions of the plan, printed beside whatever rests on them.

    ``margin_share`` is margin before rewards / net sales (None: receipts carry their cost). ``enrolment_share`` is the
    share of a treated store's sales that is expected under the offer; of rewards issued, ``redemption_share`` is ever
    redeemed (between ``redemption_low`` and ``redemption_high``; the rest is breakage). Communication is for a whole
    stage, set-up once, ``store_minor`` once per treated store; ``benefit_minor`` is what a benefit costs per enrolled
    customer and 28 days where the terms of the mechanic carry no cost. A rollout's value is reckoned over
    ``horizon_weeks``.
    """

    margin_share: Share | None = None
    enrolment_share: Portion = Decimal(1)
    redemption_share: Portion = Decimal("0.7")
    redemption_low: Portion = Decimal("0.5")
    redemption_high: Portion = Decimal("0.9")
    communication_minor: Minor = 0
    setup_minor: Minor = 0
    store_minor: Minor = 0
    benefit_minor: Minor = 0
    horizon_weeks: Weeks = 52

    @model_validator(mode="after")
    def _in_order(self) -> "Economics":
        if not self.redemption_low <= self.redemption_share <= self.redemption_high:
            raise ValueError(N_("redemption rises from low to base to high"))
        return self


class PointsEnd(StrEnum):
    """What becomes of points when the program ends."""

    REDEEMABLE = "redeemable"
    PAID_OUT = "paid_out"
    NONE = "none"


class TiersEnd(StrEnum):
    """What becomes of tiers when the program ends."""

    KEPT = "kept"
    ENDED = "ended"
    NONE = "none"


class MembershipsEnd(StrEnum):
    """What becomes of paid memberships when the program ends."""

    REFUNDED = "refunded"
    RUN_OUT = "run_out"
    NONE = "none"


class WindDown(Part):
    """What customers keep when the program ends, until ``honour_until``, and what that costs; ``none``: there is none.

    Points stay redeemable until that day or are paid out; tiers are kept until then or end at once, announced; paid
    memberships are refunded for the rest of their period or run out.
    """

    honour_until: date
    points: PointsEnd = PointsEnd.NONE
    tiers: TiersEnd = TiersEnd.NONE
    memberships: MembershipsEnd = MembershipsEnd.NONE
    exit_cost_minor: Minor = 0
    note: Sentence = ""


class GateThresholds(Part):
    """The probabilities at which a gate's rules switch, each given a prior of the plan.

    Advance only while the probability of a loss (sceptical prior) is at most ``loss_probability``; stop for harm when
    that of a fall by more than ``harm_share`` of control's mean (sceptical prior) exceeds ``harm_probability``; stop
    for futility when the chance (neutral prior) that the last look could advance is below ``futility_probability``.
    """

    loss_probability: Share = Decimal("0.2")
    harm_probability: Share = Decimal("0.25")
    harm_share: Share = Decimal("0.05")
    futility_probability: Share = Decimal("0.1")
