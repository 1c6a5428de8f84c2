"""The entries of the metric library: definition, formula, pitfall, owner, version, and what each is measured from."""

from dataclasses import dataclass
from enum import StrEnum

from experiments.measure.metrics import MetricKind, MetricLevel, MetricUnit
from pilot.words import N_

# The version that a plan is written with. It rises when the meaning of any entry changes, never for new words.
LIBRARY_VERSION = 1


class Group(StrEnum):
    """What a metric tells of; the order of the page."""

    SALES = "sales"
    COMING_BACK = "coming_back"
    LOYALTY = "loyalty"
    RECOGNITION = "recognition"
    MONEY = "money"
    SERVICE = "service"


class Owner(StrEnum):
    """The team that answers for a definition."""

    ANALYSTS = "analysts"
    FINANCE = "finance"
    OPERATIONS = "operations"
    LOYALTY = "loyalty"


class Source(StrEnum):
    """Where the numbers come from: a plan may choose what receipts hold; a report brings what its chapters reckon."""

    PLAN = "plan"
    REPORT = "report"
    SURVEYS = "surveys"
    ENROLMENTS = "enrolments"
    REDEMPTIONS = "redemptions"
    SERVICE_CHECKS = "service_checks"


class How(StrEnum):
    """How an effect on the metric is estimated; each has a page in ``docs/methods``."""

    UNITS = "permutation"
    SHRUNK = "shrinkage"
    SUMS = "moments"
    BAND = "economics"
    NOT_YET = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric of the library. ``code`` is its anchor; ``kind`` is there where a plan can choose it."""

    code: str
    group: Group
    level: MetricLevel
    unit: MetricUnit
    source: Source
    owner: Owner
    how: How
    title: str
    definition: str
    formula: str
    pitfall: str
    version: int = 1

    @property
    def kind(self) -> MetricKind | None:
        """The kind that plans measure; None for what they cannot choose."""
        return MetricKind(self.code) if self.source is Source.PLAN else None


_STORE, _CUSTOMER = MetricLevel.STORE, MetricLevel.CUSTOMER
_MONEY, _SHARE, _COUNT, _RATIO = MetricUnit.MONEY, MetricUnit.SHARE, MetricUnit.COUNT, MetricUnit.RATIO

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "store_total", Group.SALES, _STORE, _MONEY, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Store total"),
        N_("What all shoppers of a store spent, with or without a card: the only row that may be called new sales."),
        N_("Net sales of all shoppers per store and week, adjusted by the same store's total before"),
        N_("Noisy: it sees changes of several per cent of sales only"),
    ),
    Entry(
        "sales_outside_list", Group.SALES, _STORE, _MONEY, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Sales outside the list"),
        N_("What everybody but the store's listed customers spent there: the measure for winning new customers."),
        N_("Net sales of a store less what its listed customers bought there, per store and week"),
        N_("Listed customers who show the card more often lower it; never call it new customers"),
    ),
    Entry(
        "spend_per_customer", Group.SALES, _CUSTOMER, _MONEY, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Spend per assigned customer"),
        N_("What a listed customer spent over the window, in any store."),
        N_("Net sales with a card / assigned customers"),
        N_("Heavy tails; rises when people merely show the card more often"),
    ),
    Entry(
        "average_basket", Group.SALES, _STORE, _RATIO, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Average basket"),
        N_("What one receipt is worth."),
        N_("Net sales / receipts"),
        N_("More small visits lower it although more is sold"),
    ),
    Entry(
        "repeat_purchase", Group.COMING_BACK, _CUSTOMER, _SHARE, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Repeat purchase"),
        N_("Who came on a second day, counted from the stage's start and not from joining."),
        N_("Assigned customers with at least 2 purchase days within the days / assigned customers whose days are over"),
        N_("Longer windows are higher by construction; showing the card more often raises it"),
    ),
    Entry(
        "retention", Group.COMING_BACK, _CUSTOMER, _SHARE, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Retention"),
        N_("Who is still there: a purchase between two days after the start."),
        N_("Assigned customers with a purchase between the two days / assigned customers"),
        N_("Weekly shoppers are at the ceiling; showing the card more often raises it"),
    ),
    Entry(
        "purchase_frequency", Group.COMING_BACK, _CUSTOMER, _COUNT, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Purchase frequency"),
        N_("On how many days a listed customer shops in four weeks."),
        N_("Purchase days per assigned customer per 28 days"),
        N_("Rises when people merely show the card more often"),
    ),
    Entry(
        "time_to_next_purchase", Group.COMING_BACK, _CUSTOMER, _COUNT, Source.REPORT, Owner.ANALYSTS, How.SUMS,
        N_("Time to the next purchase"),
        N_("How long a listed customer stays away: a report that plans retention keeps it week by week."),
        N_("Restricted mean of the days to the next purchase day, up to a last day that both arms were observed"),
        N_("Who has not come yet is censored, not lost: never average over those who came"),
    ),
    Entry(
        "full_price_share", Group.LOYALTY, _STORE, _SHARE, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Full-price share"),
        N_("How much is bought without any discount."),
        N_("Net sales of receipts without a discount / net sales"),
        N_("An offer that is itself a discount lowers it by construction"),
    ),
    Entry(
        "visits_beyond_home", Group.LOYALTY, _CUSTOMER, _SHARE, Source.REPORT, Owner.ANALYSTS, How.UNITS,
        N_("Visits beyond the home store"),
        N_("Whether listed customers go out of their way: purchases in stores that are not their own."),
        N_("Purchases of listed customers outside their home store / all their purchases"),
        N_("A closed or crowded home store raises it, too; so does an offer that works in some stores only"),
    ),
    Entry(
        "unpaid_referrals", Group.LOYALTY, _CUSTOMER, _SHARE, Source.SURVEYS, Owner.LOYALTY, How.UNITS,
        N_("Unpaid referrals"),
        N_("Who recommended the store to somebody without being paid for it, as they say when asked."),
        N_("Answers with a referral that was not paid / answers to the question"),
        N_("Only who answers is counted: compare the response of the arms first"),
    ),
    Entry(
        "share_of_wallet", Group.LOYALTY, _CUSTOMER, _SHARE, Source.SURVEYS, Owner.LOYALTY, How.UNITS,
        N_("Share of wallet"),
        N_("How much of what a customer spends on such goods is spent here, as they say when asked."),
        N_("Mean of the answered shares, one answer a customer, the latest"),
        N_("Said, not seen; only who answers is counted"),
    ),
    Entry(
        "identification_rate", Group.RECOGNITION, _STORE, _SHARE, Source.PLAN, Owner.ANALYSTS, How.UNITS,
        N_("Identification rate"),
        N_("How many receipts carry a customer: what reconciles customers with stores."),
        N_("Receipts with a customer / all receipts"),
        N_("The reconciling metric: a rise of it may explain a rise of every customer metric"),
    ),
    Entry(
        "enrolment", Group.RECOGNITION, _CUSTOMER, _SHARE, Source.ENROLMENTS, Owner.LOYALTY, How.NOT_YET,
        N_("Enrolment"),
        N_("How many of those who were asked joined."),
        N_("Enrolled / asked"),
        N_("It comes after the treatment: never condition an effect on it"),
    ),
    Entry(
        "profile_completeness", Group.RECOGNITION, _CUSTOMER, _SHARE, Source.ENROLMENTS, Owner.LOYALTY, How.NOT_YET,
        N_("Profile completeness"),
        N_("How many of those who joined left name, phone and e-mail."),
        N_("Profiles with name, phone and e-mail / enrolled"),
        N_("It comes after the treatment: never condition an effect on it"),
    ),
    Entry(
        "margin_per_customer", Group.MONEY, _CUSTOMER, _MONEY, Source.REPORT, Owner.FINANCE, How.BAND,
        N_("Margin per assigned customer"),
        N_("What a listed customer's purchases earn after the cost of goods; the chapter on money reckons with it."),
        N_("Net sales less cost of goods / assigned customers"),
        N_("Without the cost of goods on receipts it rests on the plan's margin, printed as an assumption"),
    ),
    Entry(
        "subsidised_share", Group.MONEY, _CUSTOMER, _SHARE, Source.REPORT, Owner.FINANCE, How.UNITS,
        N_("Subsidised share"),
        N_("The part of the rewards that was paid on purchases which control shows would have come anyway."),
        N_("Rewards on sales that would have come anyway / rewards, by decile of spend before the start"),
        N_("Deciles are fixed before the start: best customers are subsidised most, by construction"),
    ),
    Entry(
        "redemption_rate", Group.MONEY, _CUSTOMER, _SHARE, Source.REDEMPTIONS, Owner.FINANCE, How.NOT_YET,
        N_("Redemption rate"),
        N_("How much of what was issued has been redeemed."),
        N_("Redeemed / issued"),
        N_("A young pilot has no history: a band, not a number"),
    ),
    Entry(
        "breakage", Group.MONEY, _CUSTOMER, _SHARE, Source.REDEMPTIONS, Owner.FINANCE, How.NOT_YET,
        N_("Breakage"),
        N_("How much of what was issued will never be redeemed."),
        N_("1 − ultimate redemption"),
        N_("A young pilot has no history: a band, not a number"),
    ),
    Entry(
        "liability", Group.MONEY, _CUSTOMER, _MONEY, Source.REDEMPTIONS, Owner.FINANCE, How.NOT_YET,
        N_("Liability"),
        N_("What is still owed to members."),
        N_("Outstanding × cost × probability of redemption"),
        N_("The chapter on money shows it under low, base and high redemption that the plan assumes"),
    ),
    Entry(
        "acquisition_cost", Group.MONEY, _STORE, _MONEY, Source.REPORT, Owner.FINANCE, How.BAND,
        N_("Acquisition cost"),
        N_("What a newly identified customer cost, beside what a unit of money gained outside the list cost."),
        N_("Cost / newly identified customers; cost / sales gained outside the list, with its interval"),
        N_("Newly identified is not newly won: descriptive, and never in a gate"),
    ),
    Entry(
        "lifetime", Group.MONEY, _CUSTOMER, _COUNT, Source.REPORT, Owner.FINANCE, How.BAND,
        N_("Lifetime and value per cost"),
        N_("How long a customer stays, and what that is worth for what it cost, by variant."),
        N_("Restricted mean lifetime; lifetime × margin rate / cost"),
        N_("A projection: never in a gate"),
    ),
    Entry(
        "promises_kept", Group.SERVICE, _STORE, _SHARE, Source.SERVICE_CHECKS, Owner.OPERATIONS, How.NOT_YET,
        N_("Promises kept"),
        N_("How often a store did what the program promises, by shift."),
        N_("Checks with the promise kept / checks"),
        N_("Announced checks flatter"),
    ),
    Entry(
        "reply_time", Group.SERVICE, _STORE, _COUNT, Source.SERVICE_CHECKS, Owner.OPERATIONS, How.NOT_YET,
        N_("Reply time"),
        N_("How long a customer waits for an answer."),
        N_("Median minutes from question to answer"),
        N_("Questions that nobody answered are the longest waits"),
    ),
    Entry(
        "complaints", Group.SERVICE, _STORE, _RATIO, Source.SERVICE_CHECKS, Owner.OPERATIONS, How.NOT_YET,
        N_("Complaints"),
        N_("How often customers complain."),
        N_("Complaints per 1,000 receipts"),
        N_("A program that asks for feedback gets more of it"),
    ),
    Entry(
        "consistency", Group.SERVICE, _STORE, _RATIO, Source.SERVICE_CHECKS, Owner.OPERATIONS, How.NOT_YET,
        N_("Consistency"),
        N_("Whether service is the same in every shift, five minutes before closing, too."),
        N_("Spread of the checks' score between shifts of a store"),
        N_("Few checks a shift spread by chance"),
    ),
)  # fmt: skip

BY_CODE = {entry.code: entry for entry in ENTRIES}
# Kinds with days of their own: the title and the formula name them.
WITH_DAYS: dict[MetricKind, tuple[str, str]] = {
    MetricKind.REPEAT_PURCHASE: (
        N_("Repeat purchase within {days} days"),
        N_("Assigned customers with at least 2 purchase days within {days} days of the start / assigned customers"),
    ),
    MetricKind.RETENTION: (
        N_("Retention, days {first_day} to {last_day}"),
        N_("Assigned customers with a purchase from day {first_day} to day {last_day} / assigned customers"),
    ),
}
# Why a plan cannot choose it, and what would do.
NOT_IN_A_PLAN: dict[Source, str] = {
    Source.REPORT: N_("a report reckons it by itself; a plan cannot choose it"),
    Source.SURVEYS: N_(
        "it needs survey answers, which cover a part of the customers only; import them and read it in the chapter on "
        "true loyalty"
    ),
    Source.ENROLMENTS: N_("it needs records of who was asked and who joined, which this installation does not hold"),
    Source.REDEMPTIONS: N_("it needs records of what was issued and redeemed, which this installation does not hold"),
    Source.SERVICE_CHECKS: N_("it needs records of service checks by shift, which this installation does not hold"),
}
