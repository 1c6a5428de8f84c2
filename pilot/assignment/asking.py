"""Questions of a till, each answered or refused by itself: read from plain data, answered together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from sqlalchemy.orm import Session

from pilot.assignment.answers import Verdict
from pilot.assignment.keeping import Kept
from pilot.assignment.people import Person, Phone, card_number, external_ids_of_phones, is_storable, people
from pilot.assignment.snapshot import Snapshot
from pilot.errors import NotFound
from pilot.words import N_, Message

MOST_QUESTIONS = 1_000
LONGEST = 120
PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+$"
_PLAIN = re.compile(PLAIN)
_WAYS = ("customer", "card", "phone")
_FIELDS = ("store", *_WAYS, "greeting")
_NOT_AN_OBJECT = N_("A question is an object with “store” and, where somebody was recognised, “customer”.")
_UNKNOWN_FIELD = N_("A question has no field “{field}”; it has {known}.")
_NOT_A_TEXT = N_("“{field}” is a text of 1 to {longest} characters without control characters.")
_NO_STORE = N_("“store” is missing: the code of the store in which the customer stands.")
_NO_PHONE = N_("“phone” is no phone number: 6 to 15 digits, with or without spaces, hyphens and brackets.")
_SEVERAL_WAYS = N_("Name the customer in one way: {ways}.")


@dataclass(frozen=True, slots=True)
class Question:
    """Who stands where. At most one of customer, card and phone; none of them: nobody was recognised.

    ``greeting`` is a line of the retailer's own system for this session: it goes back escaped, and nowhere else.
    """

    store: str
    customer: str | None = None
    card: str | None = None
    phone: str | None = None
    greeting: str | None = None

    @property
    def external_id(self) -> str | None:
        """The id that the question itself names; None for a phone, and where nobody was recognised."""
        return self.customer if self.card is None else card_number(self.card)

    @property
    def escaped_greeting(self) -> str | None:
        return None if self.greeting is None else escape(self.greeting)


def read_question(row: object) -> Question | Message:
    """The question that ``row`` (read from JSON) is, or why it is none. The message never repeats a value."""
    if not isinstance(row, dict):
        return _refused(_NOT_AN_OBJECT)
    for field, value in row.items():
        if field not in _FIELDS:
            return _refused(_UNKNOWN_FIELD, field=str(field)[:40], known=", ".join(_FIELDS))
        if value is not None and not _is_plain(value):
            return _refused(_NOT_A_TEXT, field=field, longest=LONGEST)
    if row.get("store") is None:
        return _refused(_NO_STORE)
    if sum(row.get(way) is not None for way in _WAYS) > 1:
        return _refused(_SEVERAL_WAYS, ways=", ".join(_WAYS))
    return Question(**row)


def answer_all(session: Session, kept: Kept, questions: Sequence[Question], *, at: datetime) -> list[Verdict | Message]:
    """A verdict for each question, in their order; for an unknown store the reason why there is none."""
    snapshot = kept.snapshot
    phones = [_phone(snapshot, question) for question in questions]
    wanted = {phone for phone in phones if phone}
    by_phone = external_ids_of_phones(session, wanted) if wanted else {}
    ids = [by_phone.get(phone) if phone else q.external_id for q, phone in zip(questions, phones, strict=True)]
    known = people(session, snapshot, filter(None, ids))
    return [
        _refused(_NO_PHONE)
        if phone and phone not in by_phone
        else _answer(kept, question, known.get(id_) if id_ else None, at)
        for question, phone, id_ in zip(questions, phones, ids, strict=True)
    ]


def _phone(snapshot: Snapshot, question: Question) -> Phone | None:
    place = snapshot.places.get(question.store)
    return (question.phone, place.zone) if question.phone is not None and place is not None else None


def _answer(kept: Kept, question: Question, person: Person | None, at: datetime) -> Verdict | Message:
    place = kept.snapshot.places.get(question.store)
    if place is None:
        return NotFound(kind=N_("store"), name=question.store).message
    return kept.till(place, at).verdict(person)


def _is_plain(value: object) -> bool:
    """A short text without control characters, marks that turn the direction of writing, and half characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST:
        return False
    return (value.isascii() and value.isprintable()) or (_PLAIN.fullmatch(value) is not None and is_storable(value))


def _refused(template: str, **values: object) -> Message:
    return Message("question_unreadable", template, values)
