"""A disk without room: a clear refusal, nothing half-written, and what was acknowledged goes in once there is room."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from pilot.database import Database
from pilot.errors import Misconfigured
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.drain import drain
from pilot.outcomes.inbox.model import BatchState, InboxBatch, InboxPayload
from pilot.outcomes.inbox.queries import backlog
from pilot.outcomes.inbox.work import Call
from pilot.outcomes.lake import Lake
from pilot.outcomes.receipt_model import receipt_texts
from pilot.settings import Settings
from tests.conftest import PostgresServer
from tests.survival.shop import Shop
from tests.survival.tills import today
from web.app import create_app


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def without_room(disk: Path) -> Iterator[None]:
    """Fill the disk to the last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * 4096)
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


class Door:
    """The inbox and the lake of a shop in this process."""

    def __init__(self, settings: Settings) -> None:
        self.database, self.inbox, self.lake = Database(settings), InboxDatabase(settings), Lake(settings)
        self.reception = Reception(settings, self.inbox)

    def send(self, batch: int) -> list[str]:
        """A call of 300 receipts; their ids once they are acknowledged."""
        every = {"store": "S1", "at": f"{today()} 00:05", "net": "1.00"}
        rows = [{**every, "receipt": f"b{batch}-{n}", "number": f"n{batch}-{n}"} for n in range(300)]
        call = Call(receipt_texts(rows), "tills", sha256(orjson.dumps(rows)).hexdigest(), datetime.now(UTC))
        with self.database.reading() as session:
            assert self.reception.accept(session, call, head=None).n_accepted == 300
        return [row["receipt"] for row in rows]

    def send_on(self, acknowledged: list[str]) -> None:
        """Call after call until one is refused."""
        for batch in range(2, 500):
            acknowledged += self.send(batch)

    def states(self) -> list[BatchState]:
        with self.inbox.reading() as session:
            return [batch.state for batch in session.query(InboxBatch).order_by(InboxBatch.id)]

    def close(self) -> None:
        self.inbox.dispose()
        self.database.dispose()


def test_a_full_disk_refuses_in_words_and_loses_nothing(small_disk: Path) -> None:
    shop = Shop.open(small_disk / "home", None)
    door = Door(shop.settings)
    acknowledged = door.send(1)
    with without_room(small_disk):
        with pytest.raises(OperationalError, match="full"):
            door.send_on(acknowledged)
        with pytest.raises((OperationalError, Misconfigured, OSError)) as refused:
            drain(door.database, door.inbox, door.lake, now=datetime.now(UTC))
        assert "full" in str(refused.value).lower() or "space" in str(refused.value).lower()
        assert set(door.states()) <= {BatchState.WAITING, BatchState.DRAINING}
    while drain(door.database, door.inbox, door.lake, now=datetime.now(UTC)) is not None:
        pass
    stored = door.lake.receipts().select("receipt_id").to_pyarrow()["receipt_id"].to_pylist()
    assert sorted(stored) == sorted(acknowledged)
    assert set(door.states()) == {BatchState.DRAINED}
    log = small_disk / "home" / "lake" / "_delta_log"
    assert all(json.loads(line) for entry in log.glob("*.json") for line in entry.read_text().splitlines())
    door.close()


def test_a_till_hears_that_the_disk_is_full_and_when_to_come_again(small_disk: Path) -> None:
    shop = Shop.open(small_disk / "home", None)
    with served(shop) as app:
        assert_refused_without_room_and_taken_with_it(app, shop, small_disk)


def test_a_till_hears_it_of_a_server_of_databases_too(home: Path, postgres: PostgresServer, their_disk: Path) -> None:
    """What waits in the inbox lies on a disk of its own."""
    url = postgres.new_database(migrated=False)
    shop = Shop.open(home, url)
    database = Database(shop.settings)
    with database.unit_of_work() as session:
        session.execute(text(f"ALTER TABLE {InboxPayload.__tablename__} SET TABLESPACE small"))
    database.dispose()
    try:
        with served(shop) as app:
            assert_refused_without_room_and_taken_with_it(app, shop, their_disk)
    finally:
        postgres.drop(url)


@pytest.fixture
def their_disk(postgres: PostgresServer) -> Iterator[Path]:
    """A disk of 8 MB for tables, where the server may come."""
    place = Path(tempfile.mkdtemp(prefix="pilot-pg-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=True)
    place.chmod(0o755)
    tables = place / "tables"
    tables.mkdir(0o700)
    server = Path(parse_qs(urlsplit(postgres.uri).query)["host"][0]).stat()
    os.chown(tables, server.st_uid, server.st_gid)
    postgres._admin(f"CREATE TABLESPACE small LOCATION '{tables}'")
    yield place
    postgres._admin("DROP TABLESPACE small")
    subprocess.run(["umount", "--lazy", str(place)], check=True)
    place.rmdir()


def test_a_till_hears_it_from_a_server_that_started_without_room_too(small_disk: Path) -> None:
    shop = Shop.open(small_disk / "home", None)
    with served(shop):
        pass
    with without_room(small_disk), served(shop) as app:
        assert_says_full(send(app, shop, 1))


@contextmanager
def served(shop: Shop) -> Iterator[Flask]:
    app = create_app(shop.settings)
    try:
        yield app
    finally:
        app.extensions["pilot_database"].dispose()
        app.extensions["pilot_reception"].inbox.dispose()


def send(app: Flask, shop: Shop, batch: int) -> Any:
    """The answer to a call of 300 receipts."""
    every = {"store": "S1", "at": f"{today()} 00:05", "net": "1.00"}
    rows = [{**every, "receipt": f"b{batch}-{n}", "number": f"n{batch}-{n}"} for n in range(300)]
    key = {"Authorization": f"Bearer {shop.secret}"}
    return app.test_client().post("/api/v1/receipts", json={"receipts": rows}, headers=key)


def assert_refused_without_room_and_taken_with_it(app: Flask, shop: Shop, disk: Path) -> None:
    assert send(app, shop, 1).json["accepted"] == 300
    with without_room(disk):
        batch, answer = 2, send(app, shop, 2)
        while answer.status_code == 202:
            batch, answer = batch + 1, send(app, shop, batch + 1)
        assert_says_full(answer)
    again = send(app, shop, batch)
    assert (again.status_code, again.json["accepted"], again.json["known"]) == (202, 300, 0)
    assert backlog(app.extensions["pilot_reception"].inbox).receipts == 300 * batch


def assert_says_full(answer: Any) -> None:
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.json["code"] == "disk_full"
    assert "no room left" in answer.json["title"]
    assert int(answer.headers["Retry-After"]) >= 1
