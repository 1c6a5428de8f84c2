"""The command line in a made-up language: help, tables and refusals leave no English word behind but argparse's own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilot import words
from pilot.cli.entry import COMMANDS, DONE, REFUSED, run
from tests import pseudo

# Python's own frame around our texts.
FRAME = (
    "show this help message and exit", "show program's version number and exit", "positional arguments", "options",
    "usage: ",
)  # fmt: skip
# Names that are typed as they are: options, places to fill in, files and the product.
TYPED = re.compile(r"--?[a-z][\w-]*|\{[^}]*\}|\b[A-Z][A-Z_.]+\b(\.json)?|\b\w+\.(json|csv)\b|\bpilot\b|/\S+")


@pytest.fixture(scope="module")
def translations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translations")
    pseudo.write_catalogue(folder)
    return folder


@pytest.fixture(autouse=True)
def made_up_language(translations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(words, "TRANSLATIONS", translations)
    monkeypatch.setenv("PILOT_LANGUAGE", pseudo.LANGUAGE)
    monkeypatch.setenv("PILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "400")
    words._catalogue.cache_clear()
    yield
    words._catalogue.cache_clear()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_explains_in_the_language_of_the_house(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == DONE
    text = capsys.readouterr().out
    assert pseudo.is_wide(text)
    explained = [_explanation(line) for line in text.splitlines() if not line.startswith("usage: ")]
    assert [line for line in explained if pseudo.missed(line, TYPED)] == []


def test_a_refusal_speaks_the_language_of_the_house(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "list"]) == REFUSED
    said = capsys.readouterr().err
    assert pseudo.is_wide(said)
    assert pseudo.missed(said, TYPED) == []


def _explanation(line: str) -> str:
    """What a line of the help explains, without Python's frame and without the name that is explained."""
    for ours in FRAME:
        line = line.replace(ours, "")
    name, _gap, text = line.strip().partition("  ")
    return text if line.startswith("  ") else name
