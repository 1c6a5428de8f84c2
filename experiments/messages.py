"""A sentence for a person as data: a code, an English template and the values that fill it."""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SMALLEST_P = 0.001  # below it a p-value is a limit, not a number


def N_(template: str) -> str:  # noqa: N802 - the name that gettext's extractors look for
    """Mark ``template`` for translation; it is translated where it is shown, never here."""
    return template


@dataclass(frozen=True, slots=True)
class Message:
    """``code`` for programs, ``template`` (``{name}`` fields) for translators, ``values`` for both; ``str()`` is
    English.

    Fields take Python's formats and two more, which the reader's locale decides: ``{day:date}`` (ISO text) and
    ``p {p:p}`` (a p-value with its relation, such as ``p = 0.043`` or ``p < 0.001``).
    """

    code: str
    template: str
    values: Mapping[str, str | int | float] = field(default_factory=dict)

    def __str__(self) -> str:
        return _PlainEnglish().vformat(self.template, (), self.values)

    def to_dict(self) -> dict[str, Any]:
        """The message as JSON-able data."""
        return {"code": self.code, "template": self.template, "values": dict(self.values)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Message":
        """The message that ``to_dict`` wrote."""
        return cls(data["code"], data["template"], dict(data["values"]))


class _PlainEnglish(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "date":
            return str(value)
        if format_spec == "p":
            return f"< {_SMALLEST_P}" if value < _SMALLEST_P else f"= {value:.3f}"
        return format(value, format_spec)
