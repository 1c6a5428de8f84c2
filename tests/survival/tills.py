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
_FACTS_EVERY = 5  # calls


@dataclass
class Sold:
    """An acknowledged receipt in its till's own book, with what was said about it since."""

    receipt: str
    store: str
    net: int
    customer: str | None
    is_final: bool = False  # nothing is said about it any more
    is_corrected: bool = False
    identified_by: str | None = None


@dataclass
class Tills:
    """Threads that send. ``acknowledged``: (store id, number) → (ids it was sent under, amount in minor units).

    A receipt's number on its till says which it is: a till that heard nothing may send the same one under a new id.
    ``books``: what each till says it sold, as corrected and identified since; every fifth call brings such facts.
    ``odd`` collects answers that no till should get.
    """

    port: int
    secret: str
    seed: int
    threads: int = 3
    receipts_a_call: int = 20
    months: int = 1
    acknowledged: dict[tuple[int, str], tuple[set[str], int]] = field(default_factory=dict)
    books: dict[int, list[Sold]] = field(default_factory=dict)
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
        book = self.books.setdefault(till, [])
        rows = [self._receipt(chance, till, call, n) for n in range(self.receipts_a_call)]
        if call % _FACTS_EVERY == _FACTS_EVERY - 1:
            rows += _facts(chance, book)
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
                    if "refers_to" not in row:  # what refers to another keeps its id
                        row["receipt"] = f"{row['receipt'].split('#')[0]}#{attempt}"
                        known.add(row["receipt"])
        bad = [said for said in answer.get("receipts", []) if said["status"] != "known"]
        with self._lock:
            self.odd += bad
            for row, known in zip(rows, ids, strict=True):
                if "net" in row:
                    self.acknowledged[STORES.index(row["store"]) + 1, row["number"]] = (known, minor(row["net"]))
        _write_down(book, rows, ids)

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
        is_return = chance.random() < 0.1
        known = {"customer": str(chance.randrange(1, 500))} if chance.random() < 0.7 else {}
        return {
            **known,
            "receipt": f"h{till}-{call}-{number}",
            "store": STORES[till % len(STORES)],
            "till": str(till),
            "number": f"c{call}-{number}",
            "at": f"{day.isoformat()} {8 + chance.randrange(12):02d}:{chance.randrange(60):02d}",
            "kind": "return" if is_return else "sale",
            "net": f"{'-' if is_return else ''}{chance.randrange(100, 20_000) / 100:.2f}",
        }


def _facts(chance: random.Random, book: list[Sold]) -> list[dict[str, str]]:
    """Corrections and late identifications of what is in the book; of some receipts both, in one call or in two."""
    at = f"{today() - timedelta(days=1)} 21:00"
    facts, open_ones = [], [sold for sold in book if not sold.is_final]
    for sold in chance.sample(open_ones, min(len(open_ones), 6)):
        said = {"store": sold.store, "at": at, "refers_to": sold.receipt}
        if not sold.is_corrected and chance.random() < 0.7:
            change = chance.randrange(1, abs(sold.net) // 3)  # of either sign; it turns no sale into a return
            net = f"{'-' if chance.random() < 0.5 else ''}{change / 100:.2f}"
            name = f"k-{sold.receipt}"
            facts.append({**said, "receipt": name, "number": name, "kind": "correction", "net": net})
        if sold.customer is None and chance.random() < 0.7:
            who = str(chance.randrange(1, 500))
            facts.append({**said, "receipt": f"i-{sold.receipt}", "kind": "identification", "customer": who})
    chance.shuffle(facts)
    return facts


def _write_down(book: list[Sold], rows: list[dict[str, str]], ids: list[set[str]]) -> None:
    """What was acknowledged. Of a receipt sent under several ids it is not known which is stored: it is final."""
    by_id = {sold.receipt: sold for sold in book}
    for row, known in zip(rows, ids, strict=True):
        if row["kind"] == "correction":
            by_id[row["refers_to"]].net += minor(row["net"])
            by_id[row["refers_to"]].is_corrected = True
        elif row["kind"] == "identification":
            by_id[row["refers_to"]].customer = row["customer"]
            by_id[row["refers_to"]].identified_by = row["receipt"]
        else:
            book.append(Sold(row["receipt"], row["store"], minor(row["net"]), row.get("customer"), len(known) > 1))


def minor(money: str) -> int:
    return int(money.replace(".", ""))


def today() -> date:
    return datetime.now(UTC).date()
