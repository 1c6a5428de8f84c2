"""Who gets what, and why: asked by tills, one question in the address or many in the body."""

from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from typing import Any

from apiflask import APIBlueprint
from flask import Response, g, json, request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilot.access.permissions import KeyMayNot, Scope, may_key
from pilot.assignment.answers import Verdict
from pilot.assignment.asking import LONGEST, MOST_QUESTIONS, PLAIN, answer_all, read_question
from pilot.assignment.asking import Question as Asked
from pilot.errors import Refused
from pilot.words import N_, Message, translate
from web.api.answer_texts import answer_text, instant_text, verdict_text
from web.api.fast_lookup import FastLookUp
from web.api.live_keys import audit_head, desk
from web.auth import requires_key
from web.errors import FieldUnreadable
from web.language import current_language
from web.work import session, settings

api = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="Assignments")
_MOST_BYTES = 2_000_000
_NOT_IN_AN_ADDRESS = "does not belong into an address, which ends up in logs: ask by POST /api/v1/assignments:batch"
_A_CUSTOMER = "The customer's external id; none: not identified"
_A_CARD = "A card's number: an external id, which may be written with spaces and hyphens"
_A_GREETING = "A line of the retailer's own system for this session; comes back escaped and is never stored"


class QuestionUnreadable(FieldUnreadable):
    """One question in an address that is none; in a batch the same words are the row's refusal."""

    code = "question_unreadable"
    template = N_("{problem}")


class NamedTwice(Refused):
    """Both a customer and a card in one address: nobody guesses who is meant."""

    code = "named_twice"
    template = N_("Name the customer by “customer” or by “card”, not by both.")


class Question(BaseModel):
    """Which customer stands in which store. Phones and greetings are asked for in a body, never in an address."""

    model_config = ConfigDict(extra="forbid")

    store: str = Field(min_length=1, max_length=LONGEST, pattern=PLAIN, description="The store's code")
    customer: str | None = Field(None, min_length=1, max_length=LONGEST, pattern=PLAIN, description=_A_CUSTOMER)
    card: str | None = Field(None, min_length=1, max_length=LONGEST, pattern=PLAIN, description=_A_CARD)

    @model_validator(mode="before")
    @classmethod
    def _nothing_personal(cls, given: Any) -> Any:
        found = next((name for name in ("phone", "greeting") if name in given), None)
        if found:
            raise ValueError(f"a {found} {_NOT_IN_AN_ADDRESS}")
        return given


class Questions(BaseModel):
    """Up to a thousand questions; each is answered or refused by itself."""

    model_config = ConfigDict(extra="forbid")

    questions: list[Any] = Field(
        min_length=1,
        max_length=MOST_QUESTIONS,
        description=(
            "Objects with `store` (required), at most one of `customer`, `card` and `phone` (E.164, or as it is "
            f"written in the store's country), and `greeting`; texts of 1 to {LONGEST} characters. {_A_GREETING}."
        ),
        examples=[[{"store": "S00320", "customer": "H0039"}, {"store": "S00320", "phone": "+15005550006"}]],
    )


class AnswerOffer(BaseModel):
    """The offer, with its terms as the program states them (money in minor units, shares 0 to 1 as text)."""

    code: str
    name: str
    mechanic: str
    terms: dict[str, Any]


class Given(BaseModel):
    """What the customer receives here and now, and the reason in words."""

    variant: str | None = Field(description="The variant; null where no pilot applies")
    offer: AnswerOffer | None
    pilot: str | None
    reason_code: str
    reason: str
    valid_until: date | None = Field(description="The last day of the stage; null: until further notice, or nothing")


class Answer(Given):
    """The answer to one question."""

    asked_at: datetime


class Refusal(BaseModel):
    """Why a row was not answered."""

    code: str
    title: str


class BatchRow(BaseModel):
    """A row's answer or its refusal; the other one is null."""

    index: int = Field(description="The place of the question, from 0")
    answer: Given | None
    greeting: str | None = Field(None, description="The question's greeting, escaped for HTML")
    refusal: Refusal | None


class Batch(BaseModel):
    """One row for each question, in their order."""

    asked_at: datetime
    answers: list[BatchRow]


def small_body(view: Callable[..., Any]) -> Callable[..., Any]:
    """A body of questions is small, whatever files may be uploaded elsewhere."""

    @wraps(view)
    def limited(*arguments: Any, **named: Any) -> Any:
        request.max_content_length = _MOST_BYTES
        return view(*arguments, **named)

    return limited


@api.get("/assignments")
@requires_key(Scope.ASSIGNMENTS_READ)
@api.input(Question, location="query", arg_name="question")
@api.output(Answer)
@api.doc(summary="Who gets what, and why", operation_id="assignment", security="key")
def assignment(question: Question) -> Response:
    """Variant, offer, terms and the reason in words for one customer in one store."""
    now = settings().now()
    if question.customer is not None and question.card is not None:
        raise NamedTwice
    asked = read_question(question.__dict__)
    if isinstance(asked, Message):
        raise QuestionUnreadable(problem=asked)
    found = desk().ask(desk().kept(audit_head()), asked.store, asked.external_id, now)
    return _json(answer_text(found, now, current_language()))


@api.post("/assignments:batch")
@requires_key(Scope.ASSIGNMENTS_READ, by_row=True, reads=True)
@small_body
@api.input(Questions, location="json", arg_name="body")
@api.output(Batch)
@api.doc(summary="Up to 1,000 questions at once", operation_id="assignment_batch", security="key")
def batch(body: Questions) -> Response:
    """The same answers, row by row; also by phone number, and with a line of the till's own."""
    now = settings().now()
    read = [_permitted(read_question(row)) for row in body.questions]
    asked = [row for row in read if isinstance(row, Asked)]
    found = iter(answer_all(session(), desk().kept(audit_head()), asked, at=now))
    language = current_language()
    rows = (
        _row(index, row, next(found) if isinstance(row, Asked) else row, language) for index, row in enumerate(read)
    )
    return _json(f'{{"answers":[{",".join(rows)}],"asked_at":{instant_text(now)}}}\n')


def _permitted(row: Asked | Message) -> Asked | Message:
    """The question, or why this key does not get an answer to it."""
    if isinstance(row, Asked) and not may_key(g.api_key, Scope.ASSIGNMENTS_READ, row.store):
        return KeyMayNot(key=g.api_key.code, scope=str(Scope.ASSIGNMENTS_READ), store=row.store).message
    return row


def _row(index: int, row: Asked | Message, found: Verdict | Message, language: str) -> str:
    greeting = json.dumps(row.escaped_greeting if isinstance(row, Asked) else None)
    if isinstance(found, Message):
        refusal = json.dumps({"code": found.code, "title": translate(found)})
        return f'{{"answer":null,"greeting":{greeting},"index":{index},"refusal":{refusal}}}'
    return f'{{"answer":{verdict_text(found, language)},"greeting":{greeting},"index":{index},"refusal":null}}'


def _json(text: str) -> Response:
    return Response(text, mimetype="application/json")


@api.record_once
def _install(state: Any) -> None:
    state.app.wsgi_app = FastLookUp(state.app)
