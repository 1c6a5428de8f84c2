"""The documents: a page for every method and metric, commands that exist, links that lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import experiments
from experiments.measure.metrics import MetricKind
from pilot.cli.entry import COMMANDS, build_parser
from tests.rules.house import ROOT, files, shown

METHODS = ROOT / "docs" / "methods"
FENCE = re.compile(r"^```(?:sh|shell|bash|console)?\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# Helpers of an estimator, told on its page.
NOT_METHODS = frozenset(
    {
        "__init__", "arm_errors", "donor_panel", "doubly_robust", "estimate", "frank_wolfe", "group_time",
        "joint_redraws", "permutation_search", "redraws", "segment_shrinkage", "simultaneous_band", "time_permutation",
        "two_way_effects", "unit_panel", "unit_table",
    }
)  # fmt: skip


def documents() -> Iterator[Path]:
    yield from files(".md")


def commands(word: str) -> list[tuple[str, str]]:
    """Every command in a fenced block that begins with ``word``, with the document it stands in."""
    found = []
    for path in documents():
        for block in FENCE.findall(path.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"\s&\s*|&&|;", line.split("  #")[0].removeprefix("$ ")):
                    if part.strip().startswith(f"{word} "):
                        found.append((shown(path), part.strip()))
    return found


def test_every_estimator_has_a_page() -> None:
    estimators = {path.stem for path in files(".py", "experiments/estimate")} - NOT_METHODS
    assert sorted(estimators - {path.stem for path in METHODS.glob("*.md")}) == []


def test_every_metric_has_a_page() -> None:
    assert sorted({str(kind) for kind in MetricKind} - {path.stem for path in METHODS.glob("*.md")}) == []


def test_the_public_names_of_experiments_exist_and_are_all() -> None:
    assert len(set(experiments.__all__)) == len(experiments.__all__)
    assert [name for name in experiments.__all__ if not hasattr(experiments, name)] == []


@pytest.mark.parametrize(("document", "command"), commands("pilot"))
def test_every_command_in_the_documents_parses(document: str, command: str) -> None:
    arguments = shlex.split(command, comments=True)[1:]
    arguments = [word for word in arguments if word not in ("[…]", "…")]
    build_parser(arguments).parse_args([*arguments, *([] if "--as" in arguments else _acting(arguments))])


def test_the_readme_shows_the_two_commands_that_ci_runs() -> None:
    readme, makefile = ((ROOT / name).read_text("utf-8") for name in ("README.md", "Makefile"))
    for target in ("demo", "test"):
        assert re.search(rf"^make {target}$", readme, re.M)
        assert re.search(rf"^{target}:", makefile, re.M)
    assert "exec make test" in (ROOT / ".ci" / "run").read_text("utf-8")


@pytest.mark.parametrize(("document", "command"), commands("make"))
def test_every_make_target_in_the_documents_exists(document: str, command: str) -> None:
    target = shlex.split(command)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.M), (document, command)


def test_every_command_is_in_the_operations_guide() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"pilot {name}" not in guide] == []


def test_links_lead_somewhere() -> None:
    broken = []
    for path in documents():
        for target in LINK.findall(path.read_text("utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
                broken.append(f"{shown(path)}: {target}")
    assert broken == []


def _acting(arguments: list[str]) -> list[str]:
    """Commands that act want a name; documents may leave it to PILOT_AS."""
    probe = build_parser(arguments)
    try:
        probe.parse_args(arguments)
    except SystemExit:
        return ["--as", "you@example.org"]
    return []
