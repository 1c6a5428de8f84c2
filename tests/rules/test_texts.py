"""How files read: a first line that says what they say, no machine's paths, nothing left to do."""

import ast
import re

import pytest

from tests.rules.house import ROOT, files, shown

MOST_LINES = 400
# Joined here so that this file does not break its own rule.
REGISTRIES = [
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))
]
PLACES = ["/" + place for place in ("root/", "work/", "Users/", "home/ubuntu")]
LEFT_TO_DO = [
    "TO" + "DO",
    "FIX" + "ME",
    "X" * 3,
    "NotImplemented" + "Error",
    "pytest." + "skip",
    "pytest.mark.x" + "fail",
]
LEFT_TO_DO += ["pragma: no" + " cover"]
# The public reference data do not travel with the project: without them their tests are skipped.
SKIPS_WHERE_DATA_ARE_ABSENT = {
    f"tests/reference/{name}: {LEFT_TO_DO[4]}" for name in ("oracles.py", "test_manifest.py")
}
OURS = (".py", ".md", ".html", ".cfg", ".toml", ".lock", ".sh", ".js", ".css")


def texts() -> dict[str, str]:
    found = {shown(path): path.read_text("utf-8") for suffix in OURS for path in files(suffix)}
    return found | {
        name: (ROOT / name).read_text("utf-8") for name in ("Makefile", ".ci/run", ".ci/python", ".ci/system")
    }


@pytest.mark.parametrize("words", [REGISTRIES, PLACES, LEFT_TO_DO], ids=["registries", "places", "left to do"])
def test_no_file_contains_what_belongs_elsewhere(words: list[str]) -> None:
    found = {f"{name}: {word}" for name, text in texts().items() for word in words if word in text}
    assert found - SKIPS_WHERE_DATA_ARE_ABSENT == set()


def test_exceptions_to_the_checks_name_their_rule() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)")
    assert [name for name, text in texts().items() if name.endswith(".py") and bare.search(text)] == []


def test_every_file_says_in_its_first_line_what_it_says() -> None:
    silent = []
    for path in files(".py", "pilot", "experiments", "web", "migrations", "tests", "benchmarks"):
        tree = ast.parse(path.read_text("utf-8"))
        said = ast.get_docstring(tree)
        if not said or len(said.splitlines()[0]) < 10 or tree.body[0].lineno != 1:
            silent.append(shown(path))
    assert silent == []


def test_no_file_is_too_long_to_read() -> None:
    written = (path for path in files(".py") if path.parent.name != "versions")  # migrations are generated
    assert [shown(path) for path in written if len(path.read_text("utf-8").splitlines()) > MOST_LINES] == []


def test_no_sentence_for_people_is_built_outside_of_messages() -> None:
    """A template is a literal marked N_: translators see literals only."""
    broken = []
    for path in files(".py", "pilot", "experiments", "web"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_mark = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "N_"
            if is_mark and not (isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)):
                broken.append(f"{shown(path)}:{node.lineno}")
    assert broken == []
