"""How a benchmark puts what it printed into a page of the docs, with the state of the code that it measured."""

import subprocess
from pathlib import Path

_DOCS = Path(__file__).parents[1] / "docs"


def put(page: str, name: str, text: str, *, is_measured: bool = True) -> None:
    """Put ``text`` between the marks ``name`` of ``docs/page``; what is measured says at which commit."""
    path = _DOCS / page
    before, after = _around(path.read_text("utf-8"), name)
    said = f"{text}\n\nMeasured at {_commit()}." if is_measured else text
    path.write_text(f"{before}\n\n{said}\n\n{after}", "utf-8")


def _around(page: str, name: str) -> tuple[str, str]:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    return page[: page.index(begin) + len(begin)], page[page.index(end) :]


def _commit() -> str:
    """The commit, and whether the code differs from it; the pages themselves do not count."""
    asked = ("git", "describe", "--always", "--abbrev=8", "--exclude", "*")
    done = subprocess.run(asked, cwd=_DOCS, capture_output=True, text=True)
    if done.returncode:
        return "code without a history"
    changed = ("git", "status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)docs")
    is_changed = subprocess.run(changed, cwd=_DOCS, capture_output=True, text=True, check=True).stdout.strip()
    return f"commit {done.stdout.strip()}{', with changes' if is_changed else ''}"
