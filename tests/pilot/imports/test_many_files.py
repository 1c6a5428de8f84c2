"""Many files are one import: one commit, exact counts, and a check that was cut off goes on where it stopped."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pilot.database import Database
from pilot.imports import check, csv_file, staging
from pilot.imports.errors import BadRows, FileChanged, FilesDiffer
from pilot.imports.files import files_in, import_files
from pilot.imports.model import ImportKind, ImportRun, RunState
from pilot.imports.service import CheckedImport, check_imports, keep_import, publish
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from tests.pilot.imports.builders import STORES, Chain

IMPORTER = importer_for(ImportKind.RECEIPTS)
HEADER = "receipt,store,till,number,at,customer,net\n"


def rows(first: int, n: int) -> str:
    return "".join(f"b{i},31,1,{i},2026-01-{1 + i % 28:02d} 09:00:00,{i % 7},{i}.50\n" for i in range(first, first + n))


@pytest.fixture
def chain(database: Database, now: datetime) -> Chain:
    return Chain(database, now).with_stores()


def checked(chain: Chain, paths: Sequence[Path], **options: bool) -> CheckedImport:
    with chain.database.reading() as session:
        return check_imports(session, IMPORTER, import_files(IMPORTER, paths), now=chain.now, **options)


def published(chain: Chain, found: CheckedImport) -> ImportRun:
    with chain.database.unit_of_work() as session:
        run = keep_import(session, found, actor=chain.admin, now=chain.now)
    with chain.database.unit_of_work() as session:
        return publish(session, IMPORTER, session.get_one(ImportRun, run.id), actor=chain.admin, now=chain.now)


def a_folder(chain: Chain) -> Path:
    """Two CSV files of which the second repeats ten rows, one in a folder below, and the same as Parquet."""
    folder = chain.database.settings.home / "receipts"
    (folder / "older").mkdir(parents=True)
    (folder / "a.csv").write_text(HEADER + rows(0, 30), "utf-8")
    (folder / "b.csv").write_text(HEADER + rows(20, 30), "utf-8")
    (folder / "older" / "c.csv").write_text(HEADER + rows(100, 5), "utf-8")
    (folder / ".hidden.csv").write_text("nothing", "utf-8")
    (folder / "notes.md").write_text("nothing", "utf-8")
    pq.write_table(pyarrow.csv.read_csv(folder / "older" / "c.csv"), folder / "older" / "d.parquet")
    return folder


def test_a_folder_is_one_import_with_one_commit_and_exact_counts(chain: Chain) -> None:
    paths = files_in([a_folder(chain)])
    assert [path.name for path in paths] == ["a.csv", "b.csv", "c.csv", "d.parquet"]
    found = checked(chain, paths)
    assert found.checked is not None
    counts = [(file.name, file.n_rows, file.n_new, file.n_known, file.n_bad) for file in found.checked.files]
    assert counts == [
        ("a.csv", 30, 30, 0, 0),
        ("b.csv", 30, 20, 10, 0),
        ("c.csv", 5, 5, 0, 0),
        ("d.parquet", 5, 0, 5, 0),
    ]
    run = published(chain, found)
    assert (run.n_rows, run.n_new, run.n_known, run.lake_version) == (70, 55, 15, 1)
    lake = Lake(chain.database.settings)
    assert lake.receipts().count().to_pyarrow().as_py() == 55
    again = checked(chain, paths)
    assert again.checked is None  # known by its content


def test_a_bad_row_is_named_by_its_file_and_the_line_there(chain: Chain) -> None:
    folder = a_folder(chain)
    (folder / "b.csv").write_text(HEADER + rows(20, 3) + "b99,31,1,99,2026-01-03 09:00:00,1,much\n", "utf-8")
    with pytest.raises(BadRows) as refused:
        checked(chain, files_in([folder]))
    (finding,) = refused.value.findings
    assert (finding.column, finding.value) == ("net (b.csv, 5)", "much")
    assert not list(chain.database.settings.staging_dir.glob("*.work"))


def test_a_file_of_another_form_is_refused_by_name(chain: Chain) -> None:
    folder = a_folder(chain)
    (folder / "z.csv").write_text(STORES, "utf-8")
    with pytest.raises(FilesDiffer, match=r"z\.csv has no column “receipt”"):
        checked(chain, files_in([folder]))


def test_a_file_that_changes_while_it_is_read_is_noticed(chain: Chain) -> None:
    path = chain.file(HEADER + rows(0, 5))

    def write_more(done: int, expected: int) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(rows(50, 1))

    with chain.database.reading() as session, pytest.raises(FileChanged, match=r"file\.csv changed"):
        check_imports(session, IMPORTER, import_files(IMPORTER, [path]), now=chain.now, progress=write_more)


class Cut(BaseException):
    """The process ends here."""


def cut_off(chain: Chain, paths: Sequence[Path], after: int) -> None:
    """A check that ends as if killed once ``after`` rows were read."""

    def die(done: int, expected: int) -> None:
        if done >= after:
            raise Cut

    with chain.database.reading() as session, pytest.raises(Cut):
        check_imports(session, IMPORTER, import_files(IMPORTER, paths), now=chain.now, progress=die)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Parts of 40 rows from blocks of some ten; the list counts the rows that were judged."""
    judged: list[int] = []
    whole = check.check_batch

    def counting(texts: pyarrow.Table, *arguments: object, **options: object) -> object:
        judged.append(texts.num_rows)
        return whole(texts, *arguments, **options)  # type: ignore[arg-type] - passed through as they came

    monkeypatch.setattr(check, "check_batch", counting)
    monkeypatch.setattr(check, "ROWS_A_PART", 40)
    monkeypatch.setattr(csv_file, "PLAIN_BYTES", 400)
    return judged


