"""What is known of a candidate and why a unit stays out, as codes with their words."""

from enum import StrEnum

from pilot.words import N_, Message


class Covariate(StrEnum):
    """What a unit looked like in the pre-period; whole numbers, so that they can be recorded and replayed exactly."""

    NET_PER_WEEK = "net_minor_per_week"
    RECEIPTS_PER_WEEK = "receipts_per_week"
    IDENTIFIED_PPM = "identified_ppm"
    LISTED_CUSTOMERS = "listed_customers"
    SPEND_PER_CUSTOMER = "spend_per_customer_minor"


COVARIATES: dict[str, Message] = {
    Covariate.NET_PER_WEEK: Message("covariate_net", N_("Net sales per week")),
    Covariate.RECEIPTS_PER_WEEK: Message("covariate_receipts", N_("Receipts per week")),
    Covariate.IDENTIFIED_PPM: Message("covariate_identified", N_("Share of receipts with a customer")),
    Covariate.LISTED_CUSTOMERS: Message("covariate_listed", N_("Customers at home here")),
    Covariate.SPEND_PER_CUSTOMER: Message("covariate_spend", N_("Spend per customer at home here")),
}


MECHANISMS: dict[str, Message] = {
    "matched_pairs": Message("mechanism_matched_pairs", N_("“matched pairs”")),
    "stratified": Message("mechanism_stratified", N_("“stratified”")),
    "complete": Message("mechanism_complete", N_("“complete”")),
    "rerandomized": Message("mechanism_rerandomized", N_("“rerandomized”")),
    "bernoulli_hash": Message("mechanism_bernoulli_hash", N_("“by code”")),
}


class StaysOut(StrEnum):
    """Why a unit that the plan names is no candidate, or was left out by the mechanism."""

    HOLDOUT = "holdout"
    CLOSED = "closed"
    TOO_NEW = "too_new"
    TRADED_TOO_LITTLE = "traded_too_little"
    TOO_FEW_CUSTOMERS = "too_few_customers"
    TREATED_EARLIER = "treated_earlier"
    OTHER_PILOT = "other_pilot"
    COOLING_DOWN = "cooling_down"
    BLACKOUT = "blackout"
    EXCLUDED = "excluded"
    REGION_NOT_APPROVED = "region_not_approved"
    NO_PARTNER = "no_partner"
    STRATUM_TOO_SMALL = "stratum_too_small"


STAYS_OUT_WORDS: dict[str, Message] = {
    StaysOut.HOLDOUT: Message("stays_out_holdout", N_("it belongs to the holdout")),
    StaysOut.CLOSED: Message("stays_out_closed", N_("it closes before the stage can end")),
    StaysOut.TOO_NEW: Message("stays_out_too_new", N_("it opened after the pre-period began")),
    StaysOut.TRADED_TOO_LITTLE: Message("stays_out_traded", N_("it traded in too few weeks before")),
    StaysOut.TOO_FEW_CUSTOMERS: Message("stays_out_customers", N_("too few customers are at home there")),
    StaysOut.TREATED_EARLIER: Message("stays_out_treated", N_("an earlier stage treated it")),
    StaysOut.OTHER_PILOT: Message("stays_out_other", N_("another pilot is using it")),
    StaysOut.COOLING_DOWN: Message("stays_out_cooling", N_("another pilot treated it not long ago: it cools down")),
    StaysOut.BLACKOUT: Message("stays_out_blackout", N_("the calendar has a blackout there")),
    StaysOut.EXCLUDED: Message("stays_out_excluded", N_("the plan leaves it out by name")),
    StaysOut.REGION_NOT_APPROVED: Message(
        "stays_out_region", N_("the executives let the stage go on in other regions only")
    ),
    StaysOut.NO_PARTNER: Message("stays_out_partner", N_("no other was left to make a pair with")),
    StaysOut.STRATUM_TOO_SMALL: Message("stays_out_stratum", N_("its stratum has fewer units than there are variants")),
}
