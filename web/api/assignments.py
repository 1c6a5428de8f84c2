"""Who gets what, and why: asked by tills."""

from datetime import date, datetime
from typing import Any

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from pilot.access.permissions import Scope
from pilot.assignment import lookup
from pilot.words import translate
from web.auth import requires_key
from web.work import session, settings

api = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="Assignments")


class Question(BaseModel):
    """Which customer stands in which store."""

    model_config = ConfigDict(extra="forbid")

    customer: str | None = Field(None, max_length=120, description="The customer's external id; none: not identified")
    store: str = Field(max_length=120, description="The store's code")


class AnswerOffer(BaseModel):
    """The offer, with its terms as the program states them (money in minor units, shares 0 to 1 as text)."""

    code: str
    name: str
    mechanic: str
    terms: dict[str, Any]


class Answer(BaseModel):
    """What the customer receives here and now, and the reason in words."""

    variant: str | None = Field(description="The variant; null where no pilot applies")
    offer: AnswerOffer | None
    pilot: str | None
    reason_code: str
    reason: str
    valid_until: date | None
    asked_at: datetime


@api.get("/assignments")
@requires_key(Scope.ASSIGNMENTS_READ)
@api.input(Question, location="query", arg_name="question")
@api.output(Answer)
@api.doc(summary="Who gets what, and why", operation_id="assignment", security="key")
def assignment(question: Question) -> dict[str, Any]:
    """Variant, offer, terms and the reason in words for one customer in one store."""
    now = settings().now()
    found = lookup.who_gets_what(session(), customer=question.customer, store=question.store, at=now)
    offer = found.offer
    return {
        "variant": found.variant,
        "offer": offer and {"code": offer.code, "name": offer.name, "mechanic": offer.mechanic, "terms": offer.terms},
        "pilot": found.pilot,
        "reason_code": found.reason.code,
        "reason": translate(found.reason),
        "valid_until": found.valid_until,
        "asked_at": now,
    }
