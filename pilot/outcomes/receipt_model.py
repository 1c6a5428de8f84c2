"""The receipt as the API takes it: a strict model made from the rule table of the files, and its way into that table.

The model says what a receipt may look like (names, types, what is required); whether a value can be is decided by the
rules alone (``check_batch``), so that a file and the API accept and reject alike.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr, create_model
from pydantic import Field as ModelField

from pilot.imports.mapping import FileMapping
from pilot.imports.reader import LINE_COLUMN
from pilot.imports.rules import Field
from pilot.imports.times import Instant
from pilot.imports.values import Choice, Count, Money
from pilot.outcomes.receipt_rules import RECEIPTS

# As long as a text may be before it is a mistake of the sender: what is longer than an id is refused row by row.
LONGEST_TEXT = 500
LARGEST_COUNT = 999_999_999
API_MAPPING = FileMapping({f.name: f.name for f in RECEIPTS.fields})

_EXAMPLES: Mapping[str, Any] = {
    "receipt": "R-2026-000123",
    "store": "31",
    "at": "2026-01-10T09:00:00+02:00",
    "net": "12.50",
    "till": "1",
    "number": "4711",
    "kind": "sale",
    "refers_to": "R-2026-000045",
    "customer": "C-101",
    "vat": "2.50",
    "discount": "0.00",
    "cost": "7.10",
    "reward": "0.12",
    "n_items": 3,
    "offer": "WELCOME",
}


class _Receipt(BaseModel):
    """One receipt. Ids and codes are the sender's own; what a receipt refers to is named by the sender's ids."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


@lru_cache(maxsize=1)
def receipt_model() -> type[BaseModel]:
    """The model: texts for ids, ISO instants and amounts (decimal texts in major units), integers for counts.

    Unknown fields are refused.
    """
    fields: dict[str, Any] = {field.name: _described(field) for field in RECEIPTS.fields}
    return create_model("Receipt", __base__=_Receipt, __doc__=_Receipt.__doc__, **fields)


def receipt_texts(receipts: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Receipts of the model (as dictionaries) as the texts that ``check_batch`` takes; ``line`` is the index."""
    columns: dict[str, Any] = {LINE_COLUMN: pa.array(range(len(receipts)), pa.int64())}
    for field in RECEIPTS.fields:
        values = [receipt.get(field.name) for receipt in receipts]
        if isinstance(field.holds, Count):
            values = [None if value is None else str(value) for value in values]
        columns[field.name] = pa.array(values, pa.string())
    return pa.table(columns)


def _described(field: Field) -> tuple[Any, Any]:
    """The annotation and the JSON schema of a field."""
    is_required = field.is_required and not field.is_rule_bound
    extra: dict[str, Any] = {"description": _description(field), "examples": [_EXAMPLES[field.name]]}
    if isinstance(field.holds, Count):
        kind: Any = StrictInt
        extra |= {"ge": -LARGEST_COUNT, "le": LARGEST_COUNT}
    else:
        kind = StrictStr
        extra["max_length"] = LONGEST_TEXT
    return (kind, ModelField(**extra)) if is_required else (kind | None, ModelField(default=None, **extra))


def _description(field: Field) -> str:
    holds = field.holds
    if isinstance(holds, Money):
        return f"{field.label}: a decimal text in major units, at most twelve digits before the point, such as 12.50"
    if isinstance(holds, Instant):
        return f"{field.label}: ISO 8601 with an offset or Z; without one it is the local time of the store"
    if isinstance(holds, Choice):
        return (
            f"{field.label}: {', '.join(sorted(set(holds.words.values())))}; without it the sign of the amount decides"
        )
    return field.label
