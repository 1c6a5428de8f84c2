"""A letter: what a mail says, as data in no language; it is put into words when it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilot.words import Message


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to say; ``link`` is a path inside the product, or empty."""

    message: Message
    link: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Lines under a heading; no heading where the letter says one thing only."""

    lines: tuple[Line, ...]
    heading: Message | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """The subject and the parts."""

    subject: Message
    parts: tuple[Part, ...]

    def to_document(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "subject": self.subject.to_dict(),
            "parts": [
                {
                    "heading": part.heading.to_dict() if part.heading else None,
                    "lines": [{"message": line.message.to_dict(), "link": line.link} for line in part.lines],
                }
                for part in self.parts
            ],
        }

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> "Letter":
        """What ``to_document`` gave."""
        return cls(Message.from_dict(stored["subject"]), tuple(_part(part) for part in stored["parts"]))


def _part(stored: Mapping[str, Any]) -> Part:
    heading = stored["heading"]
    lines = tuple(Line(Message.from_dict(line["message"]), line["link"]) for line in stored["lines"])
    return Part(lines, Message.from_dict(heading) if heading else None)
