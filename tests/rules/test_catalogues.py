"""What translators wrote: every text in every language, its places kept, its plurals whole, compiled as it stands."""

import re
import runpy
from collections.abc import Iterator

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from pilot.words import TRANSLATIONS
from tests import pseudo
from tests.rules.house import ROOT
from web.language import ENGLISH, languages

TOOL = runpy.run_path(str(ROOT / ".ci" / "texts.py"))
LANGUAGES = [code for code in languages() if code != ENGLISH]
# What every language writes alike: names, formats, symbols, and texts that are nothing but places.
ALIKE = {"API", "CR2", "CSV", "Excel", "JSON", "UTF-8", "Webhook", "Welch", "n", "null", "p"}
KEPT = pseudo.KEPT


def catalogue(language: str) -> Catalog:
    with (TRANSLATIONS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


@pytest.fixture(scope="module")
def catalogues() -> dict[str, Catalog]:
    return {language: catalogue(language) for language in LANGUAGES}


@pytest.fixture(scope="module")
def marked() -> dict[str, str | None]:
    return pseudo.texts()


def entries(found: Catalog) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Every entry: the text that names it, its English forms, its translated forms."""
    for entry in found:
        if entry.id:
            yield _name(entry), _forms(entry.id), _forms(entry.string)


def test_the_catalogues_are_finnish_and_russian() -> None:
    assert LANGUAGES == ["fi", "ru"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_none_that_is_gone(
    catalogues: dict[str, Catalog], marked: dict[str, str | None], language: str
) -> None:
    """Where this fails: ``make texts``, fill in what is empty, ``make texts`` again (docs/translating.md)."""
    found = {name: translated for name, _english, translated in entries(catalogues[language])}
    assert sorted(set(marked) - set(found)) == []
    assert sorted(set(found) - set(marked)) == []
    assert [name for name, translated in found.items() if not all(form.strip() for form in translated)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_compiled_as_it_stands(language: str) -> None:
    folder = TRANSLATIONS / language / "LC_MESSAGES"
    text = (folder / "messages.po").read_text("utf-8")
    assert TOOL["compiled"](text, language) == (folder / "messages.mo").read_bytes()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_guessed_or_left_behind(catalogues: dict[str, Catalog], language: str) -> None:
    found = catalogues[language]
    assert [_name(entry) for entry in found if entry.id and entry.fuzzy] == []
    assert list(found.obsolete) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_keeps_the_places_of_its_text(catalogues: dict[str, Catalog], language: str) -> None:
    broken = []
    for name, english, translated in entries(catalogues[language]):
        for number, form in enumerate(translated):
            of = english[min(number, len(english) - 1)]
            if form and sorted(KEPT.findall(form)) != sorted(KEPT.findall(of)):
                broken.append(name)
    assert broken == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_plural_has_every_form_of_the_language(catalogues: dict[str, Catalog], language: str) -> None:
    found = catalogues[language]
    rule = Locale.parse(language).plural_form
    forms = list(dict.fromkeys(rule(number) for number in range(1, 200)))  # in the order of the first that has it
    assert found.num_plurals == len(forms)
    for number in range(500):
        assert forms[_form(found, number)] == rule(number), number
    for name, english, translated in entries(found):
        if len(english) > 1 and any(translated):
            assert len(translated) == len(forms), name
            assert all(translated), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_what_every_language_writes_alike_is_left_in_english(
    catalogues: dict[str, Catalog], language: str
) -> None:
    same = [name for name, english, translated in entries(catalogues[language]) if english == translated]
    assert [name for name in same if name not in ALIKE and _words(name)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_letters_of_two_alphabets_are_not_mixed(catalogues: dict[str, Catalog], language: str) -> None:
    mixed = re.compile(r"(?i)[a-z][а-яё]|[а-яё][a-z]")
    for name, english, translated in entries(catalogues[language]):
        said = KEPT.sub(" ", " ".join(translated))
        assert not mixed.search(said), name
        assert language == "ru" or not re.search(r"(?i)[а-яё]", said), name
        foreign = set(_words(said)) - set(_words(" ".join(english)))
        assert language != "ru" or not foreign, (name, foreign)


@pytest.mark.parametrize("language", LANGUAGES)
def test_spaces_around_a_text_stay(catalogues: dict[str, Catalog], language: str) -> None:
    for name, english, translated in entries(catalogues[language]):
        for form in filter(None, translated):
            assert (form[:1] == " ", form[-1:] == " ") == (english[0][:1] == " ", english[0][-1:] == " "), name


def test_a_broken_translation_is_found() -> None:
    broken = Catalog("fi")
    broken.add("{n} stores in %(place)s", "{m} myymälää")
    assert [(english, translated) for _name, english, translated in entries(broken)] == [
        (("{n} stores in %(place)s",), ("{m} myymälää",))
    ]
    assert KEPT.findall("{n} stores in %(place)s") == ["{n}", "%(place)s"]


def _form(found: Catalog, number: int) -> int:
    """Which form gettext takes for ``number``, by the catalogue's own rule."""
    import gettext

    return int(gettext.c2py(found.plural_expr)(number))  # type: ignore[attr-defined] # what GNUTranslations itself uses


def _name(entry: Message) -> str:
    return _forms(entry.id)[0]


def _forms(text: object) -> tuple[str, ...]:
    return tuple(map(str, text)) if isinstance(text, (tuple, list)) else (str(text or ""),)


def _words(text: str) -> list[str]:
    """The words in Latin letters, without places."""
    return re.findall(r"[A-Za-z]+", KEPT.sub(" ", text))
