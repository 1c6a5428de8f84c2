"""Backup while people work, restore elsewhere: the report is the same, and nothing counts twice."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from pilot.access.model import Role
from pilot.audit.model import AuditEntry
from pilot.audit.service import verify
from pilot.cli import main
from pilot.database import Database
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import document_of
from pilot.evidence.service import compute_report
from pilot.imports.model import ImportRun
from pilot.keys import KeyMissing
from pilot.outcomes.lake import Lake
from pilot.planning.queries import pilot as pilot_by_code
from pilot.settings import Settings
from pilot.upkeep import backup as backing_up
from pilot.upkeep import errors, migrating, rows
from pilot.upkeep.backup import MANIFEST, Manifest, back_up, read_manifest
from pilot.upkeep.recording import record_restore
from pilot.upkeep.restore import restore
from pilot.upkeep.upgrading import upgrade
from tests.builders import a_user
from tests.conftest import PostgresServer
from tests.pilot.evidence.small_network import CODE, START, SmallNetwork, day_at

END = START + timedelta(days=27)
LATER = END + timedelta(days=2)


@pytest.fixture
def elsewhere(database: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """An empty installation of the same kind on another machine."""
    settings = Settings(home=tmp_path / "elsewhere", fixed_now=database.settings.fixed_now)
    if database.engine.dialect.name == "sqlite":
        yield settings
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database(migrated=False)
    yield settings.model_copy(update={"database_url": url})
    server.drop(url)


@pytest.fixture
def network(database: Database, tmp_path: Path) -> SmallNetwork:
    return at_its_gate(database, tmp_path / "files")


def at_its_gate(database: Database, folder: Path) -> SmallNetwork:
    """A pilot at its gate with a frozen report."""
    folder.mkdir()
    network = SmallNetwork(database, folder, n_stores=12, customers=2).running()
    network.run_to(END)
    network.look()
    return network


def import_a_day(network: SmallNetwork, day: date) -> None:
    network.load_receipts(day, day, {}, day_at(day + timedelta(days=1)))


def frozen_text(database: Database) -> str:
    with database.reading() as session:
        return session.scalars(select(FrozenReport.document)).one()


def computed_text(database: Database, now: datetime) -> str:
    """The same report computed again from plan, ledger and the lake as the database knows it."""
    with database.reading() as session:
        pilot = pilot_by_code(session, CODE)
        found = compute_report(session, pilot, 1, lake=Lake(database.settings), now=now, exploratory=True)
        return replace(found, audit_head="", lake_version=0).text()


def receipts(database: Database) -> int:
    return int(Lake(database.settings).receipts().count().to_pyarrow().as_py())


def test_a_backup_taken_while_an_import_runs_gives_the_same_report_elsewhere(
    network: SmallNetwork, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment: the import reaches lake and database just after the backup has read the database."""
    database, now = network.database, day_at(LATER)
    before, n_before = computed_text(database, now), receipts(database)
    copy_out = rows.copy_out

    def copy_out_then_import(source: Database, target: Path) -> int | None:
        version = copy_out(source, target)
        import_a_day(network, LATER)
        return version

    monkeypatch.setattr(rows, "copy_out", copy_out_then_import)
    back_up(database, tmp_path / "backup", now=now, keys_file=tmp_path / "keys.tar")
    assert receipts(database) > n_before
    restore(elsewhere, tmp_path / "backup", keys_file=tmp_path / "keys.tar")
    restored = Database(elsewhere)
    assert frozen_text(restored) == frozen_text(database)
    assert receipts(restored) == n_before
    assert computed_text(restored, now) == before
    with restored.reading() as session:
        assert verify(session, document_of(session.scalars(select(FrozenReport)).one()).audit_head).ok
    # The import that the backup did not know is simply done again.
    import_a_day(replace(network, database=restored), LATER)
    assert receipts(restored) == receipts(database)
    restored.dispose()


def test_backups_in_the_middle_of_many_imports_all_restore(sqlite_database: Database, tmp_path: Path) -> None:
    """Here it is the lake's files that race; what differs between the databases is tested above."""
    network = at_its_gate(sqlite_database, tmp_path / "files")
    stop = threading.Event()

    def keep_importing() -> None:
        day = LATER
        while not stop.is_set():
            import_a_day(network, day)
            day += timedelta(days=1)

    importing = threading.Thread(target=keep_importing)
    importing.start()
    try:
        manifests = [back_up(network.database, tmp_path / f"b{n}", now=day_at(LATER)) for n in range(4)]
    finally:
        stop.set()
        importing.join()
    for number, manifest in enumerate(manifests):
        home = Settings(home=tmp_path / f"r{number}")
        restore(home, tmp_path / f"b{number}")
        restored = Database(home)
        assert Lake(home).version() == manifest.lake_version
        with restored.reading() as session:
            published = (ImportRun.kind == "receipts", ImportRun.published_at.is_not(None))
            new = sum(session.scalars(select(ImportRun.n_new).where(*published)))
        assert receipts(restored) == new
        restored.dispose()


