"""Who gets what, and why: asked by tills, one question in the address or many in the body."""

from datetime import date, datetime
from typing import Any

from apiflask import APIBlueprint
from flask import Response, g, json, request
from pydantic import BaseModel, Field

from pilot.access.permissions import KeyMayNot, Scope, may_key
from pilot.assignment.answers import Verdict
from pilot.assignment.asking import Question, answer_all, read_question
from pilot.errors import Refused
from pilot.words import N_, Message, translate
from web.api.answer_texts import answer_text, instant_text, verdict_text
from web.api.fast_lookup import FastLookUp
from web.api.live_keys import audit_head, desk
from web.api.questions import OF_ONE, QuestionUnreadable, asked_in_address, asked_in_body
from web.auth import requires_key
from web.language import current_language
from web.work import session, settings

api = APIBlueprint("api", __name__, url_prefix="/api/v1", tag="Assignments")


class NamedTwice(Refused):
    """Both a customer and a card in one address: nobody guesses who is meant."""

    code = "named_twice"
    template = N_("Name the customer by “customer” or by “card”, not by both.")


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
    plan_version: int | None = Field(
        description="The version of the sealed plan whose terms these are; later stages may get others"
    )
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


@api.get("/assignments")
@requires_key(Scope.ASSIGNMENTS_READ)
@api.output(Answer)
@api.doc(summary="Who gets what, and why", operation_id="assignment", security="key")
def assignment() -> Response:
    """Variant, offer, terms and the reason in words for one customer in one store."""
    now = settings().now()
    row = asked_in_address(request, OF_ONE)
    if row.keys() >= {"customer", "card"}:
        raise NamedTwice
    asked = read_question(row)
    if isinstance(asked, Message):
        raise QuestionUnreadable(problem=asked)
    found = desk().ask(desk().kept(audit_head()), asked.store, asked.external_id, now)
    return _json(answer_text(found, now, current_language()))


@api.post("/assignments:batch")
@requires_key(Scope.ASSIGNMENTS_READ, by_row=True, reads=True)
@api.output(Batch)
@api.doc(summary="Up to 1,000 questions at once", operation_id="assignment_batch", security="key")
def batch() -> Response:
    """The same answers, row by row; also by phone number, and with a line of the till's own."""
    now = settings().now()
    read = [_permitted(read_question(row)) for row in asked_in_body(request)]
    asked = [row for row in read if isinstance(row, Question)]
    found = iter(answer_all(session(), desk().kept(audit_head()), asked, at=now))
    language = current_language()
    rows = (
        _row(index, row, next(found) if isinstance(row, Question) else row, language) for index, row in enumerate(read)
    )
    return _json(f'{{"answers":[{",".join(rows)}],"asked_at":{instant_text(now)}}}\n')


def _permitted(row: Question | Message) -> Question | Message:
    """The question, or why this key does not get an answer to it."""
    if isinstance(row, Question) and not may_key(g.api_key, Scope.ASSIGNMENTS_READ, row.store):
        return KeyMayNot(key=g.api_key.code, scope=str(Scope.ASSIGNMENTS_READ), store=row.store).message
    return row


def _row(index: int, row: Question | Message, found: Verdict | Message, language: str) -> str:
    greeting = json.dumps(row.escaped_greeting if isinstance(row, Question) else None)
    if isinstance(found, Message):
        refusal = json.dumps({"code": found.code, "title": translate(found)})
        return f'{{"answer":null,"greeting":{greeting},"index":{index},"refusal":{refusal}}}'
    return f'{{"answer":{verdict_text(found, language)},"greeting":{greeting},"index":{index},"refusal":null}}'


def _json(text: str) -> Response:
    return Response(text, mimetype="application/json")


@api.record_once
def _install(state: Any) -> None:
    state.app.wsgi_app = FastLookUp(state.app)
