"""Kill web workers, job workers and importers under load, then compare the lists of what was acknowledged and the lake.

Every kill is a SIGKILL, at a moment drawn from the seed or inside a phase that the process was in when it was stopped
for the kill. What was killed is started again, as systemd would.
"""

import csv
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pilot.outcomes.days.service import Days
from pilot.outcomes.inbox.model import BatchState, InboxBatch, InboxPayload
from pilot.outcomes.lake import SCHEMA, Lake
from tests.survival.book import compare_with_books
from tests.survival.shop import ADMIN, STORES, Server, Shop, kill, kill_inside, wait_until
from tests.survival.tills import Tills, minor, today

_PATIENCE_SECONDS = 240.0  # a busy machine is no failure
_MANY_FILES = 33  # so many small files make the lake worth compacting


@dataclass(frozen=True, slots=True)
class Kills:
    """How often each process is killed: at random moments, and inside what it writes."""

    web: int
    worker: int
    importer: int
    drain: int
    commit: int
    compaction: int


@dataclass
class Campaign:
    """One run. ``done`` counts the kills by what was killed and where; ``imported`` is the list of the files."""

    shop: Shop
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    imported: dict[tuple[int, str], int] = field(default_factory=dict)
    _files: int = 0
    _begun: float = field(default_factory=time.monotonic)

    def run(self, kills: Kills, *, receipts_a_call: int = 20) -> Tills:
        chance = random.Random(self.seed)
        worker, server = self.shop.worker(), self.shop.serve()
        tills = Tills(server.port, self.shop.secret, self.seed, receipts_a_call=receipts_a_call)
        tills.start()
        plan = [
            *["web"] * kills.web,
            *["worker"] * kills.worker,
            *["importer"] * kills.importer,
            *["drain"] * kills.drain,
            *["commit"] * kills.commit,
            *["compaction"] * kills.compaction,
        ]
        chance.shuffle(plan)
        for act in plan:
            self._say(act)
            if act == "web":
                self._kill_web(server, chance)
            elif act == "importer":
                self._kill_importer(chance)
            elif act == "worker":
                time.sleep(chance.uniform(0.0, 1.0))
                kill(worker.pid, self.shop)
                worker = self._again(worker, "worker")
            else:
                if act == "compaction":
                    self._scatter()
                assert kill_inside(worker, self.shop, act), f"the worker was never in {act}"
                worker = self._again(worker, f"worker in {act}")
        self._say("two importers")
        self._import_twice_at_once()
        tills.stop(_PATIENCE_SECONDS)
        worker.terminate()
        worker.wait()
        self._say("two drains")
        self._drain_twice_at_once()
        self._say("end")
        return tills

    def check(self, tills: Tills) -> None:
        """Nothing lost, nothing twice: ids and amounts one by one, and the days tables' sums."""
        assert tills.odd == []
        stored = self.shop.stored()
        twice = {key: rows for key, rows in stored.items() if len(rows) != 1}
        assert twice == {}
        sent = {key: {(name, amount) for name in ids} for key, (ids, amount) in tills.acknowledged.items()}
        for key, amount in self.imported.items():
            sent[key] = {(key[1], amount)}
        lost = [key for key in sent if key not in stored]
        assert lost == []
        strange = [key for key in stored if key not in sent]
        assert strange == []
        assert [key for key, may in sent.items() if stored[key][0] not in may] == []
        with self.shop.inbox() as inbox, inbox.reading() as session:
            states = {batch.state for batch in session.query(InboxBatch)}
            assert states <= {BatchState.DRAINED}
            assert session.query(InboxPayload).count() == 0
        lake = Lake(self.shop.settings)
        Days(lake).keep_up()
        days = Days(lake).day_facts(lake.version())
        assert days is not None
        of_stores = days.stores.net_minor.sum().cast("int64").to_pyarrow().as_py()
        assert of_stores == sum(rows[0][1] for rows in stored.values())
        compare_with_books(self.shop, tills)

    def _say(self, act: str) -> None:
        """What the campaign does when, for who reads the logs of a run that failed."""
        with (self.shop.settings.home / "logs" / "campaign.log").open("a") as log:
            log.write(f"{time.monotonic() - self._begun:7.2f} {act}\n")

    def _again(self, process: "subprocess.Popen[bytes]", what: str) -> "subprocess.Popen[bytes]":
        process.wait()
        self.done[what] += 1
        return self.shop.worker()

    def _kill_web(self, server: Server, chance: random.Random) -> None:
        """One of gunicorn's workers; its master starts another."""
        time.sleep(chance.uniform(0.0, 1.0))
        wait_until(lambda: len(server.workers()) > 0, "a web worker")
        kill(chance.choice(server.workers()), self.shop)
        self.done["web"] += 1

    def _kill_importer(self, chance: random.Random) -> None:
        """Kill the import of a new file, half of the time inside its commit, then import the file again."""
        file, rows = self._file(chance)
        first = self._importer(file)
        if chance.random() < 0.5:
            if kill_inside(first, self.shop, "commit", _PATIENCE_SECONDS):
                self.done["importer in commit"] += 1
        else:
            time.sleep(chance.uniform(0.5, 4.0))
            if first.poll() is None:
                kill(first.pid, self.shop)
                self.done["importer"] += 1
        first.wait()
        self._finish_import(file)
        self.imported.update(rows)

    def _finish_import(self, file: Path) -> None:
        done = self._importer(file)
        assert done.wait(_PATIENCE_SECONDS) == 0, "the import was refused"

    def _import_twice_at_once(self) -> None:
        """Two importers of one file, and one of another beside them."""
        chance = random.Random(self.seed + 1)
        (same, rows), (other, more) = self._file(chance), self._file(chance)
        running = [self._importer(file) for file in (same, same, other)]
        for process in running:
            process.wait(_PATIENCE_SECONDS)
        self._finish_import(same)
        self._finish_import(other)
        self.imported.update({**rows, **more})

    def _drain_twice_at_once(self) -> None:
        running = [self.shop.run("drain") for _ in range(2)]
        assert [process.wait(_PATIENCE_SECONDS) for process in running] == [0, 0]

    def _importer(self, file: Path) -> "subprocess.Popen[bytes]":
        return self.shop.run("import", "receipts", str(file), "--as", ADMIN)

    def _file(self, chance: random.Random) -> tuple[Path, dict[tuple[int, str], int]]:
        """A file of receipts, with what must be in the lake once it is imported."""
        self._files += 1
        path = self.shop.settings.home / f"file-{self._files}.csv"
        day, rows = today() - timedelta(days=2), {}
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["receipt", "store", "till", "number", "at", "net"])
            for n in range(2_000):
                store, net = chance.randrange(len(STORES)), f"{chance.randrange(1, 20_000) / 100:.2f}"
                name = f"f{self._files}-{n}"
                writer.writerow([name, STORES[store], "90", name, f"{day.isoformat()} 12:00", net])
                rows[store + 1, name] = minor(net)
        return path, rows

    def _scatter(self) -> None:
        """Many small files of one old month: what the lake looks like after a quiet week, so that compacting pays."""
        lake = Lake(self.shop.settings)
        month = f"2025-{1 + self.done['worker in compaction'] % 12:02d}"
        for _ in range(_MANY_FILES):
            self._files += 1
            name, store = f"q{self._files}", 1 + self._files % len(STORES)

            def write(_month: str, path: Path, name: str = name, store: int = store) -> int:
                pq.write_table(pa.Table.from_pylist([_quiet(name, store, month)], SCHEMA), path)
                return 1

            with lake.writing():
                lake.append(name, [month], write)
            self.imported[store, name] = 100


def _quiet(name: str, store: int, month: str) -> dict[str, Any]:
    at = datetime.fromisoformat(f"{month}-10T12:00:00+00:00")
    plain = dict.fromkeys(("vat_minor", "discount_minor", "reward_minor", "n_items"), 0)
    return {
        **plain, "receipt_id": name, "store_id": store, "till": "80", "number": name, "kind": "sale", "at": at,
        "business_date": at.date(), "net_minor": 100, "received_at": datetime.now(UTC), "batch_id": name,
    }  # fmt: skip
