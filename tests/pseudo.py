"""A language that no text can escape: a translated text is written in wide letters; what stays narrow was missed.

The language is called Finnish, so that numbers and dates have a form that differs from English, too.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo

from pilot.words import DOMAIN
from tests.rules.house import ROOT

LANGUAGE = "fi"
_WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F) if chr(code).isalpha()})
_NARROW = str.maketrans({wide: chr(narrow) for narrow, wide in _WIDE.items()})
# What a translator leaves alone: places of both kinds, tags and entities.
KEPT = re.compile(r"(\{[^{}]*\}|%\(\w+\)[sd]|%%|<[^>]+>|&\w+;)")
_SHOWN_ATTRIBUTES = ("title", "aria-label", "placeholder", "alt", "data-confirm")
_SILENT = ("script", "style", "code", "pre")
# Parts that say that they are in English, as the pages of the methods do; a whole English page is none.
_IN_ENGLISH = re.compile(r'<(?!html)(\w+)[^>]* lang="en"[^>]*>.*?</\1>', re.DOTALL)


def texts() -> dict[str, str | None]:
    """Every text that is marked anywhere in the product, with its plural where it has one."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as config:
        methods, options = parse_mapping_cfg(config, filename="babel.cfg")
    found: dict[str, str | None] = {}
    for _file, _line, message, _comments, _context in extract_from_dir(ROOT, methods, options):
        one, many = message if isinstance(message, tuple) else (message, None)
        found[one] = many or found.get(one)
    return found


def write_catalogue(folder: Path) -> None:
    """Compile the wide translation of every text to where gettext looks for it under ``folder``."""
    catalogue = Catalog(LANGUAGE, domain=DOMAIN)
    for one, many in texts().items():
        if many:
            catalogue.add((one, many), (widened(one), widened(many)))
        else:
            catalogue.add(one, widened(one))
    place = folder / LANGUAGE / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / f"{DOMAIN}.mo").open("wb") as file:
        write_mo(file, catalogue)


def widened(text: str) -> str:
    """``text`` in wide letters, its places as they were."""
    return "".join(part if at % 2 else part.translate(_WIDE) for at, part in enumerate(KEPT.split(text)))


def narrowed(text: str) -> str:
    """What ``widened`` came from, for a failure that people can read."""
    return text.translate(_NARROW)


def is_wide(text: str) -> bool:
    return any(ord(letter) in _NARROW for letter in text)


def shown(page: str) -> list[str]:
    """What a person can read of a page or hears of it: its texts, and the attributes that are texts.

    Parts that are marked as English are left out.
    """
    reader = _Reader()
    reader.feed(_IN_ENGLISH.sub("", page))
    return [" ".join(text.split()) for text in reader.found if text.strip()]


def missed(text: str, allowed: re.Pattern[str]) -> list[str]:
    """The narrow words of ``text`` that nobody translated and that ``allowed`` does not excuse."""
    return re.findall(r"[A-Za-z]{2,}", allowed.sub(" ", text))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        values = dict(attrs)
        self.found += [values[name] or "" for name in _SHOWN_ATTRIBUTES if name in values]
        if tag == "input" and values.get("type") in ("submit", "button"):
            self.found.append(values.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)
