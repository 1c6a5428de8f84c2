"""How a call of receipts is named and answered, whichever way it came in."""

from collections.abc import Sequence
from typing import Any

import orjson

from pilot.outcomes.inbox.work import Accepted
from pilot.words import N_
from web.api.verdicts import verdict
from web.errors import BodyUnreadable
from web.metrics import RECEIPTS

TAKEN = "pilot.taken"  # in the environment of a call: what became of it, once it is on disk; it is not taken in again
_LONGEST_KEY = 255
_COUNTED = ("accepted", "known", "conflict", "rejected", "quarantined")


class IdempotencyKeyUnreadable(BodyUnreadable):
    code = "idempotency_key_unreadable"
    template = N_("An Idempotency-Key has 1 to 255 visible ASCII characters without spaces.")


def idempotency_key(given: str | None) -> str | None:
    """The key by which a repeated call is known; raises ``IdempotencyKeyUnreadable``."""
    if given is None:
        return None
    if not 1 <= len(given) <= _LONGEST_KEY or not all("!" <= character <= "~" for character in given):
        raise IdempotencyKeyUnreadable
    return given


def counts(batch: Any) -> dict[str, int]:
    """How many receipts of the call became what; the quarantined are among the accepted."""
    return {name: getattr(batch, f"n_{name}") for name in _COUNTED}


def count(accepted: Accepted) -> None:
    """Add a call to the metrics, unless it repeats one that was counted."""
    for name, n in counts(accepted).items():
        if n and not accepted.replayed:
            RECEIPTS.labels(name).inc(n)


def answer_body(accepted: Accepted, store_codes: Sequence[str]) -> bytes:
    """The answer's JSON, in the language that is being spoken. ``store_codes`` of the key; none: all stores."""
    told = [verdict(found, store_codes) for found in accepted.verdicts]
    return orjson.dumps({"batch_id": accepted.batch_id, **counts(accepted), "receipts": told})


def answer_headers(accepted: Accepted) -> list[tuple[str, str]]:
    """Where the batch can be followed, and whether the answer is an earlier one."""
    where = ("Location", f"/api/v1/batches/{accepted.batch_id}")
    return [where, ("Idempotency-Replayed", "true")] if accepted.replayed else [where]
