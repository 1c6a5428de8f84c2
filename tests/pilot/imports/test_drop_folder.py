"""The drop folder: complete files are taken once, whoever looks, and nothing is overwritten or lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pilot.imports.drop_folder import DropFolder, Outcome


def put(folder: Path, name: str, text: str = "a\n1\n") -> None:
    (folder / name).write_text(text, "utf-8")


def test_a_file_is_taken_when_it_looks_the_same_twice(tmp_path: Path) -> None:
    watcher = DropFolder(tmp_path)
    with watcher.at_work():
        put(tmp_path, "a.csv")
        assert watcher.take_next() is None
        put(tmp_path, "a.csv", "a\n1\n2\n")  # somebody still writes
        assert watcher.take_next() is None
        taken = watcher.take_next()
        assert taken is not None
        assert taken.read_text("utf-8") == "a\n1\n2\n"
        assert not (tmp_path / "a.csv").exists()


def test_files_that_are_still_written_under_another_name_are_left_alone(tmp_path: Path) -> None:
    watcher = DropFolder(tmp_path)
    with watcher.at_work():
        for name in ("a.csv.part", ".hidden.csv", "b.tmp"):
            put(tmp_path, name)
        assert watcher.take_next() is None
        assert watcher.take_next() is None
        assert not watcher.is_waiting


def test_what_is_no_file_is_passed_over_and_named_once(tmp_path: Path) -> None:
    watcher = DropFolder(tmp_path)
    with watcher.at_work():
        put(tmp_path, "a.csv")
        (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
        (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere")
        (tmp_path / "folder.csv").mkdir()
        os.mkfifo(tmp_path / "pipe.csv")
        (tmp_path / Outcome.DONE).mkdir()
        assert watcher.take_next() is None
        assert watcher.passed_over() == ["dangling.csv", "folder.csv", "link.csv", "pipe.csv"]
        assert watcher.passed_over() == []
        taken = watcher.take_next()
        assert taken is not None
        assert taken.name == "a.csv"
        (tmp_path / "link.csv").unlink()
        assert watcher.passed_over() == []
        (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
        assert watcher.passed_over() == ["link.csv"]  # another one under the old name


def test_two_watchers_never_take_the_same_file(tmp_path: Path) -> None:
    one, other = DropFolder(tmp_path), DropFolder(tmp_path)
    with one.at_work(), other.at_work():
        for number in range(20):
            put(tmp_path, f"{number}.csv")
        assert (one.take_next(), other.take_next()) == (None, None)
        taken = [watcher.take_next() for _ in range(12) for watcher in (one, other)]
        names = [path.name for path in taken if path is not None]
        assert sorted(names) == sorted(f"{number}.csv" for number in range(20))


def test_the_same_name_twice_does_not_overwrite(tmp_path: Path) -> None:
    watcher = DropFolder(tmp_path)
    with watcher.at_work():
        for text in ("first", "second"):
            put(tmp_path, "a.csv", text)
            watcher.take_next()
            taken = watcher.take_next()
            assert taken is not None
            watcher.finish(taken, Outcome.DONE, {"text": text}, text)
    done = tmp_path / "done"
    assert {path.name: path.read_text("utf-8") for path in done.glob("*.csv")} == {
        "a.csv": "first",
        "a-2.csv": "second",
    }
    assert json.loads((done / "a-2.csv.report.json").read_text("utf-8")) == {"text": "second"}
    assert (done / "a.csv.report.txt").read_text("utf-8") == "first"


_TAKES_AND_DIES = """
import os, sys
from pathlib import Path
from pilot.imports.drop_folder import DropFolder

watcher = DropFolder(Path(sys.argv[1]))
with watcher.at_work():
    watcher.take_next()
    assert watcher.take_next() is not None
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_watcher_had_taken_comes_back(tmp_path: Path) -> None:
    put(tmp_path, "a.csv")
    assert subprocess.run([sys.executable, "-c", _TAKES_AND_DIES, str(tmp_path)]).returncode == -9
    assert not (tmp_path / "a.csv").exists()
    watcher = DropFolder(tmp_path)
    with watcher.at_work():
        assert watcher.take_next() is None  # it is there again, and has to look the same twice
        taken = watcher.take_next()
        assert taken is not None
        assert taken.name == "a.csv"
    assert (tmp_path / "a.csv").exists()  # not finished: handed back at the end
    assert not any((tmp_path / ".work").iterdir())


def test_a_living_watcher_s_files_are_not_taken_over(tmp_path: Path) -> None:
    one, other = DropFolder(tmp_path), DropFolder(tmp_path)
    with one.at_work(), other.at_work():
        put(tmp_path, "a.csv")
        one.take_next()
        taken = one.take_next()
        assert [other.take_next() for _ in range(3)] == [None, None, None]
        assert taken is not None
        assert taken.exists()
    assert os.listdir(tmp_path / ".work") == []
