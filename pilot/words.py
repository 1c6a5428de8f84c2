"""Messages are data: a code, an English template and values; translated where they are shown.

``str(message)`` is English. People see ``translate(message)``, which reads the language from a context variable that
the web, the command line and mail set before they speak. Standard gettext: no Flask here, so a job speaks alike.
"""

import gettext
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

DOMAIN = "messages"
TRANSLATIONS = Path(__file__).parent / "translations"
_language: ContextVar[str] = ContextVar("pilot_language", default="en")


def N_(template: str) -> str:  # noqa: N802 - the gettext convention for "translate later"
    """Mark ``template`` for translation and return it unchanged."""
    return template


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for a person: ``code`` names it for programs, ``template`` is English with ``{name}`` places.

    Values are JSON-able, or messages themselves (a reason inside a sentence).
    """

    code: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)

    def to_dict(self) -> dict[str, Any]:
        """The stored form: code, template, values (values must be JSON-able)."""
        values = {k: v.to_dict() if isinstance(v, Message) else v for k, v in self.values.items()}
        return {"code": self.code, "template": self.template, "values": values}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Message":
        """The message that ``to_dict`` stored; a value may itself be a message."""
        values = {k: cls.from_dict(v) if isinstance(v, Mapping) else v for k, v in stored["values"].items()}
        return cls(stored["code"], stored["template"], values)


class SpokenMessage(Protocol):
    """What can be spoken: our messages and those of ``experiments``, which knows nothing of this package."""

    @property
    def template(self) -> str: ...
    @property
    def values(self) -> Mapping[str, Any]: ...


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Translate into ``language`` (a code such as ``"en"``) inside the block."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def translate(message: SpokenMessage) -> str:
    """``message`` in the current language; English where there is no translation. Values that are messages, too."""
    template = _catalogue(_language.get()).gettext(message.template)
    return template.format(**{k: translate(v) if hasattr(v, "template") else v for k, v in message.values.items()})


@lru_cache(maxsize=16)
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, localedir=TRANSLATIONS, languages=[language], fallback=True)
