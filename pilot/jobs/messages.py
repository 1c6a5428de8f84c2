"""From an error to the message it carries: what the edges of jobs and the command line show."""

from typing import Any

from pilot.words import Message


def message_of(error: Exception) -> Message | None:
    """The message that an error of ours carries (those of ``experiments`` too); None for any other error."""
    found: Any = getattr(error, "message", None)
    if not hasattr(found, "template"):
        return None
    return Message(found.code, found.template, dict(found.values))
