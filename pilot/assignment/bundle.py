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
from pilot.assignment.keeping import Head, Kept
from pilot.assignment.people import Person
from pilot.assignment.signing import FORMAT, salt, signed
from pilot.assignment.snapshot import Place
from pilot.assignment.till import Till
from pilot.database import Database
from pilot.settings import Settings
from pilot.words import speaking

VALID = timedelta(hours=48)
SLOT_SECONDS = 3600
_MOST_BUNDLES = 8


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

    Who there is, is read once an hour and whenever a draw came into force; all stores share it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._crowd: tuple[Hashable, Crowd] | None = None
        self._made: OrderedDict[str, tuple[Kept, int, Bundle]] = OrderedDict()

    def bundle(self, kept: Kept, head: Head, store: str, *, now: datetime) -> Bundle:
        """The bundle of a store. The version only grows: with every change of state and with every hour.

        Raises ``NotFound`` for an unknown store.
        """
        place, slot = kept.snapshot.place(store), int(now.timestamp()) // SLOT_SECONDS
        with self._lock:
            made = self._made.get(store)
            if made is not None and made[0] is kept and made[1] == slot:
                return made[2]
            settings = self._database.settings
            document = payload(kept, place, self._people(kept, slot), slot, settings)
            content = sha256(_text(document)).hexdigest()
            if made is not None and made[2].content == content:
                bundle = made[2]
            else:
                text = _text({**document, "content": content, "version": head[0] + slot})
                bundle = Bundle(head[0] + slot, content, gzip.compress(signed(settings, text), 6, mtime=0))
            self._made[store] = (kept, slot, bundle)
            self._made.move_to_end(store)
            if len(self._made) > _MOST_BUNDLES:
                self._made.popitem(last=False)
            return bundle

    def _people(self, kept: Kept, slot: int) -> Crowd:
        snapshot = kept.snapshot
        key = (slot, tuple(case.drawn.id for case in snapshot.cases), tuple(code for code, _ in snapshot.rolled_out))
        if self._crowd is None or self._crowd[0] != key:
            with self._database.reading() as session:
                self._crowd = (key, read_crowd(session, snapshot, salt(self._database.settings, slot)))
        return self._crowd[1]


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
