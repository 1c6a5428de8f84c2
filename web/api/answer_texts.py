"""The JSON of answers: many customers share a verdict, so its text is made once in each language."""

from datetime import datetime
from functools import lru_cache
from json import dumps

from pilot.assignment.answers import Verdict
from pilot.words import speaking


@lru_cache(maxsize=4096)
def verdict_text(verdict: Verdict, language: str) -> str:
    """The JSON object that tills read."""
    with speaking(language):
        return dumps(verdict.to_document(), sort_keys=True, separators=(",", ":"))


def answer_text(verdict: Verdict, at: datetime, language: str) -> str:
    """The JSON object of a single answer."""
    return f'{{"asked_at":{instant_text(at)},{verdict_text(verdict, language)[1:]}\n'


def instant_text(at: datetime) -> str:
    """An instant as a JSON string: with its own offset, UTC as ``Z``."""
    text = at.isoformat()
    return f'"{text.removesuffix("+00:00")}Z"' if not at.utcoffset() else f'"{text}"'
