"""The demonstration's five pilots as plan documents and offers: four that ran, one still in design."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pilot.demo.households import FIRST_WEEK, LAST_WEEK, NOT_SURVEYED, SEGMENTS, week_start
from pilot.demo.stores import Before
from pilot.demo.stories import BIRTHDAY, CASHBACK, PARKING, POINTS, STORIES, stores_of
from pilot.demo.worlds import store_code

CLUB = "family-club"
CARD = "card"  # the variant beside control, in every program

STAGE_START = week_start(FIRST_WEEK)
STAGE_WEEKS = LAST_WEEK - FIRST_WEEK + 1
FIRST_LOOK_WEEKS, EXTENSION_WEEKS = 20, 6
NEXT_START = date(2018, 2, 5)
HONOURED_UNTIL = "2019-12-31"
# Stores in which nobody is at home often enough to take part: some of them stay out of everything.
HOLDOUT_TRADING_WEEKS = (30, 45)

SEGMENT_NAMES = {
    "families": "Families with children",
    "couples": "Couples without children",
    "singles": "One-person households",
    NOT_SURVEYED: "Not surveyed",
}
# The sceptical prior of every plan here: wider than the product's own, as the demonstration's effects are large.
PRIORS = {
    "sceptical": {"mean_share": "0", "sd_share": "0.1", "source": "stated by the demonstration before the first draw"},
    "neutral": {"mean_share": "0", "sd_share": "0.2", "source": "stated by the demonstration before the first draw"},
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One pilot: its program, what its variant gives, and its plan."""

    code: str
    name: str
    program: str
    variant: str
    offers: tuple[dict[str, Any], ...]
    document: dict[str, Any]


def planned_pilots(before: Before) -> dict[str, Planned]:
    """The five, by code."""
    stores = {pilot: [store_code(store) for store in found] for pilot, found in stores_of(before).items()}
    holdout = holdout_stores(before)
    made = (
        _points(stores[POINTS], holdout),
        _cash_back(stores[CASHBACK]),
        _birthday(stores[BIRTHDAY]),
        _parking(stores[PARKING]),
        _club(),
    )
    return {planned.code: planned for planned in made}


def holdout_stores(before: Before) -> list[str]:
    """The stores that no stage of the points card ever takes."""
    import numpy as np

    pairs = np.unique(np.stack([before.baskets.store, before.baskets.week], axis=1), axis=0)
    stores, weeks = np.unique(pairs[:, 0], return_counts=True)
    fewest, most = HOLDOUT_TRADING_WEEKS
    eligible = set(before.eligible)
    return [
        store_code(int(store))
        for store, traded in zip(stores, weeks, strict=True)
        if int(store) not in eligible and fewest <= traded < most
    ]