@pytest.mark.parametrize("after", [15, 45, 95, 150])
def test_a_check_that_was_killed_goes_on_and_gives_what_an_uncut_one_gives(
    chain: Chain, small_parts: list[int], after: int
) -> None:
    bad = "b900,31,1,900,2026-01-03 09:00:00,1,much\n"
    paths = [
        chain.file(HEADER + rows(0, 60) + bad + rows(60, 40), "a.csv"),
        chain.file(HEADER + rows(90, 60), "b.csv"),
    ]
    cut_off(chain, paths, after)
    (work,) = chain.database.settings.staging_dir.glob("*.work")
    notes = [json.loads(note.read_text("utf-8")) for note in sorted(work.glob("*.note"))]
    finished = sum(notes[-1]["rows_of"]) if notes else 0
    assert (after >= 45) == (finished >= 40)
    small_parts.clear()
    found = checked(chain, paths, quarantine=True)
    assert found.checked is not None
    assert sum(small_parts) == 161 - finished
    done = found.checked
    assert (done.n_rows, done.n_bad, done.n_new, done.n_known) == (161, 1, 150, 10)
    assert [(f.line, f.value) for f in done.findings] == [(62, "much")]
    assert done.bad_rows[62]["receipt"] == "b900"
    run = published(chain, found)
    assert (run.n_new, run.state) == (150, RunState.PUBLISHED)
    assert Lake(chain.database.settings).receipts().count().to_pyarrow().as_py() == 150


def test_under_other_rules_a_check_begins_again(chain: Chain, small_parts: list[int]) -> None:
    path = chain.file(HEADER + rows(0, 100), "a.csv")
    cut_off(chain, [path], 60)
    chain.take_in(ImportKind.STORES, "store,region\n40,N\n")
    small_parts.clear()
    assert checked(chain, [path]).checked is not None
    assert sum(small_parts) == 100


def test_a_staged_import_is_not_checked_again(chain: Chain, small_parts: list[int]) -> None:
    path = chain.file(HEADER + rows(0, 20), "a.csv")
    with chain.database.unit_of_work() as session:
        keep_import(session, checked(chain, [path]), actor=chain.admin, now=chain.now)
    small_parts.clear()
    again = checked(chain, [path])
    assert again.checked is None
    assert small_parts == []
    assert published(chain, again).n_new == 20


def test_two_checks_at_once_work_in_folders_of_their_own(chain: Chain) -> None:
    staged = chain.database.settings.staging_dir
    with staging.working_folder(staged, "batch") as one, staging.working_folder(staged, "batch") as other:
        assert one != other
