"""Simulating a network: master data and receipts of any number, written into a folder."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from pilot.imports.arrow import Column
from pilot.simulation.errors import FolderNotEmpty, LakeFilesAreMonths, TooManyFiles
from pilot.simulation.files import receipt_files, write_customers, write_places
from pilot.simulation.people import make_customers
from pilot.simulation.places import make_stores
from pilot.simulation.receipts import Receipts, simulate_receipts
from pilot.simulation.shape import Shape
from pilot.simulation.tables import import_table, lake_table

Progress = Callable[[int, int], None]


class Form(StrEnum):
    """``import``: what a retailer exports, for ``pilot import``; ``lake``: the lake's columns, by business month."""

    IMPORT = "import"
    LAKE = "lake"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was written."""

    folder: Path
    first_day: date
    last_day: date
    receipts: int
    sales: int
    returns: int
    identified: int
    files: int

    def document(self) -> dict[str, Any]:
        return asdict(self)


def simulate_network(
    shape: Shape,
    folder: Path,
    *,
    form: Form = Form.IMPORT,
    files: int | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Write the network of ``shape`` into ``folder``, which is new or empty; the same bytes for the same shape.

    Receipts go into one file a month, or into ``files`` files of as many days each. ``progress`` hears the receipts
    written and their total. Raises ``FolderNotEmpty``, ``TooManyFiles`` and ``LakeFilesAreMonths``.
    """
    if files is not None and form is Form.LAKE:
        raise LakeFilesAreMonths()
    if files is not None and files > shape.n_days:
        raise TooManyFiles(files=files, days=shape.n_days)
    if folder.exists() and any(folder.iterdir()):
        raise FolderNotEmpty(folder=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    stores = make_stores(shape)
    write_places(folder, stores)
    customers = make_customers(shape, stores)
    first_day = (shape.first_day - date(1970, 1, 1)).days
    codes: Column = pa.array(stores.codes)
    written, returns, identified, names = 0, 0, 0, set()
    with receipt_files() as into:
        into.also(partial(write_customers, folder / "customers.parquet", customers, stores))
        for receipts in simulate_receipts(shape, stores, customers):
            name = _file_of(shape, receipts, form, files)
            if name not in names:
                names.add(name)
                into.begin(folder / name)
            into.add(import_table(receipts, codes) if form is Form.IMPORT else lake_table(receipts, first_day))
            written += len(receipts)
            returns += len(receipts.return_rows)
            identified += int((receipts.customer > 0).sum())
            if progress is not None:
                progress(written, shape.receipts)
    last_day = shape.day(shape.n_days - 1)
    return Simulated(
        folder, shape.first_day, last_day, written, written - returns, returns, identified, files=len(names)
    )


def _file_of(shape: Shape, receipts: Receipts, form: Form, files: int | None) -> Path:
    month = f"{shape.day(receipts.day):%Y-%m}"
    if form is Form.LAKE:
        return Path("lake") / f"business_month={month}" / "simulated.parquet"
    if files is None:
        return Path("receipts") / f"receipts-{month}.parquet"
    return Path("receipts") / f"receipts-{receipts.day * files // shape.n_days + 1:04d}.parquet"
