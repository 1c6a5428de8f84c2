"""The clients of the soak: tills that send, a folder that fills, tills that ask; each with its own list of what it did.

A client writes two files: ``<name>.samples`` (when, how long) and ``<name>.kept`` (receipt id, net): only what was
acknowledged, or dropped as a whole file. Nothing of what the server says about itself is believed.
"""

import csv
import http.client
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TextIO

import numpy as np
import orjson

SIZE = 500
FILE_RECEIPTS, FILE_EVERY_SECONDS = 2_000, 20.0
REPEAT_EVERY = 25  # so often a till sends a call again, with another Idempotency-Key
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Till:
    """Where a client sends to, as whom, and for which stores and customers."""

    folder: Path
    port: int
    secret: str
    stores: Sequence[str]
    customers: Sequence[str]
    noon: datetime

    @property
    def drop(self) -> Path:
        return self.folder / "drop"


class Diary:
    """The two files of one client."""

    def __init__(self, till: Till, name: str) -> None:
        self._samples: TextIO = (till.folder / f"{name}.samples").open("a", encoding="ascii", buffering=1)
        self._kept: TextIO = (till.folder / f"{name}.kept").open("a", encoding="ascii", buffering=1)

    def took(self, seconds: float) -> None:
        self._samples.write(f"{time.time():.3f}\t{seconds:.6f}\n")

    def keep(self, receipts: Sequence[dict[str, str]]) -> None:
        self._kept.write("".join(f"{receipt['receipt']}\t{receipt['net']}\n" for receipt in receipts))


def send(till: Till, name: str, every_seconds: float, stop: Event) -> None:
    """Batches of 500 at a steady pace; 429 is obeyed, and the same call made again."""
    diary, connection = Diary(till, name), http.client.HTTPConnection("127.0.0.1", till.port, timeout=120)
    for number in _paced(every_seconds, stop):
        receipts = make_receipts(till, f"{name}-{number}", SIZE)
        body = orjson.dumps({"receipts": receipts})
        for attempt in range(2 if number % REPEAT_EVERY == REPEAT_EVERY - 1 else 1):
            answer, seconds = _post(connection, till, body, f"{name}-{number}-{attempt}")
            diary.took(seconds)
            assert answer["known" if attempt else "accepted"] == SIZE, answer
        diary.keep(receipts)


def ask(till: Till, name: str, every_seconds: float, stop: Event) -> None:
    """Look-ups of customers in stores."""
    rng = np.random.default_rng(1)
    diary, connection = Diary(till, name), http.client.HTTPConnection("127.0.0.1", till.port, timeout=120)
    for _ in _paced(every_seconds, stop):
        customer, store = (values[int(rng.integers(len(values)))] for values in (till.customers, till.stores))
        began = time.perf_counter()
        target = f"/api/v1/assignments?customer={customer}&store={store}"
        connection.request("GET", target, headers={"Authorization": f"Bearer {till.secret}"})
        answer = connection.getresponse()
        said = answer.read()
        diary.took(time.perf_counter() - began)
        assert answer.status == 200, said


def drop(till: Till, name: str, every_seconds: float, stop: Event) -> None:
    """Files into the drop folder; how long each takes until it lies in ``done``."""
    diary = Diary(till, name)
    for number in _paced(every_seconds, stop):
        receipts = make_receipts(till, f"{name}-{number}", FILE_RECEIPTS)
        file = till.drop / f"{name}-{number}.csv"
        partial = till.folder / f"{name}.partial"
        partial.write_text(csv_text(receipts), "utf-8")
        began = time.perf_counter()
        partial.rename(file)
        diary.keep(receipts)
        while not list((till.drop / "done").glob(f"*{file.stem}*.csv")):
            assert not list((till.drop / "rejected").glob("*")), "a file was rejected"
            time.sleep(_POLL_SECONDS)
        diary.took(time.perf_counter() - began)


def make_receipts(till: Till, prefix: str, n: int) -> list[dict[str, str]]:
    """Receipts that nobody has sent before: their ids and numbers begin with ``prefix``."""
    rng = np.random.default_rng(abs(hash(prefix)) % 2**32)
    stores, customers = rng.integers(len(till.stores), size=n), rng.integers(len(till.customers), size=n)
    seconds, net = rng.integers(0, 6 * 3600, n).tolist(), rng.lognormal(7.4, 0.9, n).astype(int).tolist()
    return [
        {
            "receipt": f"{prefix}-{row}",
            "store": till.stores[int(stores[row])],
            "till": "1",
            "number": f"{prefix}-{row}",
            "at": (till.noon + timedelta(seconds=seconds[row])).isoformat(),
            "customer": till.customers[int(customers[row])],
            "net": f"{net[row] // 100}.{net[row] % 100:02d}",
        }
        for row in range(n)
    ]


def csv_text(receipts: Sequence[dict[str, str]]) -> str:
    """A file of ``receipts``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(receipts[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(receipts)
    return text.getvalue()


def _post(connection: http.client.HTTPConnection, till: Till, body: bytes, key: str) -> tuple[dict[str, int], float]:
    headers = {"Authorization": f"Bearer {till.secret}", "Content-Type": "application/json", "Idempotency-Key": key}
    while True:
        began = time.perf_counter()
        connection.request("POST", "/api/v1/receipts", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status == 429:
            time.sleep(float(answer.headers["Retry-After"]))
            continue
        assert answer.status == 202, said[:300]
        return orjson.loads(said), time.perf_counter() - began


def _paced(every_seconds: float, stop: Event) -> Iterator[int]:
    """0, 1, 2 … at a steady pace until ``stop``; what is late is not caught up with."""
    number, due = 0, time.monotonic()
    while not stop.is_set():
        yield number
        number += 1
        due = max(due + every_seconds, time.monotonic())
        stop.wait(max(due - time.monotonic(), 0.0))


Client = Callable[[Till, str, float, Event], None]
CLIENTS: dict[str, tuple[Client, float]] = {
    "till-1": (send, 0.5),
    "till-2": (send, 0.5),
    "asking": (ask, 0.02),
    "files": (drop, FILE_EVERY_SECONDS),
}


@contextmanager
def clients(till: Till) -> Iterator[Event]:
    """All clients at work while the block lasts, each in a process of its own; any that fails is an error."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    stop = context.Event()
    processes = [
        context.Process(target=client, args=(till, name, pace, stop), name=name)
        for name, (client, pace) in CLIENTS.items()
    ]
    for process in processes:
        process.start()
    try:
        yield stop
    finally:
        stop.set()
        for process in processes:
            process.join(120)
            if process.exitcode is None:
                process.kill()
    failed = [process.name for process in processes if process.exitcode != 0]
    assert not failed, f"these clients failed: {', '.join(failed)}"
