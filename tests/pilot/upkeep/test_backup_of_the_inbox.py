"""A backup while tills send and drains work: what was acknowledged before it is restored, once."""

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from pilot.database import Database
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.drain import drain
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from pilot.upkeep import migrating
from pilot.upkeep.backup import back_up
from pilot.upkeep.restore import restore
from tests.conftest import PostgresServer
from tests.pilot.outcomes.inlet import Inlet, receipt


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, inlet: Inlet, tmp_path: Path) -> Iterator[Settings]:
    """An empty home of the same kind of database."""
    home = tmp_path / "again"
    if inlet.settings.url.startswith("sqlite"):
        yield inlet.settings.model_copy(update={"home": home})
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    url = postgres.new_database(migrated=False)
    yield inlet.settings.model_copy(update={"home": home, "database_url": url})
    postgres.drop(url)


class Traffic:
    """Tills that send and a drain that works until they are told to stop."""

    def __init__(self, inlet: Inlet) -> None:
        self.inlet, self.acknowledged = inlet, list[str]()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._drain)]
        self._broken: list[BaseException] = []

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
        assert self._broken == []

    def _send(self) -> None:
        for number in count():
            if self._stop.is_set():
                return
            names = [f"r{number}-{n}" for n in range(5)]
            try:
                self.inlet.send(*(receipt(name, customer="101", store="31") for name in names))
            except BaseException as error:
                self._broken.append(error)
                return
            self.acknowledged += names

    def _drain(self) -> None:
        lake = Lake(self.inlet.settings)
        while not self._stop.is_set():
            try:
                drain(self.inlet.database, self.inlet.inbox, lake, now=self.inlet.now)
            except BaseException as error:
                self._broken.append(error)
                return


def test_what_was_acknowledged_before_a_backup_is_in_the_restored_home_exactly_once(
    inlet: Inlet, elsewhere: Settings, tmp_path: Path
) -> None:
    inlet.send(receipt("odd", store="999"))
    with Traffic(inlet) as traffic:
        while len(traffic.acknowledged) < 40:
            threading.Event().wait(0.02)
        before = list(traffic.acknowledged)
        back_up(inlet.database, tmp_path / "backup", now=inlet.now, keys_file=tmp_path / "keys.tar")
    restore(elsewhere, tmp_path / "backup", keys_file=tmp_path / "keys.tar")
    database, inbox = Database(elsewhere), InboxDatabase(elsewhere)
    try:
        migrating.require_head(database)
        lake = Lake(elsewhere)
        while drain(database, inbox, lake, now=inlet.now) is not None:
            pass
        stored = lake.receipts().select("receipt_id").to_pyarrow()["receipt_id"].to_pylist()
        assert len(stored) == len(set(stored))
        assert set(before) <= set(stored)
        assert drain(database, inbox, lake, now=inlet.now) is None
    finally:
        inbox.dispose()
        database.dispose()


def test_an_installation_without_an_inbox_is_behind_until_it_is_upgraded(database: Database) -> None:
    migrating.downgrade(database, "0003")
    assert migrating.current(database) == "0003"
    assert not migrating.has_inbox(database)
    with pytest.raises(migrating.SchemaBehind):
        migrating.require_head(database)
    migrating.upgrade(database)
    assert migrating.current(database) == migrating.head()
    assert migrating.differences(database) == []


def test_a_downgrade_drops_nothing_that_was_acknowledged(inlet: Inlet) -> None:
    inlet.send(receipt("a"), receipt("odd", store="999"))
    with pytest.raises(RuntimeError, match="drain them first"):
        migrating.downgrade(inlet.database, "0003")
    inlet.drain()
    with pytest.raises(RuntimeError, match="release or drop them first"):
        migrating.downgrade(inlet.database, "0002")


@pytest.mark.parametrize("target", migrating.Target)
def test_each_database_goes_up_and_down_by_itself(database: Database, target: migrating.Target) -> None:
    migrating._run(database, target, "downgrade", "base")
    assert migrating._current(database, target) is None
    other = next(one for one in migrating.Target if one is not target)
    assert migrating._current(database, other) == migrating.head()
    migrating._run(database, target, "upgrade", "head")
    assert migrating.differences(database) == []
