"""Days in an object store: one machine at a time brings them up to date, and nothing is counted twice."""

import subprocess
import sys
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from pilot.outcomes.days.service import Days
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from tests.conftest import PostgresServer
from tests.pilot.outcomes import test_object_store
from tests.pilot.outcomes.days.book import Book, deliver, from_receipts, moments_of

pytestmark = test_object_store.pytestmark
bucket, in_bucket = test_object_store.bucket, test_object_store.in_bucket

KEEPER = """
import sys
from pathlib import Path
from pilot.outcomes.days.service import Days
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
home, lake_url, database_url = sys.argv[1:]
Days(Lake(Settings(home=Path(home), lake_url=lake_url, database_url=database_url))).keep_up()
"""


def test_the_days_belong_to_one_machine_at_a_time(
    in_bucket: Settings, postgres: PostgresServer, tmp_path: Path
) -> None:
    """Two homes are two machines: their lock files are apart, the advisory lock of PostgreSQL is one."""
    url = postgres.new_database(migrated=False)
    here = Lake(in_bucket.model_copy(update={"database_url": url}))
    there = Lake(in_bucket.model_copy(update={"database_url": url, "home": tmp_path / "other"}))
    version = deliver(here, "one", Book(Random(31)).delivery(20))
    order: list[str] = []

    def rebuild_there() -> None:
        Days(there).rebuild()
        order.append("there")

    thread = Thread(target=rebuild_there)
    with Days(here)._locked() as is_ours:
        assert is_ours
        assert Days(there).keep_up() is None  # somebody is at it: nothing is waited for
        thread.start()
        thread.join(1)
        order.append("here")
    thread.join(120)
    assert order == ["here", "there"]
    assert Days(here).keep_up() == version
    postgres.drop(url)


@pytest.mark.slow
def test_machines_that_keep_up_at_once_count_nothing_twice(
    in_bucket: Settings, postgres: PostgresServer, tmp_path: Path
) -> None:
    url, book = postgres.new_database(migrated=False), Book(Random(32))
    lake = Lake(in_bucket.model_copy(update={"database_url": url}))
    for number in range(3):
        deliver(lake, f"b{number}", book.delivery(20))
        commands = [
            [sys.executable, "-W", "ignore", "-c", KEEPER, str(tmp_path / name), str(in_bucket.lake_url), url]
            for name in ("one", "two")
        ]
        processes = [subprocess.Popen(command) for command in commands]
        assert [process.wait(300) for process in processes] == [0, 0]
    facts = Days(lake).day_facts(lake.version())
    assert facts is not None
    assert moments_of(facts) == from_receipts(lake)
    postgres.drop(url)
