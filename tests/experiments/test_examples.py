"""The examples of the pages run, and print what the pages say they print."""

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _pages() -> list[Path]:
    pages = [*sorted((DOCS / "methods").glob("*.md")), DOCS / "analyze.md"]
    return [page for page in pages if page.exists() and "```python" in page.read_text(encoding="utf-8")]


def _blocks(text: str) -> list[tuple[str, str, int]]:
    """(language, body, line) of every fenced block."""
    return [(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in _FENCED.finditer(text)]


def _run(source: str, names: dict[str, object], where: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, where, "exec"), names)  # noqa: S102 - our own documentation
    return printed.getvalue()


def _check(page: Path) -> None:
    """Run the page's blocks in order in one namespace; a text block after a python block is what that one printed."""
    names: dict[str, object] = {"__name__": "example"}
    blocks = _blocks(page.read_text(encoding="utf-8"))
    for position, (language, body, line) in enumerate(blocks):
        if language != "python":
            continue
        printed = _run(body, names, f"{page.name}:{line}")
        following = blocks[position + 1] if position + 1 < len(blocks) else ("", "", 0)
        if following[0] == "text":
            assert printed.rstrip() == following[1].rstrip(), f"{page.name}:{line}"


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.stem)
def test_an_example_runs_and_prints_what_the_page_says(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    _check(page)


def test_a_page_that_prints_something_else_is_found(tmp_path: Path) -> None:
    page = tmp_path / "wrong.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"wrong\.md:1"):
        _check(page)


def test_an_example_whose_assertion_fails_is_found(tmp_path: Path) -> None:
    page = tmp_path / "wrong.md"
    page.write_text("Text.\n\n```python\nx = 2\n```\n\n```python\nassert x == 3\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        _check(page)
