"""Every text that a person reads is marked for translators, and keeps its places when it is translated."""

import ast
import string
from importlib import import_module
from pkgutil import walk_packages

import experiments
import pilot
import web
from experiments.errors import ExperimentError
from pilot.errors import PilotError
from pilot.words import Message, speaking, translate
from tests import pseudo
from tests.rules.house import files, shown

# What speaks, with the place of the text among its arguments and the name it may have there.
SPEAKERS = {
    "Message": (1, "template"), "ExperimentMessage": (1, "template"), "phrase": (0, "template"),
    "say": (0, "template"), "progress": (0, "template"), "_say": (1, "template"), "_because": (0, "template"),
    "add_argument": (99, "help"), "add_parser": (99, "help"), "_": (99, ""),
}  # fmt: skip


def test_every_error_speaks_a_marked_text() -> None:
    known = pseudo.texts()
    for package in (experiments, pilot, web):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    # Other tests define errors of their own.
    ours = ("pilot.", "experiments.", "web.")
    errors = [e for e in (*_below(PilotError), *_below(ExperimentError)) if e.__module__.startswith(ours)]
    unmarked = {error.__name__: error.template for error in errors if _has_words(error.template)}
    assert len(errors) > 100
    assert {name: text for name, text in unmarked.items() if text not in known} == {}


def test_no_text_is_spoken_without_its_mark() -> None:
    ours = files(".py", "pilot", "experiments", "web")
    assert {shown(path): found for path in ours if (found := _unmarked(path.read_text("utf-8")))} == {}


def test_a_text_without_its_mark_is_found() -> None:
    assert _unmarked('console.say(N_("Done.")); console.say("{n} files"); say("{n}")') == ["{n} files"]
    assert _unmarked('Message("code", f"not {x}")') == ["not "]


def test_no_text_is_marked_inside_another() -> None:
    """The extractor does not look into f-strings, and takes one literal only."""
    ours = files(".py", "pilot", "experiments", "web")
    assert {shown(path): found for path in ours if (found := _hidden(path.read_text("utf-8")))} == {}


def test_a_text_that_the_extractor_does_not_see_is_found() -> None:
    assert _hidden("f\"{risk} {_('Mind it.')}\"; _('Save'); _(texts['a']); ngettext('a', 'b', n)") == [
        "_('Mind it.')",
        "_(texts['a'])",
    ]


def test_every_translation_keeps_the_places_of_its_text() -> None:
    for one, many in pseudo.texts().items():
        for text in filter(None, (one, many)):
            assert pseudo.narrowed(pseudo.widened(text)) == text
            assert _places(pseudo.widened(text)) == _places(text)


def test_every_format_in_a_text_is_written_as_the_language_does() -> None:
    values = {"date": "2018-01-02", "p": 0.04, ",": 5000}
    expected = {"date": "2.1.2018", "p": "= 0,040", ",": "5\N{NO-BREAK SPACE}000"}
    parsed = (string.Formatter().parse(text) for text in pseudo.texts() if "%(" not in text)
    formats = {spec for places in parsed for _literal, _name, spec, _conversion in places if spec}
    assert expected.keys() <= formats
    with speaking(pseudo.LANGUAGE):
        for spec in formats:
            text = translate(Message("any", f"{{value:{spec}}}", {"value": values.get(spec, 0.123456)}))
            assert text == expected.get(spec, text)
            assert spec == "date" or "." not in text


def _below(error: type) -> list[type]:
    return [error, *(found for child in error.__subclasses__() for found in _below(child))]


def _unmarked(source: str) -> list[str]:
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [text for call in calls if (text := _spoken(call)) and _has_words(text)]


def _spoken(call: ast.Call) -> str | None:
    """The literal that a speaker is given without ``N_`` around it."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name not in SPEAKERS:
        return None
    place, keyword = SPEAKERS[name]
    given = [argument.value for argument in call.keywords if argument.arg == keyword]
    given += call.args[place : place + 1]
    for argument in given:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return argument.value
        if isinstance(argument, ast.JoinedStr):
            return "".join(part.value for part in argument.values if isinstance(part, ast.Constant))
    return None


def _hidden(source: str) -> list[str]:
    """Calls of a marker inside an f-string, or with a text that is put together in the call."""
    tree = ast.parse(source)
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inside = [call for node in formatted for call in ast.walk(node) if _marks(call) and _literals_in(call)]
    unclear = [call for call in ast.walk(tree) if _marks(call) and not _is_clear(call)]
    return [ast.unparse(call) for call in dict.fromkeys([*inside, *unclear])]


def _marks(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "N_", "ngettext")


def _is_clear(call: ast.AST) -> bool:
    """A literal, or something without any literal in it (a text that was marked where it is written)."""
    assert isinstance(call, ast.Call)
    texts = call.args[:2] if getattr(call.func, "id", "") == "ngettext" else call.args[:1]
    return all(isinstance(text, ast.Constant) or not _literals_in(text) for text in texts)


def _literals_in(text: ast.AST) -> list[ast.AST]:
    return [node for node in ast.walk(text) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _has_words(text: str) -> bool:
    literals = "".join(literal for literal, *_place in string.Formatter().parse(text))
    return any(letter.isalpha() for letter in literals)


def _places(text: str) -> list[str]:
    return sorted(pseudo.KEPT.findall(text))