def test_what_is_added_after_a_restore_gets_fresh_ids(
    network: SmallNetwork, elsewhere: Settings, tmp_path: Path
) -> None:
    back_up(network.database, tmp_path / "backup", now=day_at(LATER))
    restore(elsewhere, tmp_path / "backup")
    restored = Database(elsewhere)
    with restored.unit_of_work() as session:
        assert a_user(session, Role.AUDITOR).id > max(person.id for person in network.people.values())
    restored.dispose()


def test_keys_are_left_out_and_without_them_the_log_is_not_verified(
    network: SmallNetwork, elsewhere: Settings, tmp_path: Path
) -> None:
    back_up(network.database, tmp_path / "backup", now=day_at(LATER))
    assert list((tmp_path / "backup").rglob("*.key")) == []
    restore(elsewhere, tmp_path / "backup")
    restored = Database(elsewhere)
    with restored.reading() as session, pytest.raises(KeyMissing, match="Put it back"):
        verify(session)
    restored.dispose()


@pytest.fixture
def small(sqlite_database: Database, now: datetime) -> Database:
    """An installation with one person and no receipts."""
    from pilot.access.service import create_user

    with sqlite_database.unit_of_work() as session:
        create_user(session, email="a@example.org", name="A", role=Role.ADMIN, actor="system", now=now)
    return sqlite_database


def verbs(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(AuditEntry.verb).order_by(AuditEntry.seq)))


def test_the_log_and_its_copy_both_say_that_a_backup_was_taken_and_the_copy_that_it_was_restored(
    database: Database, elsewhere: Settings, tmp_path: Path, now: datetime
) -> None:
    made = back_up(database, tmp_path / "backup", now=now, keys_file=tmp_path / "keys.tar")
    assert verbs(database) == ["installation.backed_up"]
    restore(elsewhere, tmp_path / "backup", keys_file=tmp_path / "keys.tar")
    restored = Database(elsewhere)
    assert verbs(restored) == ["installation.backed_up", "installation.restored"]
    with restored.reading() as session:
        assert verify(session, made.audit_head).ok
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.seq.desc())).first()
        assert last is not None
        assert made.audit_head in last.text
    restored.dispose()


def test_a_restore_without_keys_is_in_the_log_as_soon_as_they_are_there(
    small: Database, tmp_path: Path, now: datetime
) -> None:
    back_up(small, tmp_path / "backup", now=now)
    again = Settings(home=tmp_path / "again", fixed_now=now)
    restore(again, tmp_path / "backup")
    restored = Database(again)
    assert not record_restore(restored)
    assert verbs(restored)[-1] == "installation.backed_up"
    shutil.copytree(small.settings.keys_dir, again.keys_dir)
    assert main(["audit", "verify", "--home", str(again.home)]) == 0
    assert main(["audit", "verify", "--home", str(again.home)]) == 0
    assert verbs(restored)[-2:] == ["installation.backed_up", "installation.restored"]
    restored.dispose()


def test_keys_written_apart_are_for_their_owner_only(small: Database, tmp_path: Path, now: datetime) -> None:
    keys = tmp_path / "keys.tar"
    keys.touch(mode=0o644)
    back_up(small, tmp_path / "backup", now=now, keys_file=keys)
    assert keys.stat().st_mode & 0o777 == 0o600
    with pytest.raises(errors.KeysInsideBackup):
        back_up(small, tmp_path / "second", now=now, keys_file=tmp_path / "second" / "keys.tar")


def test_a_backup_goes_into_a_new_folder(small: Database, tmp_path: Path, now: datetime) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    with pytest.raises(errors.TargetNotEmpty):
        back_up(small, tmp_path / "full", now=now)


def test_a_backup_that_breaks_off_is_not_there(
    small: Database, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_path: Path) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(backing_up, "file_digest", no_space)
    with pytest.raises(OSError, match="no space"):
        back_up(small, tmp_path / "backup", now=now)
    assert not (tmp_path / "backup").exists()


def test_a_damaged_backup_is_refused_before_anything_is_touched(small: Database, tmp_path: Path, now: datetime) -> None:
    back_up(small, tmp_path / "backup", now=now)
    file = tmp_path / "backup" / rows.SQLITE_FILE
    file.write_bytes(file.read_bytes()[:-1])
    target = Settings(home=tmp_path / "target")
    with pytest.raises(errors.BackupDamaged, match=rows.SQLITE_FILE):
        restore(target, tmp_path / "backup")
    assert not target.home.exists()


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_text(content, "utf-8")
    with pytest.raises(errors.NotABackup):
        read_manifest(tmp_path)


