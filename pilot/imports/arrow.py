"""Arrow as the data rooms use it: a column, and the compute functions with one loose type."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute

if TYPE_CHECKING:
    Column = pa.Array[Any]
else:
    Column = pa.Array  # not generic at run time

# The published stubs of pyarrow.compute are narrower than what its functions take (dictionaries, scalars, options).
pc: Any = pyarrow.compute

_USUAL = pa.default_memory_pool()


def column(table: pa.Table, name: str) -> Column:
    """Column ``name`` of ``table`` as one array; copied only where it comes in pieces."""
    pieces: Any = table.column(name)
    combined: Column = pieces.chunk(0) if pieces.num_chunks == 1 else pieces.combine_chunks()
    return combined


@contextmanager
def plain_memory() -> Iterator[None]:
    """Batch after batch of large columns in memory from the system, none of which is left with us afterwards.

    The library's own allocator gives such columns back to the system and takes them again, page by page and cleared,
    for each batch: a third of the time that a check takes, and more memory besides.
    """
    plain = pa.system_memory_pool()
    pa.set_memory_pool(plain)
    try:
        yield
    finally:
        pa.set_memory_pool(_USUAL)  # not what was found: of two at once, the last to end would leave the plain one
        plain.release_unused()
