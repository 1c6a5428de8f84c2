"""Where a simulated network is written: master data, and receipts in Parquet, each file whole or not at all."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilot.imports.arrow import Column
from pilot.simulation.people import AGES, HOUSEHOLDS, TIERS, Customers
from pilot.simulation.places import Stores
from pilot.simulation.tables import customer_codes

ROW_GROUP = 122_880
WRITING: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "store_decimal_as_integer": True}
_AHEAD = 2  # so many row groups may wait for the writer
_PART = ".part"  # the name while a file is being written


@dataclass(slots=True)
class ReceiptFiles:
    """Writes tables one after another, in a thread of its own: the next ones are made meanwhile.

    ``begin`` starts the next file. Tables are joined to row groups of ``ROW_GROUP`` rows.
    """

    _writers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _waiting: deque[Future[None]] = field(default_factory=deque)
    _file: pq.ParquetWriter | None = None
    _path: Path | None = None
    _tables: list[pa.Table] = field(default_factory=list)

    def begin(self, path: Path) -> None:
        self._flush()
        self._submit(lambda: self._begin(path))

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)
        if sum(one.num_rows for one in self._tables) >= ROW_GROUP:
            self._flush()

    def also(self, write: Callable[[], None]) -> None:
        """Write something else in its turn."""
        self._submit(write)

    def close(self) -> None:
        """Wait until everything is written. What failed while writing is raised here or earlier."""
        self._flush()
        self._submit(self._finish)
        while self._waiting:
            self._waiting.popleft().result()
        self._writers.shutdown()

    def abandon(self) -> None:
        """Stop in the middle: the last file keeps the name of a part."""
        self._writers.shutdown()
        if self._file is not None:
            self._file.close()

    def _flush(self) -> None:
        if self._tables:
            joined, self._tables = pa.concat_tables(self._tables), []
            self._submit(lambda: self._write(joined))

    def _submit(self, task: Callable[[], None]) -> None:
        """Give it to the writer; wait where too much is waiting already."""
        self._waiting.append(self._writers.submit(task))
        while len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def _begin(self, path: Path) -> None:
        self._finish()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def _finish(self) -> None:
        if self._file is not None and self._path is not None:
            self._file.close()
            _while_writing(self._path).rename(self._path)
            self._file = None

    def _write(self, table: pa.Table) -> None:
        if self._file is None and self._path is not None:
            self._file = pq.ParquetWriter(_while_writing(self._path), table.schema, **WRITING)
        if self._file is not None:
            self._file.write_table(table, row_group_size=ROW_GROUP)


@contextmanager
def receipt_files() -> Iterator[ReceiptFiles]:
    """Files that are closed at the end; one that an error cut short keeps the name of a part."""
    files = ReceiptFiles()
    try:
        yield files
        files.close()
    except BaseException:
        files.abandon()
        raise


def write_places(folder: Path, stores: Stores) -> None:
    """``regions.csv`` and ``stores.csv``."""
    regions = sorted({stores.region_code(region) for region in stores.region.tolist()})
    _write_csv(folder / "regions.csv", ("region", "name"), ((code, f"Region {code[1:]}") for code in regions))
    columns = ("store", "region", "name", "timezone", "opened_on")
    rows = zip(stores.region.tolist(), stores.zone.tolist(), stores.opened_on, strict=True)
    _write_csv(
        folder / "stores.csv",
        columns,
        (
            (stores.codes[store], stores.region_code(region), f"Store {store + 1}", stores.zones[zone], str(opened_on))
            for store, (region, zone, opened_on) in enumerate(rows)
        ),
    )


def write_customers(path: Path, customers: Customers, stores: Stores) -> None:
    """Everybody in the program by code, with the home store and the attributes that segments are made of."""
    order = np.argsort(customers.key)
    columns = {
        "customer": customer_codes(customers.key[order]),
        "home_store": _words(stores.codes, customers.home[order]),
        "age": _words(AGES, customers.age[order]),
        "household": _words(HOUSEHOLDS, customers.household[order]),
        "tier": _words(TIERS, customers.tiers()[order]),
    }
    _whole(path, lambda part: pq.write_table(pa.table(columns), part, **WRITING))


def _words(words: Sequence[str], places: Any) -> Column:
    return pa.array(words, pa.string()).take(pa.array(places))


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)

    _whole(path, write)


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    write(_while_writing(path))
    _while_writing(path).rename(path)


def _while_writing(path: Path) -> Path:
    return path.with_name(path.name + _PART)
