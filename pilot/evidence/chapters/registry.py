"""Which chapters a report has, in the order in which they are computed and shown."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from experiments.errors import ExperimentError
from pilot.errors import PilotError
from pilot.evidence.chapters import crossing, loyalty, money, subsidy, swiped, value, where
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.planning.metrics import in_our_words
from pilot.words import Message

REFUSAL = "refusal"


class ChapterCode(StrEnum):
    """What a chapter is called in documents and addresses."""

    SWIPED = "swiped"
    CROSSING = "crossing"
    MONEY = "money"
    VALUE = "value"
    SUBSIDY = "subsidy"
    LOYALTY = "loyalty"
    WHERE = "where"


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter and how it is computed: JSON-able codes and numbers, or an error that says why there is none."""

    code: ChapterCode
    compute: Callable[[ChapterInputs], dict[str, Any]]


CHAPTERS: tuple[Chapter, ...] = (
    Chapter(ChapterCode.SWIPED, swiped.compute),
    Chapter(ChapterCode.CROSSING, crossing.compute),
    Chapter(ChapterCode.MONEY, money.compute),
    Chapter(ChapterCode.VALUE, value.compute),
    Chapter(ChapterCode.SUBSIDY, subsidy.compute),
    Chapter(ChapterCode.LOYALTY, loyalty.compute),
    Chapter(ChapterCode.WHERE, where.compute),
)


def compute_chapters(
    inputs: ChapterInputs, chapters: tuple[Chapter, ...] = CHAPTERS, tell: Callable[[], None] | None = None
) -> dict[str, dict[str, Any]]:
    """Every chapter by code; one that cannot be estimated holds its reason under ``refusal``.

    ``tell`` hears of each.
    """
    for chapter in chapters:
        try:
            inputs.done[chapter.code.value] = chapter.compute(inputs)
        except ExperimentError as error:
            inputs.done[chapter.code.value] = {REFUSAL: in_our_words(error.message).to_dict()}
        except PilotError as error:
            inputs.done[chapter.code.value] = {REFUSAL: error.message.to_dict()}
        if tell:
            tell()
    return dict(inputs.done)


def refusal_of(chapter: dict[str, Any]) -> Message | None:
    """Why a stored chapter has nothing to show; None where it has."""
    stored = chapter.get(REFUSAL)
    return Message.from_dict(stored) if stored else None
