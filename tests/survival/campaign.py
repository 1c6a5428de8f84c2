"""Kill web workers, job workers and importers under load, then compare the lists of what was acknowledged and the lake.

Every kill is a SIGKILL, at a moment drawn from the seed or inside a phase that the process was in when it was stopped
for the kill. What was killed is started again, as systemd would.
"""

import csv
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pilot.outcomes.days.service import Days
from pilot.outcomes.inbox.model import BatchState, InboxBatch, InboxPayload
from pilot.outcomes.lake import SCHEMA, Lake
from tests.survival.book import compare_with_books
from tests.survival.shop import ADMIN, STORES, Server, Shop, kill, strike, wait_until
from tests.survival.tills import Tills, minor, today
from tests.survival.warm import Process

Key = tuple[int, str]
"""A receipt: its store's id and its number there."""

_PATIENCE_SECONDS = 240.0  # a busy machine is no failure
_TRIES = 20
_MANY_FILES = 33  # so many small files make the lake worth compacting


class Act(StrEnum):
    """Who is killed, and inside what it writes; without that, at a random moment."""

    WEB = "web"
    WORKER = "worker"
    WORKER_IN_DRAIN = "worker in drain"
    WORKER_IN_COMMIT = "worker in commit"
    WORKER_IN_COMPACTION = "worker in compaction"
    IMPORTER = "importer"
    IMPORTER_IN_PUBLISH = "importer in publish"
    IMPORTER_IN_COMMIT = "importer in commit"

    @property
    def who(self) -> str:
        return self.value.split(" in ")[0]

    @property
    def phase(self) -> str | None:
        _, _, phase = self.value.partition(" in ")
        return phase or None


Kills = Mapping[Act, int]
"""How many kills of each kind a run demands."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was promised beside what the lake has; each list is empty where nothing went wrong."""

    promised: int
    in_lake: int
    lost: list[Key]
    twice: list[Key]
    strange: list[Key]
    other_amount: list[Key]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.strange or self.other_amount)


