"""The lake in a backup: from a bucket and to one, left out by name, and whole after joined files were vacuumed."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from pilot.access.model import Role
from pilot.access.service import create_user
from pilot.cli import main
from pilot.database import Database
from pilot.imports.model import ImportRun, RunState
from pilot.outcomes.delta_log import INDEX
from pilot.outcomes.lake import Lake
from pilot.outcomes.storage import LOG, ObjectStore
from pilot.settings import Settings
from pilot.upkeep import errors, migrating, rows
from pilot.upkeep.backup import back_up
from pilot.upkeep.restore import kept_entries, restore
from tests.pilot.outcomes.histories import publish, some_receipts


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on a server of moto, on the loopback; the usual variables lead to it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_REGION": "us-east-1",
                 "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        ObjectStore("s3://backups", Path()).filesystem().mkdir("backups")
        yield "s3://backups"
    server.stop()


def an_installation(home: Path, now: datetime, lake_url: str | None = None) -> Database:
    """One person, and two batches of receipts that the database knows; a third reached the lake only."""
    settings = Settings(home=home, lake_url=lake_url, fixed_now=now)
    database = Database(settings)
    migrating.upgrade(database)
    with database.unit_of_work() as session:
        create_user(session, email="a@example.org", name="A", role=Role.ADMIN, actor="system", now=now)
    lake = Lake(settings)
    versions = [publish(lake, f"b{n}", some_receipts(50, customers=9, days=40, seed=n)) for n in range(2)]
    with database.unit_of_work() as session:
        session.add(a_run("b1", versions[-1], now))
    return database


def a_run(batch: str, version: int, now: datetime) -> ImportRun:
    return ImportRun(
        batch_id=batch, kind="receipts", state=RunState.PUBLISHED, filename="b.csv", file_hash="0" * 64, mapping={},
        n_rows=50, n_new=50, n_known=0, n_bad=0, n_quarantined=0, lake_version=version, actor="a@example.org",
        staged_at=now, published_at=now,
    )  # fmt: skip


def contents(lake: Lake) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (
        lake.receipts().order_by("receipt_id", "store_id", "at", "net_minor").to_pyarrow().to_pylist()
    )
    return rows


@pytest.mark.enable_socket
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_lake_in_a_bucket_comes_back_in_a_bucket_and_in_a_folder(bucket: str, tmp_path: Path, now: datetime) -> None:
    database = an_installation(tmp_path / "home", now, f"{bucket}/one/lake")
    before = contents(Lake(database.settings))
    publish(Lake(database.settings), "unknown", some_receipts(5, customers=9, days=9, seed=7))
    manifest = back_up(database, tmp_path / "backup", now=now)
    assert manifest.lake_left_at is None
    assert any(name.endswith("b1.parquet") for name in manifest.files)
    with pytest.raises(errors.LakeNotEmpty, match="one/lake"):
        restore(Settings(home=tmp_path / "there", lake_url=f"{bucket}/one/lake"), tmp_path / "backup")
    for goal in (Settings(home=tmp_path / "r1", lake_url=f"{bucket}/two/lake"), Settings(home=tmp_path / "r2")):
        restore(goal, tmp_path / "backup")
        assert contents(Lake(goal)) == before
        assert publish(Lake(goal), "next", some_receipts(5, customers=9, days=9, seed=8)) == manifest.lake_version + 1  # type: ignore[operator]  # it has one
    database.dispose()


def test_a_lake_that_was_left_out_is_told_at_backup_and_at_restore(
    tmp_path: Path, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    database = an_installation(tmp_path / "home", now)
    database.dispose()
    asked = ["backup", str(tmp_path / "backup"), "--without-lake", "--home", str(tmp_path / "home")]
    assert main(asked) == 0
    assert "receipts are NOT in it" in " ".join(capsys.readouterr().out.split())
    assert not list((tmp_path / "backup").rglob("*.parquet"))
    assert main(["restore", str(tmp_path / "backup"), "--home", str(tmp_path / "r")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "holds NO receipts" in said
    assert "at version 2" in said


def test_a_backup_without_a_word_about_its_lake_holds_it(tmp_path: Path, now: datetime) -> None:
    """Backups of earlier versions do not say."""
    database = an_installation(tmp_path / "home", now)
    before = contents(Lake(database.settings))
    back_up(database, tmp_path / "backup", now=now)
    file = tmp_path / "backup" / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    del manifest["lake_left_at"]
    file.write_text(json.dumps(manifest), "utf-8")
    goal = Settings(home=tmp_path / "r")
    restore(goal, tmp_path / "backup")
    assert contents(Lake(goal)) == before
    database.dispose()


def test_a_packed_log_comes_back_without_what_the_rows_do_not_know(
    tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of the packed entries ends where the log does: a batch that is imported again is not taken as known."""
    monkeypatch.setattr("pilot.outcomes.delta_log.PACKED", 2)
    database = an_installation(tmp_path / "home", now)
    lake = Lake(database.settings)
    before = contents(lake)

    def copy_rows(database: Database, target: Path) -> int | None:
        """Between the rows and the log, imports go on."""
        version = rows.copy_out(database, target)
        for number in range(5):
            publish(lake, f"unknown-{number}", some_receipts(5, customers=9, days=9, seed=7 + number))
        return version

    monkeypatch.setattr("pilot.upkeep.backup.rows", SimpleNamespace(copy_out=copy_rows))
    version = back_up(database, tmp_path / "backup", now=now).lake_version
    assert version is not None
    assert (tmp_path / "backup" / "lake" / INDEX).stat().st_size > 16 * (version + 1)
    goal = Settings(home=tmp_path / "r")
    restore(goal, tmp_path / "backup")
    restored = Lake(goal)
    assert (restored.version(), contents(restored)) == (version, before)
    for number in range(5):
        publish(restored, f"unknown-{number}", some_receipts(5, customers=9, days=9, seed=7 + number))
    assert contents(restored) == contents(lake)
    assert [restored.version_of(f"unknown-{number}") for number in range(5)] == [version + 1 + n for n in range(5)]
    database.dispose()


def test_files_that_were_joined_and_vacuumed_since_do_not_break_the_restore(tmp_path: Path, now: datetime) -> None:
    """The database names a version whose files are gone; what only joined them later holds the same rows."""
    database = an_installation(tmp_path / "home", now)
    lake = Lake(database.settings)
    before = contents(lake)
    lake.compact()
    lake.vacuum([])
    publish(lake, "unknown", some_receipts(5, customers=9, days=9, seed=7))
    manifest = back_up(database, tmp_path / "backup", now=now)
    kept = [path.name for path in kept_entries(tmp_path / "backup" / "lake" / LOG, manifest.lake_version or 0)]
    assert f"{lake.version():020d}.json" not in kept
    goal = Settings(home=tmp_path / "r")
    restore(goal, tmp_path / "backup")
    assert contents(Lake(goal)) == before
    database.dispose()
