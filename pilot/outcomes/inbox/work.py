"""A checked call on its way into the inbox: its keys, what it turned out to repeat, and the rows that it becomes."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilot.canonical import canonical_text
from pilot.imports.arrow import column, pc
from pilot.imports.reader import LINE_COLUMN
from pilot.imports.typed import written
from pilot.outcomes.inbox.checking import CheckedCall
from pilot.outcomes.inbox.key_window import Hashes, day_number, hashes_of
from pilot.outcomes.inbox.model import BatchState
from pilot.outcomes.inbox.originals import KNOWN, Original, Originals

Lines = npt.NDArray[np.int64]


class Verdict(StrEnum):
    """What became of a receipt that was not plainly accepted."""

    KNOWN = "known"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: texts of receipts by field (``line`` is the index); ``store_codes`` of the key; none: all."""

    texts: pa.Table
    key_code: str
    body_hash: str
    now: datetime
    store_codes: Sequence[str] = ()
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The stored answer. ``verdicts``: (index, status, reason, field) of what is not plainly accepted."""

    batch_id: str
    n_accepted: int
    n_known: int
    n_conflict: int
    n_rejected: int
    n_quarantined: int
    verdicts: Sequence[Sequence[Any]]
    replayed: bool = False

    @classmethod
    def stored(cls, batch: Mapping[Any, Any], *, replayed: bool = False) -> "Accepted":
        """The answer that a row of the batches holds."""
        names = ("batch_id", "n_accepted", "n_known", "n_conflict", "n_rejected", "n_quarantined", "verdicts")
        return cls(**{name: batch[name] for name in names}, replayed=replayed)


@dataclass(frozen=True, slots=True)
class Work:
    """A checked call on its way: ``hashes`` are the sorted keys of its receipts, ``lines`` and ``days`` whose."""

    checked: CheckedCall
    staged: pa.Table
    hashes: Hashes
    lines: Lines
    days: Lines
    told: Mapping[int, Original]
    texts: Mapping[int, dict[str, str]]

    @classmethod
    def of(cls, call: Call, checked: CheckedCall) -> "Work":
        """The keys of every good receipt, and of every parked one its whole text; repeats inside the call are told."""
        texts = {index: _texts_of(call.texts, index) for index in checked.parked}
        keys, lines, days = _keys_of(checked.staged)
        if texts:
            parked = _keys_of_parked(texts)
            keys += parked
            lines = np.concatenate([lines, list(texts)])
            days = np.concatenate([days, [day_number(call.now.date())] * len(parked)])
        hashes = hashes_of(keys)
        order = np.argsort(hashes)  # in order they are looked up faster, and stored
        hashes = hashes[order]
        work = cls(checked, checked.staged, hashes, lines[order], days[order], {}, texts)
        return work.without(_repeats(work.rows(), texts)) if (hashes[1:] == hashes[:-1]).any() else work

    def rows(self) -> list[dict[str, Any]]:
        """The good receipts as rows."""
        found: list[dict[str, Any]] = self.staged.to_pylist()
        return found

    def without(self, told: Mapping[int, Original]) -> "Work":
        """The same without the receipts that arrived before."""
        if not told:
            return self
        gone = np.array(sorted(told), np.int64)
        kept = ~np.isin(self.lines, gone)
        staged = self.staged.filter(pc.invert(pc.is_in(column(self.staged, "line"), value_set=pa.array(gone))))
        return replace(
            self,
            staged=staged,
            hashes=self.hashes[kept],
            lines=self.lines[kept],
            days=self.days[kept],
            told={**self.told, **told},
            texts={index: row for index, row in self.texts.items() if index not in told},
        )

    def batch(self, call: Call) -> dict[str, Any]:
        """The row of the batch, with its answer."""
        parked = {index: found for index, found in self.checked.parked.items() if index in self.texts}
        told = {True: Verdict.KNOWN, False: Verdict.CONFLICT}
        verdicts: list[list[Any]] = [
            *([i, Verdict.REJECTED, found.reason.to_dict(), found.field] for i, found in self.checked.rejected.items()),
            *([i, Verdict.QUARANTINED, found.reason.to_dict(), found.field] for i, found in parked.items()),
            *([i, told[original.is_known], original.reason.to_dict(), None] for i, original in self.told.items()),
        ]
        n_accepted = len(self.staged) + len(self.texts)
        return {
            "batch_id": secrets.token_hex(16),
            "key_code": call.key_code,
            "idempotency_key": call.idempotency_key,
            "body_hash": call.body_hash,
            "received_at": call.now,
            "state": (BatchState.WAITING if n_accepted else BatchState.DRAINED).value,
            "drained_at": None if n_accepted else call.now,
            "n_accepted": n_accepted,
            "n_known": sum(original.is_known for original in self.told.values()),
            "n_conflict": sum(not original.is_known for original in self.told.values()),
            "n_rejected": len(self.checked.rejected),
            "n_quarantined": len(self.texts),
            "store_codes": self._stores(call.texts),
            "verdicts": sorted(verdicts, key=lambda verdict: verdict[0]),
        }

    def _stores(self, texts: pa.Table) -> list[str]:
        """The codes of the stores whose receipts are taken in."""
        stores = column(texts, "store")
        if len(self.staged) < len(stores):
            stores = stores.take(
                pa.concat_arrays([column(self.staged, "line"), pa.array(list(self.texts), pa.int64())])
            )
        codes: list[Any] = stores.unique().to_pylist()
        return sorted({code.strip() for code in codes})

    def parked_rows(self, call: Call, batch_id: str) -> list[dict[str, Any]]:
        """The implausible receipts, to wait for a person."""
        return [
            {
                "batch_id": batch_id,
                "line": index,
                "receipt_id": row["receipt"].strip(),
                "field": self.checked.parked[index].field,
                "row": row,
                "reason": self.checked.parked[index].reason.to_dict(),
            }
            for index, row in self.texts.items()
        ]


def _keys_of(staged: pa.Table) -> tuple[list[bytes], Lines, Lines]:
    """Both keys of every receipt, their lines and business days; without a number there is only the id."""
    text, number = pa.string(), column(staged, "number")
    dates = column(staged, "business_date").cast(pa.int32())
    by_id = pc.binary_join_element_wise("i", column(staged, "receipt_id"), "")
    store = pc.binary_join_element_wise("n", column(staged, "store_id").cast(text), "")
    by_number = pc.binary_join_element_wise(store, column(staged, "till"), number, dates.cast(text), "\x1f")
    lines, days = column(staged, "line").to_numpy(), dates.to_numpy().astype(np.int64)
    has_number: Any = slice(None)
    if number.null_count:
        by_number, has_number = by_number.drop_null(), number.is_valid().to_numpy(zero_copy_only=False)
    keys: list[bytes] = pa.concat_arrays([by_id, by_number]).cast(pa.binary()).to_pylist()
    return keys, np.concatenate([lines, lines[has_number]]), np.concatenate([days, days[has_number]])


def _keys_of_parked(texts: Mapping[int, dict[str, str]]) -> list[bytes]:
    """The key of an implausible receipt is its whole text: corrected and sent again, it is another one."""
    return [f"p{canonical_text(row)}".encode() for row in texts.values()]


def _texts_of(texts: pa.Table, index: int) -> dict[str, str]:
    """A receipt's texts by field, without the empty ones."""
    row = {name: written(column(texts, name).slice(index, 1))[0].as_py() for name in texts.column_names}
    return {name: text for name, text in row.items() if text and name != LINE_COLUMN}


def _repeats(rows: Iterable[Mapping[str, Any]], texts: Mapping[int, dict[str, str]]) -> dict[int, Original]:
    """What repeats an earlier receipt of the same call; the first of them counts."""
    told: dict[int, Original] = {}
    before = Originals()
    for row in rows:
        original = before.of(row)
        if original is None:
            before.add(row)
        else:
            told[row["line"]] = original
    seen: list[dict[str, str]] = []
    for line, text in texts.items():
        if text in seen:
            told[line] = Original(True, KNOWN)
        seen.append(text)
    return told