@dataclass
class Campaign:
    """One run. ``done`` counts the kills that were proven; ``imported`` is the list of the files."""

    shop: Shop
    seed: int
    receipts_a_file: int = 2_000
    done: Counter[Act] = field(default_factory=Counter)
    imported: dict[Key, int] = field(default_factory=dict)
    _files: int = 0
    _worker: Process | None = None
    _begun: float = field(default_factory=time.monotonic)

    def run(self, kills: Kills, *, receipts_a_call: int = 20) -> Tills:
        """Kill until every demanded number is reached; raises ``AssertionError`` where one cannot be."""
        chance = random.Random(self.seed)
        server = self.shop.serve()
        tills = Tills(server.port, self.shop.secret, self.seed, receipts_a_call=receipts_a_call)
        tills.start()
        plan = [act for act, times in kills.items() for _ in range(times)]
        chance.shuffle(plan)
        for act in plan:
            self._until_done(act, server, chance)
        assert self.done == Counter(plan)
        self._say("two importers")
        self._import_twice_at_once()
        tills.stop(_PATIENCE_SECONDS)
        if self._worker is not None:
            self._worker.terminate()
            self._worker.wait()
        self._say("two drains")
        self._drain_twice_at_once()
        self._say("end")
        return tills

    def killed(self) -> Counter[str]:
        """How often who was killed, and how often inside which phase."""
        found: Counter[str] = Counter()
        for act, times in self.done.items():
            found[act.who] += times
            if act.phase is not None:
                found[act.phase] += times
        return found

    def compare(self, tills: Tills) -> Comparison:
        """Ids and amounts, one by one: what the tills and the files hold beside what the lake holds."""
        stored = self.shop.stored()
        sent = {key: {(name, amount) for name in ids} for key, (ids, amount) in tills.acknowledged.items()}
        sent |= {key: {(key[1], amount)} for key, amount in self.imported.items()}
        return Comparison(
            promised=len(sent),
            in_lake=sum(len(rows) for rows in stored.values()),
            lost=[key for key in sent if key not in stored],
            twice=[key for key, rows in stored.items() if len(rows) != 1],
            strange=[key for key in stored if key not in sent],
            other_amount=[key for key, may in sent.items() if not set(stored.get(key, ())) <= may],
        )

    def check(self, tills: Tills) -> Comparison:
        """Nothing lost, nothing twice, nothing left in the inbox, and the days tables' sums are those of the lake."""
        assert tills.odd == []
        found = self.compare(tills)
        assert found.is_clean, found
        with self.shop.inbox() as inbox, inbox.reading() as session:
            states = {batch.state for batch in session.query(InboxBatch)}
            assert states <= {BatchState.DRAINED}
            assert session.query(InboxPayload).count() == 0
        lake = Lake(self.shop.settings)
        Days(lake).keep_up()
        days = Days(lake).day_facts(lake.version())
        assert days is not None
        of_stores = days.stores.net_minor.sum().cast("int64").to_pyarrow().as_py()
        assert of_stores == sum(rows[0][1] for rows in self.shop.stored().values())
        compare_with_books(self.shop, tills)
        return found

    def _until_done(self, act: Act, server: Server, chance: random.Random) -> None:
        """One proven kill of this kind; a process that ended before it was struck does not count, the next one does."""
        kill_one = {
            "web": partial(self._kill_web, server),
            "worker": self._kill_worker,
            "importer": self._kill_importer,
        }
        for _ in range(_TRIES):
            self._say(act)
            if kill_one[act.who](chance, act.phase):
                self.done[act] += 1
                return
        raise AssertionError(f"in {_TRIES} tries no kill of the {act}")

    def _say(self, act: str) -> None:
        """What the campaign does when, for who reads the logs of a run that failed."""
        with (self.shop.settings.home / "logs" / "campaign.log").open("a") as log:
            log.write(f"{time.monotonic() - self._begun:7.2f} {act}\n")

    def _kill_web(self, server: Server, chance: random.Random, _phase: str | None) -> bool:
        """One of gunicorn's workers; its master starts another."""
        time.sleep(chance.uniform(0.0, 1.0))
        wait_until(lambda: len(server.workers()) > 0, "a web worker")
        return kill(chance.choice(server.workers()), self.shop)

    def _kill_worker(self, chance: random.Random, phase: str | None) -> bool:
        """The job worker, once it is at work; whoever needs it next starts it again."""
        if self._worker is None:
            self._worker = self.shop.worker()
        if phase == "compaction":
            self._scatter()
        if phase is None:
            self.shop.wait_for_work(self._worker)
            time.sleep(chance.uniform(0.0, 1.0))
        killed = strike(self._worker, self.shop, phase, _PATIENCE_SECONDS)
        assert killed or self._worker.poll() is None, "the worker ended by itself"
        if killed:
            self._worker = None
        return killed

    def _kill_importer(self, chance: random.Random, phase: str | None) -> bool:
        """Kill the import of a new file, then import the file again."""
        file, rows = self._file(chance)
        first = self._importer(file)
        if phase is None:
            time.sleep(chance.uniform(0.5, 4.0))
        killed = strike(first, self.shop, phase, _PATIENCE_SECONDS)
        first.wait()
        self._finish_import(file)
        self.imported.update(rows)
        return killed

    def _finish_import(self, file: Path) -> None:
        assert self._importer(file).wait(_PATIENCE_SECONDS) == 0, "the import was refused"

    def _import_twice_at_once(self) -> None:
        """Two importers of one file: one takes it in, the other may be told that it came late."""
        file, rows = self._file(random.Random(self.seed + 1))
        running = [self._importer(file) for _ in range(2)]
        assert 0 in [process.wait(_PATIENCE_SECONDS) for process in running], "both imports were refused"
        self.imported.update(rows)

    def _drain_twice_at_once(self) -> None:
        running = [self.shop.start("drain") for _ in range(2)]
        assert [process.wait(_PATIENCE_SECONDS) for process in running] == [0, 0]

    def _importer(self, file: Path) -> Process:
        return self.shop.start("import", "receipts", str(file), "--as", ADMIN)

    def _file(self, chance: random.Random) -> tuple[Path, dict[Key, int]]:
        """A file of receipts, with what must be in the lake once it is imported."""
        self._files += 1
        path = self.shop.settings.home / f"file-{self._files}.csv"
        day, rows = today() - timedelta(days=2), {}
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["receipt", "store", "till", "number", "at", "net"])
            for n in range(self.receipts_a_file):
                store, net = chance.randrange(len(STORES)), f"{chance.randrange(1, 20_000) / 100:.2f}"
                name = f"f{self._files}-{n}"
                writer.writerow([name, STORES[store], "90", name, f"{day.isoformat()} 12:00", net])
                rows[store + 1, name] = minor(net)
        return path, rows

    def _scatter(self) -> None:
        """Many small files of one old month: what the lake looks like after a quiet week, so that compacting pays."""
        lake = Lake(self.shop.settings)
        month = f"2025-{1 + self.done[Act.WORKER_IN_COMPACTION] % 12:02d}"
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
