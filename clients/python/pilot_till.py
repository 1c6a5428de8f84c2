"""A till that answers offline: one file, Python 3.11 or later, nothing to install.

It fetches the signed bundle of its store, checks it, keeps the last good one on disk, and answers from that. Copy it,
or read it beside the guide for tills and write the same in the till's own language; ``vectors.json`` has examples.

    till = Till("S00320", "http://127.0.0.1:8000", secret, public_key="9f0c…", folder=Path("/var/lib/till"))
    till.refresh()                       # now and then, in the background; a failure leaves the last good bundle
    till.answer(customer="H0039")        # {"variant": …, "offer": …, "reason_code": …, …}, never an exception

Where the library ``cryptography`` is there, it checks the signature; otherwise the few lines below do, by RFC 8032.
"""

import base64
import bisect
import contextlib
import hashlib
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FORMAT = "pilot-bundle-1"
HASH_BYTES = 8
CLOCK_TOLERANCE = timedelta(hours=1)
MOST_BYTES = 512_000_000  # also after inflation
NOTHING = {"variant": None, "offer": None, "pilot": None, "valid_until": None}


class BundleRefused(Exception):
    """A bundle that a till must not answer from; ``code`` names the reason."""

    code = "refused"


class Unreadable(BundleRefused):
    """Not a bundle of a format that this client reads."""

    code = "unreadable"


class Tampered(BundleRefused):
    """The signature is not one of this key over exactly these bytes."""

    code = "tampered"


class KeyUnreadable(BundleRefused):
    """The public key that this till was given is none."""

    code = "key_unreadable"


class OfAnotherStore(BundleRefused):
    """A good bundle, of a store that is not this one."""

    code = "of_another_store"


class Older(BundleRefused):
    """Its version is lower than one that this till has had."""

    code = "older"


class Expired(BundleRefused):
    """Its time is over."""

    code = "expired"


class NotYet(BundleRefused):
    """It was issued later than this till's clock says that it is: the clock is wrong."""

    code = "not_yet"


