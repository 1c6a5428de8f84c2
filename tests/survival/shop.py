"""An installation under test: made by the product's own verbs, run as real processes that can be killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from pilot.access.api_keys import create_api_key
from pilot.access.model import Role
from pilot.access.permissions import Scope
from pilot.database import Database
from pilot.network.model import Region, Store
from pilot.network.service import set_up_network
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.lake import Lake
from pilot.outcomes.phases import phases_now
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.builders import a_user
from tests.survival.warm import Process, WarmProcess

STORES = ("S1", "S2", "S3", "S4", "S5")
ADMIN = "admin@example.org"
_START_SECONDS = 120.0


@dataclass
class Shop:
    """A home (and a server's database): what the test asks of it, and the processes that it runs."""

    settings: Settings
    secret: str
    drain_seconds: float = 0.2
    processes: list[Process] = field(default_factory=list)

    @classmethod
    def open(cls, home: Path, database_url: str | None) -> "Shop":
        """A migrated installation with a network, an administrator and a key that may send receipts."""
        settings = Settings(home=home, database_url=database_url, json_logs=False)
        database = Database(settings)
        migrating.upgrade(database)
        now = settings.now()
        with database.unit_of_work() as session:
            admin = a_user(session, Role.ADMIN, email=ADMIN)
            set_up_network(
                session, name="Shop", currency="EUR", timezone="Europe/Helsinki", cutoff_hour=3, actor=admin, now=now
            )
            session.add(Region(id=1, code="R", name="Region"))
            session.flush()
            session.add_all(
                Store(id=number, code=code, name=code, region_id=1) for number, code in enumerate(STORES, start=1)
            )
            scopes = [Scope.RECEIPTS_WRITE]
            _, secret = create_api_key(
                session, name="Tills", scopes=scopes, store_codes=[], expires_at=None, actor=admin, now=now
            )
        database.dispose()
        return cls(settings, secret)

    def run(self, *command: str, log: str = "") -> "subprocess.Popen[bytes]":
        """Start ``pilot …``; what it says goes to ``logs/``."""
        return self.run_program([sys.executable, "-m", "pilot.cli", *command], log or command[0])

    def run_program(self, command: Sequence[str], log: str = "other") -> "subprocess.Popen[bytes]":
        """Start a program in this installation and in a process group of its own."""
        with self._log(log).open("ab") as out:
            process = subprocess.Popen(command, env=self._environment(), stdout=out, stderr=out, start_new_session=True)
        self.processes.append(process)
        return process

    def start(self, *command: str) -> WarmProcess:
        """Start ``pilot …`` like ``run``, without the time that imports take."""
        process = WarmProcess(command, self._environment(), self._log(command[0]))
        self.processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("PILOT_")},
            "PILOT_HOME": str(self.settings.home),
            "PILOT_DRAIN_SECONDS": str(self.drain_seconds),
            **({"PILOT_DATABASE_URL": self.settings.database_url} if self.settings.database_url else {}),
        }

    def _log(self, name: str) -> Path:
        logs = self.settings.home / "logs"
        logs.mkdir(exist_ok=True)
        return logs / f"{name}.log"

    def serve(self, workers: int = 2) -> "Server":
        port = free_port()
        server = Server(self.run("serve", "--port", str(port), "--workers", str(workers), "--threads", "2"), port)
        wait_until(server.answers, "the server")
        return server

    def worker(self) -> Process:
        """It is at work some moments later: who waits for one of its phases waits for that too."""
        return self.start("worker")

    def wait_for_work(self, worker: Process, seconds: float = 120.0) -> None:
        """Until the worker writes something for the first time: it has started, and there is load."""
        wait_until(lambda: bool(self.phases_of(worker.pid)), "the worker's first act", seconds, every=0.002)

    def phases_of(self, process: int) -> tuple[str, ...]:
        return phases_now(self.settings).get(process, ())

    def close(self) -> None:
        """End everything that was started here."""
        for process in self.processes:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stored(self) -> dict[tuple[int, str], list[tuple[str, int]]]:
        """By store and number (or id) what the lake has: id and amount of each receipt that counts in its store."""
        receipts = Lake(self.settings).receipts()
        receipts = receipts.filter(receipts.kind != "identification")  # it repeats another's amount
        receipts = receipts.select("store_id", "number", "receipt_id", "net_minor").to_pyarrow()
        found: dict[tuple[int, str], list[tuple[str, int]]] = {}
        for row in receipts.to_pylist():
            key = row["store_id"], row["number"] or row["receipt_id"]  # a correction has no number of its own
            found.setdefault(key, []).append((row["receipt_id"], row["net_minor"]))
        return found

    @contextmanager
    def inbox(self) -> Iterator[InboxDatabase]:
        opened = InboxDatabase(self.settings)
        try:
            yield opened
        finally:
            opened.dispose()


@dataclass(frozen=True, slots=True)
class Server:
    """gunicorn with its workers."""

    process: "subprocess.Popen[bytes]"
    port: int

    def answers(self) -> bool:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                answer.read()
            except OSError:
                return False
            return bool(answer.status == 200)

    def workers(self) -> list[int]:
        """The processes that answer."""
        with suppress(FileNotFoundError):
            return [
                int(pid)
                for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            ]
        return []


def kill(process: int, shop: Shop, inside: str = "") -> bool:
    """SIGKILL; with ``inside`` only while the process says that it is in this phase, as its marker proves afterwards.

    The process is stopped first, looked at, and killed or let go on: so the phase is that of the moment of the kill.
    """
    if inside:
        os.kill(process, signal.SIGSTOP)
        if inside not in shop.phases_of(process):
            os.kill(process, signal.SIGCONT)
            return False
    os.kill(process, signal.SIGKILL)
    if not inside:
        return True
    marker = shop.settings.locks_dir / f"phase-{process}"
    proven = inside in marker.read_text().split()
    marker.unlink()
    return proven


def strike(process: Process, shop: Shop, phase: str | None, seconds: float = 120.0) -> bool:
    """Kill the process, now or inside ``phase``; False where it ended before, or was never there in time."""
    if phase is not None:
        return kill_inside(process, shop, phase, seconds)
    if process.poll() is not None:
        return False
    kill(process.pid, shop)
    return process.wait() == -signal.SIGKILL


def kill_inside(process: Process, shop: Shop, phase: str, seconds: float = 120.0) -> bool:
    """Wait until the process is in ``phase`` and kill it there; False where that did not happen in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if phase in shop.phases_of(process.pid) and kill(process.pid, shop, phase):
            process.wait()
            return True
        time.sleep(0.001)
    return False


def wait_until(holds: Callable[[], bool], what: str, seconds: float = _START_SECONDS, every: float = 0.02) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {seconds:.0f} seconds")
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()
