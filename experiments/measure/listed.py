"""Listed customers in cells: the frozen list with one small code per customer for the groups that are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.errors import DuplicateUnit

if TYPE_CHECKING:
    import pyarrow as pa

Label = tuple[str | None, ...]
Totals = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Listed:
    """``table`` has customer_key and ``cell``, the place of the customer's label in ``labels`` (and what else was asked
    for). A label has one text per grouping column, None where the customer has none."""

    table: pa.Table
    labels: tuple[Label, ...]

    @property
    def cells(self) -> npt.NDArray[np.int64]:
        """(n) the cell of each customer."""
        return np.asarray(self.table.column("cell").to_numpy(), dtype=np.int64)

    def counts(self, keep: npt.NDArray[np.bool_] | None = None) -> list[int]:
        """How many customers (of those to ``keep``) each cell has."""
        return list(self._sizes if keep is None else self._counted(self.cells[keep]))

    def key(self, *asked: object, arrays: Sequence[npt.NDArray[Any]] = ()) -> str:
        """Names the list and what is asked of it, ``arrays`` by customer among it: other names, other sums."""
        digest = hashlib.sha256(repr((self.table.schema.names, asked)).encode() + self._digest)
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @cached_property
    def _sizes(self) -> list[int]:
        return self._counted(self.cells)

    def _counted(self, cells: npt.NDArray[np.int64]) -> list[int]:
        return list(np.bincount(cells, minlength=len(self.labels)).tolist())

    @cached_property
    def _digest(self) -> bytes:
        digest = hashlib.sha256()
        for column in self.table.columns:
            digest.update(np.ascontiguousarray(column.to_numpy()).data)
        return digest.digest()


def listed_customers(customers: pa.Table, by: Sequence[str], **more: Any) -> Listed:
    """Cells of ``customers`` (customer_key and text columns ``by``; a column that is missing is "" for everybody).

    ``more`` are further columns of the table. Raises ``DuplicateUnit`` for a customer who is listed twice.
    """
    import pyarrow as pa

    keys = customers.column("customer_key").cast(pa.int64())
    require_once(keys.to_numpy(), "customer_key")
    code, labels = np.zeros(len(keys), dtype=np.int64), list[Label]([()])
    for name in by:
        texts, codes = _coded(customers, name)
        code = codes if len(labels) == 1 else code * len(texts) + codes
        labels = [(*label, text) for label in labels for text in texts]
    columns = {"customer_key": keys, "cell": pa.array(code.astype(np.int32)), **more}
    return Listed(pa.table(columns), tuple(labels))


def require_once(keys: npt.NDArray[Any], name: str) -> None:
    """Raise ``DuplicateUnit`` unless every key is there once; keys in ascending order are the quick case."""
    if len(keys) > 1 and not bool((keys[1:] > keys[:-1]).all()) and len(np.unique(keys)) < len(keys):
        raise DuplicateUnit(unit=name)


def summed(columns: Mapping[str, Totals], cells: Sequence[int]) -> dict[str, int]:
    """The sums of ``cells`` together."""
    place = list(cells)
    return {name: int(column[place].sum()) for name, column in columns.items()}


def _coded(table: pa.Table, name: str) -> tuple[list[str | None], npt.NDArray[np.int64]]:
    """The distinct texts of a column and the place of each row's among them."""
    import pyarrow as pa

    if name not in table.column_names:
        return [""], np.zeros(table.num_rows, dtype=np.int64)
    column: Any = table.column(name).combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    texts: list[str | None] = [str(text) for text in column.dictionary.to_pylist()]
    codes = column.indices
    if column.null_count:
        codes = codes.fill_null(len(texts))
        texts.append(None)
    return texts or [None], np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int64)
