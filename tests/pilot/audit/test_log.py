"""The append-only log: one chain whatever happens at once, and every kind of tampering found and named."""

import subprocess
import sys
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from pilot.audit import service
from pilot.audit.service import Head, NotAHead
from pilot.canonical import NotCanonical
from pilot.database import Database
from pilot.keys import KeyMissing, key_path

APPEND = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pilot.audit.service import record
from pilot.database import Database
from pilot.settings import Settings

home, url, who = Path(sys.argv[1]), sys.argv[2] or None, sys.argv[3]
database = Database(Settings(home=home, database_url=url))
for number in range(25):
    with database.unit_of_work() as session:
        record(session, actor=who, verb="test.done", subject_kind="test", subject=str(number), details={"n": number},
               at=datetime.now(UTC))
"""

# What somebody with the database's own rights would do to get around the triggers.
UNGUARD = {
    "sqlite": ["DROP TRIGGER audit_entry_no_update", "DROP TRIGGER audit_entry_no_delete"],
    "postgresql": ["ALTER TABLE audit_entry DISABLE TRIGGER USER"],
}


def record_some(database: Database, now: datetime, count: int = 5) -> Head:
    for number in range(count):
        with database.unit_of_work() as session:
            service.record(
                session,
                actor="somebody@example.org",
                verb="test.done",
                subject_kind="test",
                subject=f"thing-{number}",
                details={"n": number},
                at=now,
            )
    with database.reading() as session:
        return service.head(session)


def tamper(database: Database, *statements: str) -> None:
    with database.engine.begin() as connection:
        for statement in (*UNGUARD[connection.dialect.name], *statements):
            connection.execute(text(statement))


def codes(database: Database, head: Head | None = None) -> list[str]:
    with database.reading() as session:
        return [finding.code for finding in service.verify(session, str(head) if head else None).findings]


def test_a_log_that_nobody_touched_is_whole(database: Database, now: datetime) -> None:
    head = record_some(database, now)
    assert head.count == 5
    assert codes(database, head) == []


def test_an_earlier_head_is_still_found_in_a_longer_log(database: Database, now: datetime) -> None:
    earlier = record_some(database, now)
    record_some(database, now)
    assert codes(database, earlier) == []


def test_two_processes_that_append_at_once_keep_one_chain(database: Database) -> None:
    url = database.settings.database_url or ""
    command = [sys.executable, "-c", APPEND, str(database.settings.home), url]
    processes = [subprocess.Popen([*command, who]) for who in ("first", "second")]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    with database.reading() as session:
        found = service.verify(session)
    assert found.ok
    assert found.count == 50


def test_a_changed_entry_is_named(database: Database, now: datetime) -> None:
    record_some(database, now)
    tamper(database, "UPDATE audit_entry SET actor = 'nobody@example.org' WHERE seq = 3")
    with database.reading() as session:
        found = service.verify(session)
    assert [str(finding) for finding in found.findings] == ["Entry 3 was changed after it was written."]


def test_a_missing_entry_is_named(database: Database, now: datetime) -> None:
    record_some(database, now)
    tamper(database, "DELETE FROM audit_entry WHERE seq = 2")
    with database.reading() as session:
        findings = [str(finding) for finding in service.verify(session).findings]
    assert "Entry 2 is missing." in findings


def test_a_log_cut_off_at_its_end_is_found_by_the_sealed_head(database: Database, now: datetime) -> None:
    record_some(database, now)
    tamper(database, "DELETE FROM audit_entry WHERE seq > 3")
    with database.reading() as session:
        assert [str(f) for f in service.verify(session).findings] == ["Entries 4 to 5 are missing."]


def test_a_log_and_head_cut_back_together_are_found_by_a_printed_head(database: Database, now: datetime) -> None:
    earlier = record_some(database, now, count=3)
    printed = record_some(database, now, count=2)
    back = f"UPDATE audit_head SET count = 3, hash = '{earlier.hash}', seal = '{earlier.seal}'"
    tamper(database, "DELETE FROM audit_entry WHERE seq > 3", back)
    assert codes(database) == []
    assert codes(database, printed) == ["audit_missing_range"]


def test_a_head_rewritten_without_the_key_is_found(database: Database, now: datetime) -> None:
    earlier = record_some(database, now, count=3)
    record_some(database, now, count=2)
    back = f"UPDATE audit_head SET count = 3, hash = '{earlier.hash}'"
    tamper(database, "DELETE FROM audit_entry WHERE seq > 3", back)
    assert codes(database) == ["audit_seal"]


def test_a_head_from_another_installation_is_refused(database: Database, now: datetime) -> None:
    head = record_some(database, now)
    assert codes(database, Head(head.count, head.hash, "0" * 64)) == ["audit_foreign_head"]


@pytest.mark.parametrize("printed", ["", "12", "a:b:c", "3:" + "0" * 64, "-1:" + "0" * 64 + ":" + "0" * 64])
def test_what_is_no_head_is_refused_by_name(session: Session, printed: str) -> None:
    with pytest.raises(NotAHead):
        Head.parse(printed)


def test_without_its_key_the_log_is_not_continued(database: Database, now: datetime) -> None:
    record_some(database, now)
    key_path(database.settings, "audit").unlink()
    with pytest.raises(KeyMissing):
        record_some(database, now, count=1)


def test_details_hold_no_floats(session: Session, now: datetime) -> None:
    with pytest.raises(NotCanonical):
        service.record(session, actor="a", verb="v", subject_kind="k", subject="s", details={"x": 0.1}, at=now)


def test_what_rolls_back_leaves_no_entry(database: Database, now: datetime) -> None:
    head = record_some(database, now)
    with database.reading() as session:
        service.record(session, actor="a", verb="v", subject_kind="k", subject="s", details={}, at=now)
    with database.reading() as session:
        assert service.head(session) == head
