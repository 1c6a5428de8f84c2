"""A file appears whole under its name, also where two write it at once and where one of them fails."""

from pathlib import Path

import pytest

from pilot.whole_files import whole_file


def test_of_two_who_write_the_same_file_at_once_each_finishes_and_the_last_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "homes" / "list"
    with whole_file(file) as first:
        first.write_text("first")
        with whole_file(file, synced=True) as second:
            second.write_text("second")
            assert not file.exists()
        assert file.read_text() == "second"
    assert file.read_text() == "first"
    assert list(file.parent.iterdir()) == [file]


def test_after_an_error_the_file_is_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("before")
    with pytest.raises(ValueError, match="broken"):
        _fail(file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def _fail(file: Path) -> None:
    with whole_file(file) as partial:
        partial.write_text("half")
        raise ValueError("broken")
