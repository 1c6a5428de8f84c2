"""The three kinds of long work, each through the door that the pages use."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pilot.database import Database
from pilot.evidence.model import FrozenReport
from pilot.imports.mapping import guess_mapping
from pilot.imports.model import ImportFinding, ImportKind, ImportRun, RunState
from pilot.jobs import queries, running, service
from pilot.jobs.model import JobKind, JobRun, JobState
from pilot.jobs.uploads import KEPT, forget_upload, sweep_uploads
from pilot.outcomes.days.service import Days
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from tests.pilot.evidence.small_network import CODE, START, SmallNetwork, day_at


@pytest.fixture
def network(database: Database, tmp_path: Path) -> SmallNetwork:
    folder = tmp_path / "files"
    folder.mkdir()
    return SmallNetwork(database, folder, n_stores=12, customers=2).set_up()


def do(network: SmallNetwork, kind: JobKind, arguments: dict[str, Any], *, person: str = "analyst") -> JobRun:
    """Put a job in and do it, as the worker would."""
    database = network.database
    with database.unit_of_work() as session:
        actor = network.person(person)
        code = service.enqueue(session, kind, arguments, actor=actor, now=database.settings.wall_clock()).code
    running.run(code, database.settings)
    with database.unit_of_work() as session:
        return queries.job(session, code)


def upload_of(network: SmallNetwork) -> Path:
    return network.database.settings.home / "uploads" / "token" / "content"


def stage(network: SmallNetwork, content: str) -> JobRun:
    path = upload_of(network)
    path.parent.mkdir(parents=True)
    path.write_text(content, "utf-8")
    mapping = guess_mapping(importer_for(ImportKind.RECEIPTS), path).mapping.to_dict()
    arguments = {"kind": "receipts", "path": str(path), "filename": "late.csv", "mapping": mapping, "quarantine": False}
    return do(network, JobKind.STAGE_IMPORT, arguments)


def test_a_file_is_staged_then_published(network: SmallNetwork) -> None:
    before = Lake(network.database.settings).receipts().count().to_pyarrow().as_py()
    staged = stage(network, "receipt,store,at,net\nlate-1,S01,2026-02-20T10:00:00Z,3.50\n")
    assert staged.result is not None
    assert (staged.state, staged.result["state"]) == (JobState.DONE, "staged")
    assert not upload_of(network).parent.exists()
    published = do(network, JobKind.PUBLISH_IMPORT, {"run": staged.result["run"]})
    assert published.result is not None
    assert published.result["state"] == "published"
    lake = Lake(network.database.settings)
    assert lake.receipts().count().to_pyarrow().as_py() == before + 1
    assert Days(lake).through() == lake.version()  # reports read the days of what came over the page, too


def test_a_refused_file_leaves_its_findings_for_the_page(network: SmallNetwork) -> None:
    staged = stage(network, "receipt,store,at,net\nlate-1,NOWHERE,2026-02-20T10:00:00Z,3.50\n")
    assert staged.result is not None
    assert (staged.state, staged.result["state"]) == (JobState.DONE, "refused")
    with network.database.reading() as session:
        run = session.scalars(select(ImportRun).where(ImportRun.batch_id == staged.result["run"])).one()
        assert run.state == RunState.REFUSED
        (finding,) = session.scalars(select(ImportFinding).where(ImportFinding.run_id == run.id)).all()
        assert (finding.line, finding.value) == (2, "NOWHERE")
    assert upload_of(network).is_file()


def test_a_file_that_is_no_table_fails_with_its_reason(network: SmallNetwork) -> None:
    path = network.folder / "empty.csv"
    path.write_text("", "utf-8")
    mapping = {"columns": {"receipt": "receipt"}}
    arguments = {
        "kind": "receipts",
        "path": str(path),
        "filename": "empty.csv",
        "mapping": mapping,
        "quarantine": False,
    }
    job = do(network, JobKind.STAGE_IMPORT, arguments)
    assert job.state == JobState.FAILED
    assert job.message is not None
    assert job.message["code"] == "empty_file"


def test_a_look_is_computed_and_frozen(network: SmallNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    network.draft()
    network.submit()
    network.sign()
    network.draw_and_start()
    end = START + timedelta(days=27)
    network.run_to(end)
    settings = network.database.settings
    monkeypatch.setattr(type(settings), "now", lambda _self: day_at(end + timedelta(days=1)))
    job = do(network, JobKind.TAKE_LOOK, {"pilot": CODE, "stage": 1})
    assert job.state == JobState.DONE, job.message
    assert job.result is not None
    with network.database.reading() as session:
        assert session.scalars(select(FrozenReport.code)).all() == [job.result["report"]]
    assert job.done == job.total > 0


def test_a_look_too_early_fails_with_its_reason(network: SmallNetwork) -> None:
    network.draft()
    job = do(network, JobKind.TAKE_LOOK, {"pilot": CODE, "stage": 1})
    assert job.state == JobState.FAILED
    assert job.message is not None
    assert job.message["template"]


def test_uploads_that_nobody_imported_go_after_two_days(settings: Settings) -> None:
    old, new = (settings.home / "uploads" / name for name in ("old", "new"))
    for upload in (old, new):
        upload.mkdir(parents=True)
        (upload / "content").touch()
    before = (settings.now() - KEPT - timedelta(minutes=1)).timestamp()
    os.utime(old, (before, before))
    os.utime(new, (settings.now().timestamp(),) * 2)
    sweep_uploads(settings, settings.now())
    assert (old.exists(), new.exists()) == (False, True)


def test_a_file_that_is_no_upload_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.touch()
    forget_upload(settings, mine)
    assert mine.is_file()
