"""The hourly vacuum: what frozen reports name is kept, what is being read is not pulled away, the rest goes."""

import json
import os
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.evidence.queries import pinned_versions
from pilot.jobs.lake_keeper import GRACE_HOURS, vacuum_lake
from pilot.outcomes.lake import Lake
from pilot.outcomes.storage import LOG
from tests.pilot.evidence.small_network import day_at
from tests.pilot.evidence.snapshots import END, Point, installation
from tests.pilot.outcomes.histories import publish, some_receipts


def age(lake: Lake, hours: int) -> None:
    """As if everything had been joined so many hours earlier."""
    for entry in (lake.path / LOG).glob("*.json"):
        lines = [json.loads(line) for line in entry.read_text().splitlines()]
        for line in lines:
            if "commitInfo" in line:
                line["commitInfo"]["timestamp"] -= hours * 3600 * 1000
        entry.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for file in on_disk(lake):
        os.utime(file, (time.time() - hours * 3600,) * 2)


def recorded(database: Database) -> list[tuple[str, int]]:
    """Who vacuumed, and how many files went."""
    with database.reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.verb == "lake.vacuumed")).all()
        return [(entry.actor, json.loads(entry.text)["files"]) for entry in entries]


def on_disk(lake: Lake) -> set[str]:
    return {str(path) for path in lake.path.rglob("*.parquet") if LOG not in path.parts}


def test_the_frozen_reports_version_stays_and_what_nobody_names_goes_after_the_grace(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        lake = network.lake
        with network.database.reading() as session:
            pinned = pinned_versions(session)
        frozen = [(version, lake.receipts(version).to_pyarrow().num_rows) for version in pinned]
        for number in range(1, 4):
            day = END + timedelta(days=number)
            network.load_receipts(day, day, {}, day_at(day + timedelta(days=1)))
        before = on_disk(lake)
        reading = lake.receipts()
        n = reading.count().to_pyarrow().as_py()
        lake.compact()
        assert vacuum_lake(network.database) == 0
        assert recorded(network.database) == []
        assert reading.count().to_pyarrow().as_py() == n  # its files were joined meanwhile, and are there
        age(lake, GRACE_HOURS + 1)
        deleted = vacuum_lake(network.database)
        needed = {*lake.files(), *(file for version in pinned for file in lake.files(version))}
        assert deleted > 0
        assert before - on_disk(lake)
        assert on_disk(lake) == needed
        assert [(version, lake.receipts(version).to_pyarrow().num_rows) for version in pinned] == frozen
        assert lake.receipts().count().to_pyarrow().as_py() == n
        assert recorded(network.database) == [("system", deleted)]


def test_where_nothing_is_to_go_nothing_is_written(database: Database) -> None:
    lake = Lake(database.settings)
    publish(lake, "one", some_receipts(20, customers=3, days=9, seed=1))
    version = lake.version()
    assert [vacuum_lake(database), vacuum_lake(database)] == [0, 0]
    assert (lake.version(), recorded(database)) == (version, [])


def test_each_database_records_what_went(database: Database) -> None:
    lake = Lake(database.settings)
    for number in (1, 2):
        publish(lake, f"batch-{number}", some_receipts(20, customers=3, days=9, seed=number))
    lake.compact()
    age(lake, GRACE_HOURS + 1)
    n = vacuum_lake(database)
    assert n >= 2
    assert recorded(database) == [("system", n)]
    assert on_disk(lake) == set(lake.files())
