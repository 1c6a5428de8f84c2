"""``pilot watch``: every file ends in done/ or rejected/ beside its report, and one bad file does not stop the rest."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from pilot.audit.model import AuditEntry
from pilot.cli import main, watch
from pilot.database import Database
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from tests.pilot.imports.builders import RECEIPTS, Chain

GOOD = "receipt,store,at,net\nr1,31,2026-01-10 09:00:00,3.00\n"


@pytest.fixture
def chain(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    home = tmp_path / "home"
    home.mkdir()
    for file in sqlite_template.parent.glob("*.db"):
        (home / file.name).write_bytes(file.read_bytes())
    now = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    database = Database(Settings(home=home, fixed_now=now))
    (tmp_path / "drop").mkdir()
    monkeypatch.setenv("PILOT_FIXED_NOW", now.isoformat())
    monkeypatch.setattr(watch, "_SETTLE_SECONDS", 0.01)
    yield Chain(database, now).with_stores()
    database.dispose()


def drop(chain: Chain) -> Path:
    return chain.database.settings.home.parent / "drop"


def once(chain: Chain, *more: str) -> int:
    words = [str(drop(chain)), "--once", "--as", "admin@example.org", "--home", str(chain.database.settings.home)]
    return main(["watch", *words, *more])


def report(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.with_name(path.name + ".report.json").read_text("utf-8"))
    return found


def test_a_good_file_is_done_and_a_corrupted_one_rejected_and_the_rest_goes_on(chain: Chain) -> None:
    folder = drop(chain)
    (folder / "a.parquet").write_bytes(b"PAR1 and then nothing that makes sense")
    (folder / "b.csv").write_text(RECEIPTS, "utf-8")
    (folder / "c.csv").write_text(GOOD.replace("3.00", "much"), "utf-8")
    assert once(chain) == 1
    assert sorted(path.name for path in folder.iterdir()) == [".work", "done", "rejected"]
    done = report(folder / "done" / "b.csv")
    assert (done["new"], done["known"], done["state"]) == (4, 0, "published")
    broken, wrong = report(folder / "rejected" / "a.parquet"), report(folder / "rejected" / "c.csv")
    assert broken["error"] == {
        "code": "damaged_parquet",
        "message": "The Parquet file is damaged or cut off and cannot be read. Export it again.",
    }
    assert [found["line"] for found in wrong["findings"]] == [2]  # type: ignore[attr-defined] - JSON of our own
    text = (folder / "rejected" / "c.csv.report.txt").read_text("utf-8")
    assert "line 2, column “net”, value “much”" in text
    assert "put it into the folder again" in text
    with chain.database.reading() as session:
        entries = session.execute(select(AuditEntry.verb, AuditEntry.subject_kind)).all()
    assert [tuple(entry) for entry in entries if entry.verb == "import.refused"] == [
        ("import.refused", "file"),
        ("import.refused", "import"),
    ]


def test_the_same_file_again_is_known_and_overwrites_nothing(chain: Chain) -> None:
    for _ in range(2):
        (drop(chain) / "b.csv").write_text(RECEIPTS, "utf-8")
        assert once(chain) == 0
    assert {path.name for path in (drop(chain) / "done").glob("*.csv")} == {"b.csv", "b-2.csv"}
    assert "imported already" in (drop(chain) / "done" / "b-2.csv.report.txt").read_text("utf-8")
    assert Lake(chain.database.settings).receipts().count().to_pyarrow().as_py() == 4


def test_bad_rows_are_parked_on_request(chain: Chain) -> None:
    (drop(chain) / "b.csv").write_text(GOOD + "r2,999,2026-01-10 09:00:00,3.00\n", "utf-8")
    assert once(chain, "--quarantine") == 0
    done = report(drop(chain) / "done" / "b.csv")
    assert (done["new"], done["quarantined"]) == (1, 1)


def test_a_file_that_was_being_taken_when_the_watcher_was_killed_is_taken_again(chain: Chain) -> None:
    left = drop(chain) / ".work" / "dead"
    left.mkdir(parents=True)
    (left / ".lock").touch()
    (left / "b.csv").write_text(RECEIPTS, "utf-8")
    assert once(chain) == 0
    assert (drop(chain) / "done" / "b.csv").is_file()


def test_sigterm_ends_the_watch_cleanly(chain: Chain) -> None:
    home = chain.database.settings.home
    words = ["watch", str(drop(chain)), "--as", "admin@example.org", "--home", str(home)]
    code = f"import sys; from pilot.cli import main; sys.exit(main({words!r}))"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        (drop(chain) / "b.csv").write_text(RECEIPTS, "utf-8")
        until = time.monotonic() + 60
        while not (drop(chain) / "done" / "b.csv").exists() and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "done/b.csv" in out
    assert list((drop(chain) / ".work").iterdir()) == []
