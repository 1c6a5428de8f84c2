"""Migrations: numbered, one head, one chain."""

import re
from pathlib import Path

from alembic.script import ScriptDirectory

from tests.rules.house import ROOT


def script() -> ScriptDirectory:
    return ScriptDirectory(str(ROOT / "migrations"))


def test_there_is_one_head() -> None:
    assert len(script().get_heads()) == 1


def test_revisions_are_numbered_in_order() -> None:
    numbers = [revision.revision for revision in reversed(list(script().walk_revisions()))]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


def test_files_are_named_after_their_revision() -> None:
    for revision in script().walk_revisions():
        assert revision.path is not None
        assert revision.path.rsplit("/", 1)[1].startswith(f"{revision.revision}_")


def test_each_revision_says_which_of_the_two_databases_it_is_for() -> None:
    for revision in script().walk_revisions():
        source = Path(str(revision.path)).read_text("utf-8")
        guards = re.findall(
            r'if context\.config\.attributes\["target"\] != "(business|inbox)":\n        return\n', source
        )
        assert len(guards) == 2, revision.revision  # one in upgrade, one in downgrade
        assert len(set(guards)) == 1
