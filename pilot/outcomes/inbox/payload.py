"""The accepted receipts of a batch as bytes: an Arrow stream, compressed, that reads back to the same table."""

import pyarrow as pa


def pack(receipts: pa.Table) -> bytes:
    """``receipts`` (the staged columns) as they are stored until the drain."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, receipts.schema, options=options) as stream:
        stream.write_table(receipts.combine_chunks())
    return sink.getvalue().to_pybytes()


def unpack(payload: bytes) -> pa.Table:
    """What ``pack`` stored."""
    with pa.ipc.open_stream(pa.py_buffer(payload)) as stream:
        return stream.read_all()
