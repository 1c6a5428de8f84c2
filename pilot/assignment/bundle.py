"""Bundles: everything one store's till needs to answer by itself until the bundle expires, signed.

A bundle holds no rule and no attribute: the answers that this store gives on the coming days, classes of customers
(which answer on which day), and salted hashes of the ids in each class. Whom nobody knows, and whoever gets the same as
they do, is not in it.
"""

import gzip
import json
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from pilot.assignment.answers import Verdict
from pilot.assignment.crowd import Crowd, read_crowd
from pilot.assignment.errors import BundlesBeingMade
from pilot.assignment.keeping import Head, Kept
from pilot.assignment.people import Person
from pilot.assignment.signing import FORMAT, salt, signed
from pilot.assignment.snapshot import Place
from pilot.assignment.till import Till
from pilot.database import Database
from pilot.settings import Settings
from pilot.words import speaking

VALID = timedelta(hours=72)  # from the beginning of a day (UTC): two to three days from when a till fetches it
SLOT_SECONDS = 86_400
_MOST_BYTES = 64_000_000  # of packed bundles kept in a process; of the others only what names their content
_PATIENCE = 2.0  # seconds: whoever comes while everybody is being read hears that they may come again


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signed bundle, packed by gzip. ``content`` names what it says, whatever its version."""

    version: int
    content: str
    packed: bytes

    @property
    def text(self) -> bytes:
        """The signature's line and the payload."""
        return gzip.decompress(self.packed)


class Bundler:
    """The bundles of one installation in one process, made when asked for and kept while they say what is so.

    Who there is, is read once a day and whenever a draw came into force; all stores share it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._crowd: tuple[Hashable, Crowd] | None = None
        self._said: dict[str, tuple[Kept, int, str]] = {}
        self._made: OrderedDict[str, Bundle] = OrderedDict()

    def content(self, kept: Kept, store: str, *, now: datetime) -> str | None:
        """The content that a store's bundle has now; None where it must be made to know."""
        said = self._said.get(store)
        return said[2] if said is not None and said[0] is kept and said[1] == _slot(now) else None

    def bundle(self, kept: Kept, head: Head, store: str, *, now: datetime) -> Bundle:
        """The bundle of a store. The version only grows: with every entry of the log and with every day.

        Raises ``NotFound`` for an unknown store, and ``BundlesBeingMade``.
        """
        place, slot = kept.snapshot.place(store), _slot(now)
        if not self._lock.acquire(timeout=_PATIENCE):
            raise BundlesBeingMade
        try:
            made = self._made.get(store)
            if made is None or made.content != self.content(kept, store, now=now):
                made = self._make(kept, head, place, slot)
            self._said[store] = (kept, slot, made.content)
            self._keep(store, made)
            return made
        finally:
            self._lock.release()

    def _make(self, kept: Kept, head: Head, place: Place, slot: int) -> Bundle:
        settings = self._database.settings
        document = payload(kept, place, self._people(kept, slot), slot, settings)
        content = sha256(_text(document)).hexdigest()
        version = head[0] + slot * SLOT_SECONDS // 3600
        text = _text({**document, "content": content, "version": version})
        return Bundle(version, content, gzip.compress(signed(settings, text), 1, mtime=0))

    def _keep(self, store: str, bundle: Bundle) -> None:
        self._made[store] = bundle
        self._made.move_to_end(store)
        while len(self._made) > 1 and sum(len(one.packed) for one in self._made.values()) > _MOST_BYTES:
            self._made.popitem(last=False)

    def _people(self, kept: Kept, slot: int) -> Crowd:
        snapshot = kept.snapshot
        key = (slot, tuple(case.drawn.id for case in snapshot.cases), tuple(code for code, _ in snapshot.rolled_out))
        if self._crowd is None or self._crowd[0] != key:
            with self._database.reading() as session:
                self._crowd = (key, read_crowd(session, snapshot, salt(self._database.settings, slot)))
        return self._crowd[1]


def _slot(now: datetime) -> int:
    return int(now.timestamp()) // SLOT_SECONDS


def payload(kept: Kept, place: Place, crowd: Crowd, slot: int, settings: Settings) -> dict[str, Any]:
    """What a bundle says, but for its version."""
    import numpy as np

    snapshot = kept.snapshot
    issued_at = datetime.fromtimestamp(slot * SLOT_SECONDS, UTC)
    expires_at = issued_at + VALID
    first, last = snapshot.day(place, issued_at), snapshot.day(place, expires_at)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    tills = [Till(snapshot, place, day) for day in days]
    book = _Book(settings.language)
    nobody = book.class_of(tills, None)
    class_of_kind = np.array([book.class_of(tills, person) for person in crowd.kinds], dtype=np.int32)
    class_of = class_of_kind[crowd.kind_of] if crowd.kinds else crowd.kind_of
    people = [
        [number, b64encode(crowd.hashes[class_of == number].astype(">u8").tobytes()).decode("ascii")]
        for number in range(len(book.classes))
        if number != nobody
    ]
    return {
        "format": FORMAT,
        "store": place.code,
        "issued_at": _instant(issued_at),
        "expires_at": _instant(expires_at),
        "salt": salt(settings, slot).hex(),
        "days": [
            {"date": day.isoformat(), "from": _instant(begin_of(day, place, snapshot.cutoff_hour))} for day in days
        ],
        "answers": book.answers,
        "classes": [list(places) for places in book.classes],
        "nobody": nobody,
        "people": [group for group in people if group[1]],
    }


def begin_of(day: date, place: Place, cutoff_hour: int) -> datetime:
    """The first instant of a store's business day, in UTC."""
    return datetime.combine(day, time(cutoff_hour), ZoneInfo(place.zone)).astimezone(UTC)


class _Book:
    """Answers and classes, each written once, numbered in the order in which they come."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._answer_by_text: dict[str, int] = {}
        self._class_by_places: dict[tuple[int, ...], int] = {}
        self._seen: dict[Verdict, int] = {}
        self.answers: list[dict[str, Any]] = []

    @property
    def classes(self) -> list[tuple[int, ...]]:
        return list(self._class_by_places)

    def class_of(self, tills: list[Till], person: Person | None) -> int:
        places = tuple([self._answer(till.verdict(person)) for till in tills])
        return self._class_by_places.setdefault(places, len(self._class_by_places))

    def _answer(self, verdict: Verdict) -> int:
        number = self._seen.get(verdict)
        if number is None:
            with speaking(self._language):
                document = verdict.to_document()
            number = self._answer_by_text.setdefault(json.dumps(document, sort_keys=True), len(self.answers))
            if number == len(self.answers):
                self.answers.append(document)
            self._seen[verdict] = number
        return number


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