def _points(stores: Sequence[str], holdout: Sequence[str]) -> Planned:
    shares = next(story.reward_shares for story in STORIES if story.pilot == POINTS) or {}
    offers = tuple(
        {
            "segment_code": segment,
            "name": f"Points: {SEGMENT_NAMES[segment].lower()}",
            "mechanic": "cumulative_bonus",
            "terms": {"earn_share": shares[segment], "redeem_share": "0.5", "expires_after_days": 365},
            "enrolment": {"purchase_required": False, "form_fields": ["name", "phone", "email"]},
        }
        for segment in SEGMENTS
    )
    document = {
        **_keep(stores),
        "hypothesis": (
            "Households with a points card fill some of the weeks in which they buy nothing today: "
            "store totals rise, and listed customers come more often."
        ),
        "mechanic": "cumulative_bonus",
        "economics": _economics(communication=60_000, setup=150_000, per_store=5_000),
        "subgroups": ["segment:families", "size:small", "size:large"],
        "holdout": list(holdout),
        "stages": [
            _stage("Paired stores", stores, gate=_WITH_MONEY),
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
    return Planned(POINTS, "Points card in paired stores", "Points card", "Points card", offers, document)


def _cash_back(stores: Sequence[str]) -> Planned:
    offer = {
        "name": "A fifth back",
        "mechanic": "cumulative_bonus",
        "terms": {"earn_share": "0.2", "redeem_share": "1", "expires_after_days": 365},
        "enrolment": {"form_fields": ["name", "phone"]},
    }
    document = {
        **_keep(stores),
        "hypothesis": "With a fifth of every purchase given back households come in every week: store totals rise.",
        "mechanic": "cumulative_bonus",
        "economics": _economics(communication=40_000, setup=80_000, per_store=5_000),
        "stages": [_stage("Paired stores", stores, gate=_WITH_MONEY)],
    }
    return Planned(CASHBACK, "A fifth back in paired stores", "Cash back", "A fifth back", (offer,), document)


def _birthday(stores: Sequence[str]) -> Planned:
    offer = {
        "name": "A greeting and one per cent",
        "mechanic": "cumulative_bonus",
        "terms": {"earn_share": "0.01", "redeem_share": "1"},
        "enrolment": {"form_fields": ["name", "phone", "birthday"]},
    }
    document = {
        **_keep(stores),
        "hypothesis": "Who is greeted by name and on their birthday comes more often: store totals rise.",
        "mechanic": "cumulative_bonus",
        "economics": _economics(communication=20_000, setup=40_000, per_store=2_000),
        "stages": [_stage("Paired stores", stores, gate=_WITH_MONEY)],
    }
    return Planned(BIRTHDAY, "Birthday card in paired stores", "Birthday card", "Birthday card", (offer,), document)


def _parking(stores: Sequence[str]) -> Planned:
    offer = {
        "name": "Free parking",
        "mechanic": "privileged_terms",
        "terms": {"privileges": ["free_parking"]},
        "enrolment": {"form_fields": ["name", "phone"]},
    }
    document = {
        **_keep(stores),
        "hypothesis": "Who parks for nothing comes more often: store totals rise.",
        "mechanic": "privileged_terms",
        "economics": _economics(communication=10_000, setup=20_000, per_store=1_000, benefit=50),
        "stages": [
            _stage(
                "Paired stores",
                stores,
                gate=_WITH_MONEY,
                weeks=FIRST_LOOK_WEEKS,
                looks=2,
                extension_weeks=EXTENSION_WEEKS,
            )
        ],
    }
    return Planned(PARKING, "Free parking in paired stores", "Free parking", "Free parking", (offer,), document)


def _club() -> Planned:
    offer = {
        "name": "Family club",
        "mechanic": "club_membership",
        "terms": {
            "benefits": ["Member prices on nappies and fruit", "A birthday cake"],
            "fee_minor": 0,
            "period_days": 365,
        },
        "enrolment": {"form_fields": ["name", "phone", "email", "household"]},
    }
    document = {
        **_keep([]),
        "hypothesis": "Families who are offered the club do more of their shopping here: store totals rise.",
        "mechanic": "club_membership",
        "mechanism": {"kind": "complete"},
        "economics": _economics(communication=50_000, setup=100_000, per_store=2_000, benefit=150),
        "stages": [
            {
                "number": 1,
                "name": "Stores that are free",
                "units": ["all"],
                "starts_on": NEXT_START.isoformat(),
                "weeks": 13,
                "gate": list(_WITH_MONEY),
            }
        ],
    }
    return Planned(CLUB, "Family club", "Family club", "Family club", (offer,), document)


_WITH_MONEY = ("leading_metric", "guardrails", "no_alarm", "money")


def _keep(stores: Sequence[str]) -> dict[str, Any]:
    """What the plans have in common: store totals lead, customers and the average basket stand beside."""
    return {
        "objective": "keep",
        "unit": "store",
        "mechanism": {"kind": "matched_pairs", "match_on": ["spend_per_customer_minor"]},
        "applies_by": "home",
        "leads": "store_totals",
        "primary": "store_total",
        "secondary": ["purchase_frequency", "repeat_purchase_28d", "spend_per_customer"],
        "guardrails": [{"metric": "average_basket", "margin_share": "0.15"}],
        "alpha": "0.05",
        "windows": {"pre_weeks": 25, "home_weeks": 26},
        "priors": PRIORS,
        "wind_down": {
            "honour_until": HONOURED_UNTIL,
            "points": "redeemable",
            "tiers": "none",
            "memberships": "none",
            "exit_cost_minor": 25_000,
        },
    }


def _stage(name: str, stores: Sequence[str], **more: Any) -> dict[str, Any]:
    return {
        "number": 1,
        "name": name,
        "units": list(stores),
        "starts_on": STAGE_START.isoformat(),
        "weeks": STAGE_WEEKS,
        **{key: list(value) if isinstance(value, tuple) else value for key, value in more.items()},
    }


def _economics(*, communication: int, setup: int, per_store: int, benefit: int = 0) -> dict[str, Any]:
    """The receipts carry no cost: every plan states a margin of 30 %. Money in cents."""
    return {
        "margin_share": "0.3",
        "enrolment_share": "0.85",
        "redemption_share": "0.7",
        "redemption_low": "0.5",
        "redemption_high": "0.9",
        "communication_minor": communication,
        "setup_minor": setup,
        "store_minor": per_store,
        "benefit_minor": benefit,
        "horizon_weeks": 52,
    }
