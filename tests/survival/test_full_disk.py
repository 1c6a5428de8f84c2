"""A disk without room: a clear refusal, nothing half-written, and what was acknowledged goes in once there is room."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from pilot.database import Database
from pilot.errors import Misconfigured
from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.drain import drain
from pilot.outcomes.inbox.model import BatchState, InboxBatch
from pilot.outcomes.inbox.work import Call
from pilot.outcomes.lake import Lake
from pilot.outcomes.receipt_model import receipt_texts
from pilot.settings import Settings
from tests.survival.shop import Shop
from tests.survival.tills import today


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
    yield
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
