"""The frozen home list as a table, and its customers' segments: a million people without a Python object each.

The ledger never changes, so the list is kept as a file of keys under the draw's hash in ``derived/homes``. It is a
cache, never the truth: any file may go at any moment. Segments are read anew each time, as attributes may change; a
rule is asked once for each combination of attributes that anybody has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
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


def segments_of(session: Session, plan: Plan, keys: npt.NDArray[np.int64], named: Sequence[str]) -> pa.Array[Any]:
    """(n) the segment of each customer among ``keys`` by the plan's sealed rules, null where it is not one of ``named``
    or the customer was forgotten."""
    known, texts, places = _attributes(session)
    place_of = {code: position for position, code in enumerate(named)}
    of_text = np.array([place_of.get(plan.segment_for(json.loads(text)) or "", -1) for text in texts], dtype=np.int32)
    found = np.full(len(keys), -1, dtype=np.int32)
    if len(known):
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        there = known[at] == keys
        found[there] = of_text[places[at[there]]]
    codes: Any = pa.array(found, pa.int32(), mask=found < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(named), pa.string()))


def _attributes(session: Session) -> tuple[npt.NDArray[np.int64], list[str], npt.NDArray[np.int64]]:
    """The keys of all customers in ascending order, the distinct texts of their attributes, and whose is which."""
    everybody = select(Customer.customer_key, cast(Customer.attributes, Text)).where(Customer.forgotten_at.is_(None))
    keys, texts = [], []
    for key, text in _columns(session, everybody.order_by(Customer.customer_key)):
        keys.append(pa.array(key, pa.int64()))
        texts.append(pa.array(text, pa.string()))
    coded: Any = pa.chunked_array(texts, pa.string()).combine_chunks().dictionary_encode()
    places = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return pa.chunked_array(keys, pa.int64()).to_numpy(), coded.dictionary.to_pylist(), places


def _columns(session: Session, query: Any) -> Iterator[tuple[Any, ...]]:
    """The columns of the rows of ``query``, a part of the rows at a time."""
    for rows in session.connection().execute(query.execution_options(yield_per=_ROWS)).partitions():
        yield tuple(zip(*rows, strict=True))
