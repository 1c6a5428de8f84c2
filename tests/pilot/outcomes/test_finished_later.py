"""What died between the lake and its database is finished after any time, also when the lake of then is gone."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pilot.audit.model import AuditEntry
from pilot.cli import main
from pilot.database import Database
from pilot.imports.importer import Clash, Published
from pilot.imports.model import ImportKind, ImportRun, RunState
from pilot.imports.service import publish
from pilot.outcomes.errors import LakeVersionVacuumed
from pilot.outcomes.importers import importer_for
from pilot.outcomes.inbox import drain as draining
from pilot.outcomes.inbox.erasing import erase_in_inbox
from pilot.outcomes.inbox.model import BatchState
from pilot.outcomes.lake import Lake
from pilot.outcomes.receipt_answers import Answer, answer_in
from pilot.settings import Settings
from pilot.words import Message
from tests.pilot.imports.builders import RECEIPTS, Chain
from tests.pilot.outcomes.inlet import Inlet, correction, identification, receipt

HEADER = RECEIPTS.splitlines(keepends=True)[0]
OTHERS = f"{HEADER}o1,31,1,70,2026-01-11 09:00:00,sale,88,1.00,0,1\no2,31,1,71,2026-02-06 09:00:00,sale,,1.00,0,1\n"


class Killed(BaseException):
    """A process that ends in the middle."""


def die(*_: Any, **__: Any) -> Any:
    raise Killed


def join_and_vacuum(lake: Lake) -> None:
    """As the worker does after every round and every night; what the first version held is gone then."""
    lake.compact()
    assert lake.vacuum([]) != []


def test_an_import_that_died_is_finished_after_its_files_were_joined_and_vacuumed(
    database: Database, now: datetime
) -> None:
    chain, lake = Chain(database, now).with_stores(), Lake(database.settings)
    chain.take_in(ImportKind.RECEIPTS, OTHERS)
    run = chain.stage(ImportKind.RECEIPTS, RECEIPTS)
    with pytest.raises(Killed):
        publish_and_die(chain, run)
    version = lake.version()
    join_and_vacuum(lake)
    with pytest.raises(LakeVersionVacuumed):
        lake.files(version - 1)
    done = chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    assert (done.id, done.state, done.n_new, done.n_known) == (run.id, RunState.PUBLISHED, 4, 0)
    assert done.lake_version == version
    assert ids_in(lake) == ["b1", "b2", "b3", "b4", "o1", "o2"]
    with database.reading() as session:
        told = select(AuditEntry).where(AuditEntry.verb == "import.published", AuditEntry.subject == run.batch_id)
        assert len(session.scalars(told).all()) == 1


def test_a_row_that_became_good_before_the_second_try_is_not_taken_for_one_of_the_first(
    database: Database, now: datetime
) -> None:
    chain, lake = Chain(database, now).with_stores(), Lake(database.settings)
    file = RECEIPTS + "b6,40,1,1,2026-02-05 10:00:00,sale,500,6.00,1.20,2\n"
    run = chain.stage(ImportKind.RECEIPTS, file, quarantine=True)
    with pytest.raises(Killed):
        publish_and_die(chain, run)
    chain.take_in(ImportKind.STORES, "store,region\n40,N\n")
    for _ in range(2):  # and what died twice is finished by the third
        with pytest.raises(Killed):
            publish_and_die(chain, chain.stage(ImportKind.RECEIPTS, file))
    done = chain.take_in(ImportKind.RECEIPTS, file)
    assert (done.id, done.state, done.n_rows, done.n_new, done.n_known) == (run.id, RunState.PUBLISHED, 5, 5, 0)
    assert ids_in(lake) == ["b1", "b2", "b3", "b4", "b6"]
    assert lake.receipts().select("batch_id").distinct().to_pyarrow()["batch_id"].to_pylist() == [run.batch_id]
    assert {row["receipt_id"] for row in lake.receipts(done.lake_version).to_pyarrow().to_pylist()} == set(ids_in(lake))


def publish_and_die(chain: Chain, run: ImportRun) -> None:
    """The lake is written, the database is not."""
    with chain.database.unit_of_work() as session:
        found = session.get_one(ImportRun, run.id)
        publish(session, importer_for(ImportKind.RECEIPTS), found, actor=chain.admin, now=chain.now)
        raise Killed


@pytest.mark.parametrize("is_staging_gone", [False, True])
def test_the_command_finishes_it_with_the_same_file(
    tmp_path: Path,
    sqlite_template: Path,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_staging_gone: bool,
) -> None:
    for file in sqlite_template.parent.glob("*.db"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv("PILOT_FIXED_NOW", now.isoformat())
    database = Database(Settings(home=tmp_path, fixed_now=now))
    chain, lake = Chain(database, now).with_stores(), Lake(database.settings)
    chain.take_in(ImportKind.RECEIPTS, OTHERS)
    file = chain.file(RECEIPTS, "receipts.csv")
    words = ["import", "receipts", str(file), "--as", "admin@example.org", "--home", str(tmp_path), "--json"]
    with monkeypatch.context() as patch:
        patch.setattr("pilot.imports.service.log", dies_when_published)
        with pytest.raises(Killed):
            main(words)
    join_and_vacuum(lake)
    if is_staging_gone:  # as after a restore: the file is checked again, and all of it is in the lake
        for rows in database.settings.staging_dir.glob("*/rows*"):
            rows.unlink()
    capsys.readouterr()
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["rows"], told["new"], told["known"]) == ("published", 4, 4, 0)
    assert ids_in(lake) == ["b1", "b2", "b3", "b4", "o1", "o2"]
    assert main(["audit", "verify", "--home", str(tmp_path)]) == 0
    database.dispose()


def dies_when_published(_session: Any, _run: Any, verb: str, *_: Any) -> None:
    if verb == "import.published":
        raise Killed


def ids_in(lake: Lake) -> list[str]:
    return sorted(lake.receipts().select("receipt_id").to_pyarrow()["receipt_id"].to_pylist())


def test_a_drain_that_died_tells_the_tills_afterwards_what_it_would_have_told_them(
    inlet: Inlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    inlet.chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    inlet.send(
        identification("who", "b2", "FORGET-ME"),
        receipt("new", customer="55"),
        receipt("b2", store="309", at="2026-01-10 10:30:00", net="8.00", vat="1.60", n_items=1, number="1"),
        receipt("b4", store="7", at="2026-02-03 02:30:00", customer="77", net="41.00", till="2", number="1"),
        correction("early", "late", "-1.00"),
    )
    with monkeypatch.context() as patch:
        patch.setattr(draining, "write_down", die)
        with pytest.raises(Killed):
            inlet.drain()
    # In between the receipt comes that was referred to in vain, a customer is forgotten, and the night's work is done.
    inlet.chain.take_in(ImportKind.RECEIPTS, HEADER + "late,31,1,90,2026-01-11 09:00:00,sale,,5.00,0,1\n")
    erase_in_inbox(inlet.settings, "FORGET-ME")
    version = inlet.lake.version_of(inlet.batches(BatchState.DRAINING)[0].drain_id or "")
    join_and_vacuum(inlet.lake)
    done = inlet.drain()
    assert done is not None
    assert (done.n_batches, done.n_new, done.n_known, done.n_quarantined) == (1, 2, 1, 2)
    assert done.lake_version == version
    [batch] = inlet.batches(BatchState.DRAINED)
    assert [(index, status) for index, status, *_ in batch.drain_findings or []] == [
        (2, "known"),
        (3, "conflict"),
        (4, "conflict"),
    ]
    assert [(row.line, row.reason_code) for row in inlet.quarantine()] == [
        (3, "stored_with_other_content"),
        (4, "refers_to_unknown"),
    ]
    assert set(inlet.stored()) == {"b1", "b2", "b3", "b4", "late", "new", "who"}


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**9), st.lists(texts, unique=True, max_size=20), st.integers(0, 20), texts)
def test_an_answer_comes_back_from_the_details_of_a_commit_as_it_went_in(
    n_new: int, names: list[str], n_known: int, net: str
) -> None:
    lines = {name: 7 * number for number, name in enumerate(names)}
    reason = Message("stored_with_other_content", "Another {columns}.", {"columns": net})
    known = [lines[name] for name in names[:n_known]]
    clashes = [Clash(lines[name], "receipt", reason) for name in names[n_known:]]
    answer = Answer.of(n_new, known, clashes, {line: name for name, line in lines.items()})
    again = answer_in(answer.to_details())
    assert again == answer
    assert again is not None
    assert again.published(3, lines) == Published(n_new, 3, known, tuple(clashes))
    assert again.published(3, {}) == Published(n_new, 3, [], ())


def test_a_commit_without_an_answer_has_none() -> None:
    assert answer_in({}) is None
