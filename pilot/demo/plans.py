"""The demonstration's three pilots as plan documents: a points card at its gate, a service promise running, a draft."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from pilot.demo.households import FIRST_WEEK, LAST_WEEK, NOT_SURVEYED, SEGMENTS, week_start
from pilot.demo.stores import Before
from pilot.demo.worlds import store_code

CARD = "card"
PROMISE = "promise"
CLUB = "club"
POINTS_PILOT = "points-card"
SERVICE_PILOT = "service-promise"
CLUB_PILOT = "family-club"

STAGE_START = week_start(FIRST_WEEK)
STAGE_WEEKS = LAST_WEEK - FIRST_WEEK + 1
SERVICE_START = date(2017, 11, 27)
SERVICE_WEEKS = 12
NEXT_START = date(2018, 2, 5)
# Whatever the program, points and tiers are honoured for a year after the last stage.
WIND_DOWN = {"honour_until": "2019-12-31", "points": "redeemable", "tiers": "kept", "memberships": "run_out"}
# Stores that cannot take part in the card's first stage for want of households at home there.
SMALL_TRADING_WEEKS = 45
HOLDOUT_TRADING_WEEKS = 30

EARN_SHARES = {"families": "0.03", "couples": "0.02", "singles": "0.02", NOT_SURVEYED: "0.02"}
SEGMENT_NAMES = {
    "families": "Families with children",
    "couples": "Couples without children",
    "singles": "One-person households",
    NOT_SURVEYED: "Not surveyed",
}


@dataclass(frozen=True, slots=True)
class StoreRoles:
    """Store codes by what they are for: the card's first stage, the service pilot, the holdout of the network stage."""

    card: tuple[str, ...]
    service: tuple[str, ...]
    holdout: tuple[str, ...]


def store_roles(before: Before) -> StoreRoles:
    """The card takes the eligible stores; of the rest, those that trade most weeks serve the other two purposes."""
    pairs = np.unique(np.stack([before.baskets.store, before.baskets.week], axis=1), axis=0)
    stores, weeks = np.unique(pairs[:, 0], return_counts=True)
    rest = [(int(s), int(w)) for s, w in zip(stores, weeks, strict=True) if int(s) not in set(before.eligible)]
    return StoreRoles(
        card=tuple(store_code(store) for store in before.eligible),
        service=tuple(store_code(s) for s, w in rest if w >= SMALL_TRADING_WEEKS),
        holdout=tuple(store_code(s) for s, w in rest if HOLDOUT_TRADING_WEEKS <= w < SMALL_TRADING_WEEKS),
    )


def points_plan(roles: StoreRoles) -> dict[str, Any]:
    """A points card against control in pairs of stores from week 27 to 52; then the network."""
    return {
        "objective": "keep",
        "hypothesis": (
            "Households with a points card fill some of the weeks in which they buy nothing today: "
            "store totals rise, and listed customers come more often."
        ),
        "unit": "store",
        "mechanism": {"kind": "matched_pairs", "match_on": ["spend_per_customer_minor"]},
        "applies_by": "home",
        "leads": "store_totals",
        "primary": "store_total",
        "secondary": ["purchase_frequency", "repeat_purchase_28d", "spend_per_customer"],
        "guardrails": [{"metric": "average_basket", "margin_share": "0.10"}],
        "alpha": "0.05",
        "windows": {"pre_weeks": 25, "home_weeks": 26},
        "holdout": list(roles.holdout),
        "wind_down": WIND_DOWN,
        "stages": [
            {
                "number": 1,
                "name": "Paired stores",
                "units": list(roles.card),
                "starts_on": STAGE_START.isoformat(),
                "weeks": STAGE_WEEKS,
            },
            {
                "number": 2,
                "name": "The network",
                "units": ["all"],
                "starts_on": NEXT_START.isoformat(),
                "weeks": 26,
                "is_network": True,
            },
        ],
    }


def service_plan(roles: StoreRoles) -> dict[str, Any]:
    """A service promise, for everybody and without a card, in small stores; complete draw. Nothing is injected here."""
    return {
        "objective": "win",
        "hypothesis": "Stores that keep three simple promises sell more: shoppers who were served well come again.",
        "unit": "store",
        "mechanism": {"kind": "complete"},
        "applies_by": "visited",
        "leads": "store_totals",
        "primary": "store_total",
        "secondary": ["identification_rate"],
        "windows": {"pre_weeks": 26, "home_weeks": 26},
        "wind_down": WIND_DOWN,
        "stages": [
            {
                "number": 1,
                "name": "Small stores",
                "units": list(roles.service),
                "starts_on": SERVICE_START.isoformat(),
                "weeks": SERVICE_WEEKS,
            }
        ],
    }


def club_plan() -> dict[str, Any]:
    """A draft, whole and ready to be submitted: a club in the stores that no other pilot holds."""
    return {
        "objective": "keep",
        "hypothesis": "Families who are offered the club do more of their shopping here: store totals rise.",
        "unit": "store",
        "mechanism": {"kind": "complete"},
        "applies_by": "home",
        "leads": "store_totals",
        "primary": "store_total",
        "secondary": ["identification_rate"],
        "segments": ["families"],
        "windows": {"pre_weeks": 26, "home_weeks": 26},
        "wind_down": WIND_DOWN,
        "stages": [
            {
                "number": 1,
                "name": "Stores that are free",
                "units": ["all"],
                "starts_on": NEXT_START.isoformat(),
                "weeks": 13,
            }
        ],
    }


def last_day(start: date, weeks: int) -> date:
    """The last business day of a stage."""
    return start + timedelta(days=7 * weeks - 1)


def card_offers() -> list[dict[str, Any]]:
    """The card's offer for each segment: the arguments of ``set_offer``."""
    return [
        {
            "segment_code": segment,
            "name": f"Points: {SEGMENT_NAMES[segment].lower()}",
            "mechanic": "cumulative_bonus",
            "terms": {"earn_share": EARN_SHARES[segment], "redeem_share": "0.5", "expires_after_days": 365},
            "enrolment": {"purchase_required": False, "form_fields": ["name", "phone", "email"]},
        }
        for segment in SEGMENTS
    ]


def promise_offer() -> dict[str, Any]:
    """The service promise, one for all."""
    return {
        "name": "Three promises",
        "mechanic": "service_standard",
        "terms": {
            "promises": [
                {"what": "No queue longer than three people", "kept_share": "0.95"},
                {"what": "Fresh bread until closing time", "kept_share": "0.98"},
                {"what": "A complaint is answered within a day", "kept_share": "0.95"},
            ]
        },
    }


def club_offer() -> dict[str, Any]:
    """The club's offer, one for all of its members."""
    return {
        "name": "Family club",
        "mechanic": "club_membership",
        "terms": {
            "benefits": ["Member prices on nappies and fruit", "A birthday cake"],
            "fee_minor": 0,
            "period_days": 365,
        },
        "enrolment": {"form_fields": ["name", "phone", "email", "household"]},
    }
