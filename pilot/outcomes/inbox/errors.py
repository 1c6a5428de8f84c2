"""What the inbox refuses, one named error per rule."""

from pilot.errors import NotFound, Refused
from pilot.words import N_


class InboxIsFull(Refused):
    """HTTP 429 with ``Retry-After``: nothing of the call was taken, and nothing is lost when it is sent again."""

    code = "inbox_is_full"
    template = N_(
        "{waiting:,} receipts wait in the inbox, and this installation takes {limit:,}. "
        "Send the same call again in {seconds} seconds."
    )

    def __init__(self, *, waiting: int, limit: int, seconds: int) -> None:
        super().__init__(waiting=waiting, limit=limit, seconds=seconds)
        self.seconds = seconds


class IdempotencyKeyReused(Refused):
    code = "idempotency_key_reused"
    template = N_(
        "The Idempotency-Key “{key}” came before with another body. Nothing was taken; send this body under a new key."
    )


class NoSuchBatch(NotFound):
    code = "no_such_batch"
    template = N_("There is no batch “{batch}” that this key may see.")
