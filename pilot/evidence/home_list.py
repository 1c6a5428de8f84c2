"""The frozen home list as a table, and its customers' segments: a million people without a Python object each.

The ledger never changes, so the list is kept as a file of keys under the draw's hash in ``derived/homes``. It is a
cache, never the truth: any file may go at any moment. Attributes are read anew for each report, as they may change; a
rule is asked once for each combination of attributes that anybody has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from pilot.assignment.model import Draw, HomeEntry
from pilot.network.model import Customer
from pilot.planning.plan import Plan
from pilot.whole_files import whole_file

_ROWS = 100_000  # fetched at a time
_SCHEMA = pa.schema([("customer_key", pa.int64()), ("store_id", pa.int64())])


def frozen_homes(session: Session, draw: Draw, home: Path) -> pa.Table:
    """The home list that ``draw`` froze: customer_key, store_id, by key. ``home`` is the installation's folder."""
    file = home / "derived" / "homes" / f"{draw.ledger_hash}-{draw.id}.parquet"
    try:
        return pq.read_table(file, schema=_SCHEMA)
    except (FileNotFoundError, pa.ArrowInvalid):
        pass  # not kept yet, or broken: the ledger has it
    listed = select(HomeEntry.customer_key, HomeEntry.store_id).where(HomeEntry.draw_id == draw.id)
    found = pa.Table.from_batches(
        [
            pa.record_batch([pa.array(column, pa.int64()) for column in columns], schema=_SCHEMA)
            for columns in _columns(session, listed.order_by(HomeEntry.customer_key))
        ],
        _SCHEMA,
    )
    with whole_file(file) as partial:
        pq.write_table(found, partial)
    return found


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of every customer who was not forgotten.

    ``keys`` (n) in ascending order; ``texts`` the distinct attributes as JSON; ``places`` (n) whose is which.
    """

    keys: npt.NDArray[np.int64]
    texts: list[str]
    places: npt.NDArray[np.int64]


def segments_of(known: Attributes, plan: Plan, keys: npt.NDArray[np.int64], named: Sequence[str]) -> pa.Array[Any]:
    """(n) the segment of each customer among ``keys`` by the plan's sealed rules, null where it is not one of ``named``
    or the customer was forgotten."""
    place_of = {code: position for position, code in enumerate(named)}
    of_each = [place_of.get(plan.segment_for(json.loads(text)) or "", -1) for text in known.texts]
    of_text = np.array(of_each, dtype=np.int32)
    found = np.full(len(keys), -1, dtype=np.int32)
    if len(known.keys):
        at = np.minimum(np.searchsorted(known.keys, keys), len(known.keys) - 1)
        there = known.keys[at] == keys
        found[there] = of_text[known.places[at[there]]]
    codes: Any = pa.array(found, pa.int32(), mask=found < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(named), pa.string()))


def attributes_of(session: Session) -> Attributes:
    """The attributes of all customers: one pass over the table, which takes seconds for half a million."""
    everybody = select(Customer.customer_key, cast(Customer.attributes, Text)).where(Customer.forgotten_at.is_(None))
    keys, texts = [], []
    for key, text in _columns(session, everybody.order_by(Customer.customer_key)):
        keys.append(pa.array(key, pa.int64()))
        texts.append(pa.array(text, pa.string()))
    coded: Any = pa.chunked_array(texts, pa.string()).combine_chunks().dictionary_encode()
    places = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Attributes(pa.chunked_array(keys, pa.int64()).to_numpy(), coded.dictionary.to_pylist(), places)


def _columns(session: Session, query: Any) -> Iterator[tuple[Any, ...]]:
    """The columns of the rows of ``query``, a part of the rows at a time."""
    for rows in session.connection().execute(query.execution_options(yield_per=_ROWS)).partitions():
        yield tuple(zip(*rows, strict=True))