def test_a_restore_wants_an_empty_home(small: Database, tmp_path: Path, now: datetime) -> None:
    back_up(small, tmp_path / "backup", now=now)
    with pytest.raises(errors.HomeNotEmpty):
        restore(small.settings, tmp_path / "backup")


def test_a_backup_goes_back_to_its_kind_of_database(
    small: Database, postgres: PostgresServer, tmp_path: Path, now: datetime
) -> None:
    back_up(small, tmp_path / "backup", now=now)
    url = postgres.new_database(migrated=False)
    with pytest.raises(errors.OtherDatabaseKind, match="sqlite"):
        restore(Settings(home=tmp_path / "target", database_url=url), tmp_path / "backup")
    postgres.drop(url)


def test_a_backup_from_a_newer_version_is_refused(
    postgres_database: Database, postgres: PostgresServer, tmp_path: Path, now: datetime
) -> None:
    back_up(postgres_database, tmp_path / "backup", now=now)
    manifest = json.loads((tmp_path / "backup" / MANIFEST).read_text("utf-8"))
    (tmp_path / "backup" / MANIFEST).write_text(json.dumps(manifest | {"revision": "9999"}), "utf-8")
    url = postgres.new_database(migrated=False)
    with pytest.raises(errors.BackupFromTheFuture, match="9999"):
        restore(Settings(home=tmp_path / "target", database_url=url), tmp_path / "backup")
    postgres.drop(url)


def test_an_upgrade_backs_up_migrates_and_checks(database: Database, now: datetime) -> None:
    migrating.downgrade(database, "0001")
    said: list[Path] = []
    done = upgrade(database, now=now, announce=said.append)
    assert (done.before, done.after) == ("0001", migrating.head())
    assert done.backup is not None
    assert said == [done.backup]
    assert read_manifest(done.backup).revision == "0001"
    assert migrating.current(database) == migrating.head()
    assert verbs(database) == ["installation.upgraded"]
    again = upgrade(database, now=now)
    assert (again.before, again.backup) == (migrating.head(), None)


def test_without_its_key_an_installation_is_not_upgraded(small: Database, now: datetime) -> None:
    migrating.downgrade(small, "0001")
    (small.settings.keys_dir / "audit.key").unlink()
    with pytest.raises(KeyMissing):
        upgrade(small, now=now)
    assert migrating.current(small) == "0001"
    assert not (small.settings.home / "backups").exists()


def test_a_schema_that_differs_after_the_upgrade_is_said(sqlite_database: Database, now: datetime) -> None:
    with sqlite_database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE stranger (id INTEGER)")
    with pytest.raises(errors.SchemaDiffers, match="1 places"):
        upgrade(sqlite_database, now=now)


def test_backup_and_restore_by_command(small: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, again = str(small.settings.home), str(tmp_path / "again")
    backup, keys = str(tmp_path / "backup"), str(tmp_path / "keys.tar")
    assert main(["backup", backup, "--home", home]) == 0
    assert "NOT in it" in capsys.readouterr().out
    assert main(["backup", backup + "2", "--with-keys", keys, "--home", home, "--json"]) == 0
    head = json.loads(capsys.readouterr().out)["audit_head"]
    assert main(["restore", backup + "2", "--keys", keys, "--home", again]) == 0
    assert main(["audit", "verify", "--head", head, "--home", again]) == 0
    assert main(["restore", backup, "--home", again]) == 1


def test_a_restored_draw_replays_in_a_fresh_process(network: SmallNetwork, tmp_path: Path) -> None:
    """The record alone, on a machine that has no installation."""
    from pilot.assignment.queries import draws

    record, expected = network.read(lambda s, p: [(d.record, d.ledger_hash) for d in draws(s, p)])[0]
    file = tmp_path / "record.json"
    file.write_text(record, "utf-8")
    command = [sys.executable, "-m", "pilot.cli", "assignment", "replay", str(file), "--home", str(tmp_path / "none")]
    good = subprocess.run([*command, "--expect", expected, "--json"], capture_output=True, text=True, cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["ledger_hash"] == expected
    assert subprocess.run([*command, "--expect", "0" * 64], capture_output=True, cwd=tmp_path).returncode == 1


def test_a_manifest_says_what_it_holds(small: Database, tmp_path: Path, now: datetime) -> None:
    made = back_up(small, tmp_path / "backup", now=now)
    assert isinstance(made, Manifest)
    assert read_manifest(tmp_path / "backup") == made
    assert (made.database, made.lake_version, made.taken_at) == ("sqlite", None, now.isoformat())
