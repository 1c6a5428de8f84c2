"""Tills that keep their own list: each sends receipts over HTTP and repeats a call until it is answered."""

import json
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.survival.shop import STORES, as_json

_PAUSE_SECONDS = 0.1


@dataclass
class Tills:
    """Threads that send. ``acknowledged``: (store id, number) → (ids it was sent under, amount in minor units).

    A receipt's number on its till says which it is: a till that heard nothing may send the same one under a new id.
    ``odd`` collects answers that no till should get.
    """

    port: int
    secret: str
    seed: int
    threads: int = 3
    receipts_a_call: int = 20
    months: int = 1
    acknowledged: dict[tuple[int, str], tuple[set[str], int]] = field(default_factory=dict)
    odd: list[Any] = field(default_factory=list)
    retries: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for number in range(self.threads):
            thread = threading.Thread(target=self._send_on, args=(number,), daemon=True)
            thread.start()
            self._running.append(thread)

    def stop(self, seconds: float = 60.0) -> None:
        """Send what is not answered yet until it is, and end."""
        self._stop.set()
        for thread in self._running:
            thread.join(seconds)
            assert not thread.is_alive(), "a till never heard an answer"

    def _send_on(self, till: int) -> None:
        chance = random.Random(self.seed * 1_000 + till)
        call = 0
        while not self._stop.is_set():
            self._call(chance, till, call)
            call += 1
            time.sleep(_PAUSE_SECONDS)

    def _call(self, chance: random.Random, till: int, call: int) -> None:
        """One call, repeated like a till does: mostly the same, sometimes with a new key or with new ids."""
        rows = [self._receipt(chance, till, call, n) for n in range(self.receipts_a_call)]
        ids = [{row["receipt"]} for row in rows]
        key, attempt = f"t{till}-{call}", 0
        while (answer := self._post(rows, key)) is None:
            attempt += 1
            with self._lock:
                self.retries += 1
            time.sleep(0.05)
            turn = chance.random()
            if turn < 0.3:
                key = f"t{till}-{call}-{attempt}"
            if turn < 0.15:
                for row, known in zip(rows, ids, strict=True):
                    row["receipt"] = f"{row['receipt'].split('~')[0]}~{attempt}"
                    known.add(row["receipt"])
        bad = [said for said in answer.get("receipts", []) if said["status"] != "known"]
        with self._lock:
            self.odd += bad
            for row, known in zip(rows, ids, strict=True):
                self.acknowledged[STORES.index(row["store"]) + 1, row["number"]] = (known, minor(row["net"]))

    def _post(self, rows: list[dict[str, str]], key: str) -> dict[str, Any] | None:
        """The answer, or None where there was none, or one that says: again."""
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json", "Idempotency-Key": key}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/api/v1/receipts", as_json({"receipts": rows}), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        if answer.status == 202:
            found: dict[str, Any] = json.loads(body)
            return found
        if answer.status not in (429, 500, 502, 503):
            with self._lock:
                self.odd.append((answer.status, body[:300]))
        return None

    def _receipt(self, chance: random.Random, till: int, call: int, number: int) -> dict[str, str]:
        day = today() - timedelta(days=1 + chance.randrange(3) + 28 * chance.randrange(self.months))
        return {
            "receipt": f"h{till}-{call}-{number}",
            "store": STORES[till % len(STORES)],
            "till": str(till),
            "number": f"c{call}-{number}",
            "at": f"{day.isoformat()} {8 + chance.randrange(12):02d}:{chance.randrange(60):02d}",
            "net": f"{chance.randrange(1, 20_000) / 100:.2f}",
            "customer": str(chance.randrange(1, 500)),
        }


def minor(money: str) -> int:
    return int(money.replace(".", ""))


def today() -> date:
    return datetime.now(UTC).date()
