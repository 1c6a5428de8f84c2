"""The JSON of answers: many customers share a verdict, so its text is made once in each language."""

from datetime import datetime
from functools import lru_cache
from json import dumps
from typing import Any

from pilot.assignment.answers import Verdict
from pilot.words import speaking, translate


def given(verdict: Verdict) -> dict[str, Any]:
    """A verdict as tills read it; the reason in the current language."""
    offer = verdict.offer
    return {
        "offer": offer and {"code": offer.code, "mechanic": offer.mechanic, "name": offer.name, "terms": offer.terms},
        "pilot": verdict.pilot,
        "reason": translate(verdict.reason),
        "reason_code": verdict.reason.code,
        "valid_until": verdict.valid_until and verdict.valid_until.isoformat(),
        "variant": verdict.variant,
    }


@lru_cache(maxsize=4096)
def verdict_text(verdict: Verdict, language: str) -> str:
    """The JSON object of ``given``."""
    with speaking(language):
        return dumps(given(verdict), sort_keys=True, separators=(",", ":"))


def answer_text(verdict: Verdict, at: datetime, language: str) -> str:
    """The JSON object of a single answer."""
    return f'{{"asked_at":{instant_text(at)},{verdict_text(verdict, language)[1:]}\n'


def instant_text(at: datetime) -> str:
    """An instant as a JSON string: with its own offset, UTC as ``Z``."""
    text = at.isoformat()
    return f'"{text.removesuffix("+00:00")}Z"' if not at.utcoffset() else f'"{text}"'
