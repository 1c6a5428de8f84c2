"""Migrations: numbered, one head, one chain."""

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