class NoBundle(BundleRefused):
    """This till has never had a good one."""

    code = "no_bundle"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle. ``classes_of``: class → its salted hashes, sorted, one after the other."""

    document: dict[str, Any]
    classes_of: dict[int, bytes]

    @classmethod
    def read(cls, text: bytes, public_key: str, store: str) -> "Bundle":
        """Check the signature, then read. Raises a ``BundleRefused`` for whatever is wrong with it."""
        line, newline, payload = text.partition(b"\n")
        words = line.split(b" ")
        if not newline or len(words) != 3 or words[0] != FORMAT.encode():
            raise Unreadable("the first line is not that of a bundle")
        try:
            signature = base64.b64decode(words[2], validate=True)
        except ValueError:
            raise Tampered("the signature is not base64") from None
        try:
            public = bytes.fromhex(public_key)
        except ValueError:
            raise KeyUnreadable("the public key is not hexadecimal") from None
        if not is_signed(public, payload, signature):
            raise Tampered("the signature does not fit")
        document = json.loads(payload)
        if document["format"] != FORMAT:
            raise Unreadable(f"format {document['format']}")
        if document["store"] != store:
            raise OfAnotherStore(f"it is of {document['store']}")
        return cls(document, {number: base64.b64decode(hashes) for number, hashes in document["people"]})

    @property
    def version(self) -> int:
        return int(self.document["version"])

    def require_current(self, now: datetime) -> None:
        """Raises ``Expired`` and ``NotYet``."""
        if now >= datetime.fromisoformat(self.document["expires_at"]):
            raise Expired(f"it expired at {self.document['expires_at']}")
        if now < datetime.fromisoformat(self.document["issued_at"]) - CLOCK_TOLERANCE:
            raise NotYet(f"it was issued at {self.document['issued_at']}")

    def answer(self, external_id: str | None, now: datetime) -> dict[str, Any]:
        """What this customer gets (None: nobody recognised)."""
        number = self.document["nobody"] if external_id is None else self._class_of(external_id)
        begins = [datetime.fromisoformat(day["from"]) for day in self.document["days"]]
        day = max(0, bisect.bisect_right(begins, now) - 1)
        return dict(self.document["answers"][self.document["classes"][number][day]])

    def _class_of(self, external_id: str) -> int:
        salt = bytes.fromhex(self.document["salt"])
        try:
            wanted = hashlib.sha256(salt + external_id.encode()).digest()[:HASH_BYTES]
        except UnicodeEncodeError:  # half a character: nobody's id
            return int(self.document["nobody"])
        for number, hashes in self.classes_of.items():
            if _holds(hashes, wanted):
                return number
        return int(self.document["nobody"])


class Till:
    """One store's till. ``folder`` keeps the last good bundle and the highest version; ``clock`` gives the instant.

    The highest version has a file of its own, so that a damaged bundle does not let an older one in.
    """

    def __init__(
        self,
        store: str,
        address: str,
        secret: str,
        *,
        public_key: str,
        folder: Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = 30.0,
    ) -> None:
        if not address.startswith(("http://", "https://")):
            raise ValueError("the address begins with http:// or https://")
        self._store, self._address, self._secret = store, address.rstrip("/"), secret
        self._public_key, self._clock, self._timeout = public_key, clock, timeout
        name = hashlib.sha256(f"{public_key.lower()} {store}".encode()).hexdigest()[:16]
        self._file, self._floor_file = folder / f"{name}.bundle", folder / f"{name}.version"
        self._bundle: Bundle | None = None
        with contextlib.suppress(OSError, BundleRefused):  # none yet, or damaged: the next refresh brings one
            self._bundle = Bundle.read(self._file.read_bytes(), public_key, store)
        self._floor = self.version or 0
        with contextlib.suppress(OSError, ValueError):
            self._floor = max(self._floor, int(self._floor_file.read_text("ascii")))

    @property
    def version(self) -> int | None:
        """The version of the bundle at hand."""
        return self._bundle.version if self._bundle else None

    def refresh(self) -> bool:
        """Fetch a newer bundle; False where there is none. Raises ``BundleRefused`` or ``OSError``; the old stays."""
        text = self._fetch()
        if text is None:
            return False
        self.take(text)
        return True

    def take(self, text: bytes) -> None:
        """Take a bundle that came by any way, or refuse it by name; keep it on disk, whole or not at all."""
        bundle = Bundle.read(text, self._public_key, self._store)
        bundle.require_current(self._clock())
        if bundle.version < self._floor:
            raise Older(f"version {bundle.version} after {self._floor}")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        _write(self._file, text)
        _write(self._floor_file, str(bundle.version).encode())
        self._bundle, self._floor = bundle, bundle.version

    def answer(self, customer: str | None = None, *, card: str | None = None) -> dict[str, Any]:
        """The answer that the server gave for now. Where no good bundle is at hand: nothing new, sell as always."""
        external_id = customer if card is None else "".join(c for c in card if not c.isspace() and c != "-")
        now = self._clock()
        try:
            if self._bundle is None:
                raise NoBundle("none has come yet")
            self._bundle.require_current(now)
        except BundleRefused as refused:
            return {
                **NOTHING,
                "reason": f"Offline without a bundle: {refused}.",
                "reason_code": f"bundle_{refused.code}",
            }
        return self._bundle.answer(external_id, now)

    def _fetch(self) -> bytes | None:
        query = urllib.parse.urlencode({"store": self._store})
        headers = {"Authorization": f"Bearer {self._secret}", "Accept-Encoding": "gzip"}
        if self._bundle is not None:
            headers["If-None-Match"] = f'W/"{self._bundle.document["content"]}"'
        request = urllib.request.Request(f"{self._address}/api/v1/bundle?{query}", headers=headers)  # noqa: S310 - http(s) only, checked above
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310 - as above
                text: bytes = response.read(MOST_BYTES + 1)
                packed = response.headers.get("Content-Encoding") == "gzip"
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 304:
                    return None
                raise
        return unpacked(text) if packed else text


def unpacked(text: bytes) -> bytes:
    """What gzip packed; stops at ``MOST_BYTES``, however much the rest would be."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        found = unpacking.decompress(text, MOST_BYTES + 1)
    except zlib.error:
        raise Unreadable("it cannot be unpacked") from None
    if not unpacking.eof or unpacking.unused_data or len(found) > MOST_BYTES:
        raise Unreadable("it cannot be unpacked, or is too long")
    return found


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all."""
    fresh = file.with_suffix(f"{file.suffix}.fresh")
    with open(fresh, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(fresh, file)


def _holds(hashes: bytes, wanted: bytes) -> bool:
    """Whether ``wanted`` is one of the sorted hashes of eight bytes each."""
    low, high = 0, len(hashes) // HASH_BYTES
    while low < high:
        middle = (low + high) // 2
        found = hashes[middle * HASH_BYTES : (middle + 1) * HASH_BYTES]
        if found == wanted:
            return True
        low, high = (middle + 1, high) if found < wanted else (low, middle)
    return False


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is Ed25519 by ``public_key`` over ``message``."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return is_signed_by_hand(public_key, message, signature)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# Ed25519 by RFC 8032, section 6: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z. Only checking, so nothing
# here is secret and nothing needs to take constant time.
_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]


def is_signed_by_hand(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The same check in whole numbers alone; about a hundredth of a second."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    a, r, s = _point(public_key), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _Q:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % _Q
    left, right = _times(s, _base()), _sum(r, _times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (left[1] * right[2] - right[1] * left[2]) % _P == 0


def _sum(p: _Point, q: _Point) -> _Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        factor >>= 1
    return total


def _x(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0:
        return None if sign else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P:
        return None
    return _P - x if x & 1 != sign else x


def _point(text: bytes) -> _Point | None:
    number = int.from_bytes(text, "little")
    y = number & ((1 << 255) - 1)
    x = _x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % _P)


def _base() -> _Point:
    y = 4 * pow(5, _P - 2, _P) % _P
    x = _x(y, 0) or 0
    return x, y, 1, x * y % _P
