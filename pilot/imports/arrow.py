"""Arrow as the data rooms use it: a column, and the compute functions with one loose type."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute

if TYPE_CHECKING:
    Column = pa.Array[Any]
else:
    Column = pa.Array  # not generic at run time

# The published stubs of pyarrow.compute are narrower than what its functions take (dictionaries, scalars, options).
pc: Any = pyarrow.compute


def column(table: pa.Table, name: str) -> Column:
    """Column ``name`` of ``table`` as one array; copied only where it comes in pieces."""
    pieces: Any = table.column(name)
    combined: Column = pieces.chunk(0) if pieces.num_chunks == 1 else pieces.combine_chunks()
    return combined
