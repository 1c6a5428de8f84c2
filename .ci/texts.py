"""Every text of the product into the catalogues of translators: ``python .ci/texts.py`` (``make texts``).

Writes ``messages.pot``, brings each ``messages.po`` to it (what is translated stays, what is gone goes, nothing is
guessed) and compiles it. The same sources give the same bytes: no dates, no line numbers.
"""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
TRANSLATIONS = ROOT / "pilot" / "translations"
# Which form a number takes is the language's own rule (Unicode CLDR, whole numbers).
PLURALS = {
    "fi": "nplurals=2; plural=(n != 1);",
    "ru": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);",
}
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)  # babel writes one; today's would differ tomorrow
HEADER = """# Pilot in the language “{language}”. How to translate: docs/translating.md.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""


def extracted() -> Catalog:
    """Every text that is marked anywhere in the product, with the files it stands in."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as config:
        methods, options = parse_mapping_cfg(config, filename="babel.cfg")
    found = Catalog(fuzzy=False)
    for file, _line, message, _comments, _context in extract_from_dir(ROOT, methods, options):
        found.add(message, locations=[(Path(file).as_posix(), None)])
    return found


def updated(texts: Catalog, language: str, known: Catalog) -> str:
    """The catalogue of ``language`` for exactly these texts, as text."""
    catalogue = Catalog(language, domain="messages")
    for text in filter(lambda message: message.id, texts):
        before = known.get(text.id)
        translated = before.string if before and before.id == text.id else None
        flags = text.flags - {"fuzzy"}
        catalogue.add(text.id, translated, locations=sorted(set(text.locations)), flags=flags)
    written = BytesIO()
    write_po(written, catalogue, omit_header=True, width=120, sort_output=True, include_lineno=False)
    return HEADER.format(language=language, plurals=PLURALS[language]) + written.getvalue().decode()


def compiled(text: str, language: str) -> bytes:
    """What a running installation reads: ``text``, a catalogue, as gettext's ``.mo``."""
    written, catalogue = BytesIO(), read_po(BytesIO(text.encode()), locale=language)
    catalogue.creation_date = catalogue.revision_date = _NO_DATE
    write_mo(written, catalogue)
    return written.getvalue()


def main() -> None:
    texts = extracted()
    with (TRANSLATIONS / "messages.pot").open("wb") as template:
        write_po(template, texts, omit_header=True, width=120, sort_output=True, include_lineno=False)
    for language in PLURALS:
        folder = TRANSLATIONS / language / "LC_MESSAGES"
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "messages.po"
        with source.open("rb") as file:
            known = read_po(file, locale=language)
        text = updated(texts, language, known)
        source.write_text(text, "utf-8")
        (folder / "messages.mo").write_bytes(compiled(text, language))


if __name__ == "__main__":
    main()
