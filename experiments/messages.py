"""A sentence for a person as data: a code, an English template and the values that fill it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def N_(template: str) -> str:  # noqa: N802 - the name that gettext's extractors look for
    """Mark ``template`` for translation; it is translated where it is shown, never here."""
    return template


@dataclass(frozen=True, slots=True)
class Message:
    """``code`` for programs, ``template`` (``{name}`` fields) for translators, ``values`` for both; ``str()`` is
    English."""

    code: str
    template: str
    values: Mapping[str, str | int | float] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)

    def to_dict(self) -> dict[str, Any]:
        """The message as JSON-able data."""
        return {"code": self.code, "template": self.template, "values": dict(self.values)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Message":
        """The message that ``to_dict`` wrote."""
        return cls(data["code"], data["template"], dict(data["values"]))
