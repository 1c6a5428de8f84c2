"""What a customer gets and why, as values: the verdict that many share, and the answer to one question."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from pilot.planning.plan import PlannedOffer
from pilot.words import N_, Message, translate


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What everybody in the same position gets in one store on one day; made once, shared by all of them.

    ``offer`` holds mechanic, terms and enrolment conditions as they are in the sealed plan that the draw was made by,
    whose number is ``plan_version``: who is on a stage keeps its terms when later ones are amended. ``valid_until`` is
    the last day of the stage's window; None: until further notice, or nothing to be valid.
    """

    pilot: str | None
    stage: int | None
    variant: str | None
    offer: PlannedOffer | None
    reason: Message
    valid_until: date | None
    plan_version: int | None = None

    def to_document(self) -> dict[str, Any]:
        """What tills read, asked one by one or from a bundle; the reason in the current language."""
        offer = self.offer
        return {
            "offer": offer
            and {"code": offer.code, "mechanic": offer.mechanic, "name": offer.name, "terms": offer.terms},
            "pilot": self.pilot,
            "plan_version": self.plan_version,
            "reason": translate(self.reason),
            "reason_code": self.reason.code,
            "valid_until": self.valid_until and self.valid_until.isoformat(),
            "variant": self.variant,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict for the customer (external id; None: nobody recognised) who stands in a store."""

    store: str
    customer: str | None
    pilot: str | None
    stage: int | None
    variant: str | None
    offer: PlannedOffer | None
    reason: Message
    valid_until: date | None
    plan_version: int | None = None

    @classmethod
    def of(cls, verdict: Verdict, *, store: str, customer: str | None) -> "Answer":
        found = verdict
        return cls(
            store,
            customer,
            found.pilot,
            found.stage,
            found.variant,
            found.offer,
            found.reason,
            found.valid_until,
            found.plan_version,
        )

    def to_document(self) -> dict[str, Any]:
        """The JSON form of the command line: codes and values, the reason in English beside its code."""
        return {
            "store": self.store,
            "customer": self.customer,
            "pilot": self.pilot,
            "stage": self.stage,
            "variant": self.variant,
            "offer": self.offer.model_dump(mode="json") if self.offer else None,
            "reason": {"code": self.reason.code, "text": str(self.reason)},
            "valid_until": self.valid_until.isoformat() if self.valid_until else None,
            "plan_version": self.plan_version,
        }


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason's code and its words; called with the values of its places it is the message."""

    code: str
    template: str

    def __call__(self, **values: Any) -> Message:
        return Message(self.code, self.template, values)


NO_PILOT = Reason("no_pilot", N_("Store {store} takes part in no pilot."))
LEFT_OUT = Reason("left_out", N_("{unit} was left out of the draw of {pilot}: {why}."))
NOT_LISTED = Reason(
    "not_listed",
    N_("{pilot} goes by home store, and none was known of this customer at its start."),
)
NOT_RECOGNISED = Reason("not_recognised", N_("{pilot} goes by customer, and no known customer was named."))
NOT_IN_SEGMENT = Reason("not_in_segment", N_("The customer is in none of the segments of {pilot}."))
NOT_STARTED = Reason("not_started", N_("Stage {stage} of {pilot} starts on {starts_on:date}."))
ENDED = Reason("ended", N_("{pilot} was stopped."))
VISITED = Reason(
    "visited_store", N_("Store {unit} was drawn for “{variant}”, which goes to everybody who shops there.")
)
HOME = Reason("home_store", N_("The customer's home store {unit} was drawn for “{variant}”."))
REGION = Reason("region", N_("Region {unit} was drawn for “{variant}”."))
CUSTOMER = Reason("customer", N_("The customer was drawn for “{variant}”."))
NO_OFFER = Reason("no_offer_for_segment", N_("“{variant}” has no offer for the customer's segment ({segment})."))
HOLDOUT = Reason(
    "holdout", N_("Store {unit} is in the holdout of {pilot}, which gets nothing so that it can be compared.")
)
ROLLED_OUT = Reason("rolled_out", N_("{pilot} was rolled out to the whole network."))
