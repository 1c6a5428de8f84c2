"""What tills ask, read strictly and described: the parameters of an address, and a body of many questions.

A name that is not known or stands twice is refused rather than guessed at; so is what is not UTF-8.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from pilot.assignment.asking import LONGEST, MOST_QUESTIONS, PLAIN
from pilot.words import N_, Message
from web.api.bodies import BodyNotJson, DoubledName
from web.errors import AddressUnreadable, BodyTooLarge, BodyUnreadable, FieldUnreadable

MOST_BYTES = 2_000_000
OF_ONE, OF_STORE = ("store", "customer", "card"), ("store",)
_PERSONAL = frozenset({"phone", "greeting"})
_SHOWN = 40
_NOT_UTF8 = AddressUnreadable.template
_DOUBLED = N_("“{name}” stands twice in the address. Which value counts is not guessed: send it once.")
_IN_A_BODY = N_(
    "“{name}” does not belong into an address, which ends up in logs: ask by POST /api/v1/assignments:batch."
)
_NO_PARAMETER = N_("There is no parameter “{name}”; there are: {known}.")
_NOT_QUESTIONS = N_('The body is not an object {{"questions": […]}} and nothing more.')
_NO_QUESTION = N_("There is no question.")
_TOO_MANY = N_("There are {n:,} questions; one call takes up to {most:,}.")
_AN_OBJECT = Message("place", N_("An object of the body"))


class QuestionUnreadable(FieldUnreadable):
    """A question in an address, or a list of them, that is none; in a batch the same words are the row's refusal."""

    code = "question_unreadable"
    template = N_("{problem}")


class QuestionsTooLarge(BodyTooLarge):
    code = "questions_too_large"
    template = N_("The body is larger than {limit:,} bytes. Ask fewer questions in a call.")


def parameters(query: str, known: Sequence[str]) -> dict[str, str] | Message:
    """The parameters of the raw ``query`` (as WSGI gives it, bytes as Latin-1), or why they are not taken."""
    try:
        text = query if query.isascii() else query.encode("latin-1").decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        return _unreadable(_NOT_UTF8)
    found = dict(pairs)
    if len(found) == len(pairs) and found.keys() <= set(known):
        return found
    names = [name for name, _ in pairs]
    for name in names:
        if name in _PERSONAL:
            return _unreadable(_IN_A_BODY, name=name)
        if name not in known:
            return _unreadable(_NO_PARAMETER, name=name[:_SHOWN], known=", ".join(known))
    return _unreadable(_DOUBLED, name=next(name for name in names if names.count(name) > 1))


def asked_in_address(request: Request, known: Sequence[str]) -> dict[str, str]:
    """The parameters of a request; raises ``QuestionUnreadable``."""
    found = parameters(request.environ.get("QUERY_STRING", ""), known)
    if isinstance(found, Message):
        raise QuestionUnreadable(problem=found)
    return found


def asked_in_body(request: Request) -> list[Any]:
    """The questions of a body, each as it was sent: what is wrong with one is said in its row."""
    if not request.is_json:
        raise UnsupportedMediaType
    request.max_content_length = MOST_BYTES
    try:
        parsed = json.loads(request.get_data(cache=False).decode(), object_pairs_hook=_once)
    except RequestEntityTooLarge:
        raise QuestionsTooLarge(limit=MOST_BYTES) from None
    except json.JSONDecodeError as error:
        raise BodyNotJson(line=error.lineno, column=error.colno, problem=error.msg) from None
    except (ValueError, RecursionError):  # not UTF-8; a number or a nesting beyond all measure
        raise BodyUnreadable from None
    if not isinstance(parsed, dict) or parsed.keys() != {"questions"} or not isinstance(parsed["questions"], list):
        raise QuestionUnreadable(problem=_unreadable(_NOT_QUESTIONS))
    found: list[Any] = parsed["questions"]
    if not found:
        raise QuestionUnreadable(problem=_unreadable(_NO_QUESTION))
    if len(found) > MOST_QUESTIONS:
        raise QuestionUnreadable(problem=_unreadable(_TOO_MANY, n=len(found), most=MOST_QUESTIONS))
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise DoubledName(place=_AN_OBJECT, name=doubled[:_SHOWN])
    return found


def _unreadable(template: str, **values: Any) -> Message:
    return Message("question_unreadable", template, values)


_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": PLAIN}
_WORDS = {
    "store": "The store's code",
    "customer": "The customer's external id; none: not identified",
    "card": "A card's number: an external id, which may be written with spaces and hyphens",
}
QUESTIONS: dict[str, Any] = {
    "type": "object",
    "required": ["questions"],
    "additionalProperties": False,
    "properties": {
        "questions": {
            "type": "array",
            "items": {},
            "minItems": 1,
            "maxItems": MOST_QUESTIONS,
            "description": (
                "Objects with `store` (required), at most one of `customer`, `card` and `phone` (E.164, or as it is "
                f"written in the store's country), and `greeting`; texts of 1 to {LONGEST} characters. `greeting` is a "
                "line of the retailer's own system for this session; it comes back escaped and is never stored. What "
                "is wrong with one is said in its row."
            ),
            "examples": [[{"store": "S00320", "customer": "H0039"}, {"store": "S00320", "phone": "+15005550006"}]],
        }
    },
}


def described(names: Sequence[str]) -> list[dict[str, Any]]:
    """The parameters ``names`` of an address, as OpenAPI describes them."""
    return [
        {"name": name, "in": "query", "required": name == "store", "description": _WORDS[name], "schema": _TEXT}
        for name in names
    ]
