"""Write ``vectors.json``: a signed bundle with answers that a till in any language must give, and ones it must refuse.

    python clients/python/make_vectors.py > clients/python/vectors.json

The key of these examples is made from the bytes 0 to 31; nobody may trust it.
"""

import base64
import hashlib
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SALT = bytes(range(16))
CLASSES = [[0, 0], [1, 1], [2, 3], [4, 4]]
MEMBERS = {1: ["H0039", "карта 7"], 2: ["H0040", "4012888888881881"], 3: ["H0041"]}
OFFER = {
    "code": "card.points.all", "mechanic": "cumulative_bonus", "name": "Two per cent back",
    "terms": {"earn_share": "0.02", "redeem_share": "0.5"},
}  # fmt: skip


def main() -> int:
    """Print the vectors."""
    questions = [
        {"customer": customer, "at": at, **_expected(customer, day)}
        for customer in (None, "stranger", "H0039", "карта 7", "H0040", "4012888888881881", "H0041")
        for at, day in (("2026-03-20T12:30:00Z", 0), ("2026-03-20T21:59:59Z", 0), ("2026-03-20T22:00:00Z", 1))
    ]
    good = _bundle()
    refused = [
        {"code": "tampered", "at": "2026-03-20T12:30:00Z", "bundle": good.replace("points", "pointz", 1)},
        {"code": "expired", "at": "2026-03-22T12:00:00Z", "bundle": good},
        {"code": "not_yet", "at": "2026-03-20T10:59:59Z", "bundle": good},
        {"code": "of_another_store", "at": "2026-03-20T12:30:00Z", "bundle": _bundle(store="S2")},
        {"code": "unreadable", "at": "2026-03-20T12:30:00Z", "bundle": good.replace("-bundle-1", "-bundle-9", 1)},
    ]
    public = KEY.public_key().public_bytes_raw().hex()
    vectors = {"public_key": public, "store": "S1", "bundle": good, "questions": questions, "refused": refused}
    sys.stdout.write(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")
    return 0


def _expected(customer: str | None, day: int) -> dict[str, Any]:
    number = next((number for number, members in MEMBERS.items() if customer in members), 0)
    answer = _answers()[CLASSES[number][day]]
    return {"variant": answer["variant"], "reason_code": answer["reason_code"]}


def _answers() -> list[dict[str, Any]]:
    def answer(code: str, variant: str | None, offer: Any = None, until: str | None = None) -> dict[str, Any]:
        words = f"Because of “{code}”."
        return {"offer": offer, "pilot": "points", "reason": words, "reason_code": code, "valid_until": until,
                "variant": variant}  # fmt: skip

    return [
        answer("not_recognised", None),
        answer("customer", "points", OFFER, "2026-05-04"),
        answer("not_started", None),
        answer("customer", "control"),
        answer("not_in_segment", None),
    ]


def _bundle(store: str = "S1") -> str:
    document = {
        "format": "pilot-bundle-1", "store": store, "version": 492782, "content": "0" * 64,
        "issued_at": "2026-03-20T12:00:00Z", "expires_at": "2026-03-22T12:00:00Z", "salt": SALT.hex(),
        "days": [{"date": "2026-03-20", "from": "2026-03-19T22:00:00Z"},
                 {"date": "2026-03-21", "from": "2026-03-20T22:00:00Z"}],
        "answers": _answers(), "classes": CLASSES, "nobody": 0,
        "people": [[number, base64.b64encode(b"".join(sorted(map(_hash, members)))).decode()]
                   for number, members in MEMBERS.items()],
    }  # fmt: skip
    payload = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    public = KEY.public_key().public_bytes_raw()
    key_id, signature = hashlib.sha256(public).hexdigest()[:16], base64.b64encode(KEY.sign(payload)).decode()
    return f"pilot-bundle-1 {key_id} {signature}\n{payload.decode()}"


def _hash(external_id: str) -> bytes:
    return hashlib.sha256(SALT + external_id.encode()).digest()[:8]


if __name__ == "__main__":
    sys.exit(main())
