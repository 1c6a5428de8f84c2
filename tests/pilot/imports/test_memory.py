"""A check takes as much memory for a long file as for a short one, and gives back what it took."""

from datetime import datetime

import pyarrow as pa
import pytest

from pilot.database import Database
from pilot.imports import check, csv_file
from pilot.imports.arrow import plain_memory
from pilot.imports.files import import_files
from pilot.imports.model import ImportKind
from pilot.imports.service import check_imports
from pilot.outcomes.importers import importer_for
from tests.pilot.imports.builders import Chain
from tests.pilot.imports.test_many_files import HEADER, rows

IMPORTER = importer_for(ImportKind.RECEIPTS)


@pytest.fixture
def chain(database: Database, now: datetime) -> Chain:
    return Chain(database, now).with_stores()


@pytest.mark.parametrize("rows_a_part", [1_000_000, 4_000])
def test_five_times_the_rows_take_no_more_memory(
    chain: Chain, rows_a_part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "ROWS_A_PART", rows_a_part)
    monkeypatch.setattr(csv_file, "PLAIN_BYTES", 40_000)  # some nine hundred rows
    monkeypatch.setattr(csv_file, "_FIRST_BYTES", 40_000)
    short, long = (_most_held(chain, n) for n in (20_000, 100_000))
    assert 0 < long < 2 * short


def _most_held(chain: Chain, n: int) -> int:
    """The most bytes of columns that were held while ``n`` receipts were checked; they are the system's own."""
    path = chain.file(HEADER + rows(0, n), f"{n}.csv")
    before = pa.system_memory_pool().bytes_allocated()
    held = []

    def look(_done: int, _expected: int) -> None:
        held.append(pa.default_memory_pool().bytes_allocated() - before)
        assert pa.default_memory_pool().backend_name == "system"

    with chain.database.reading() as session:
        check_imports(session, IMPORTER, import_files(IMPORTER, [path]), now=chain.now, progress=look)
    assert len(held) > 10
    assert pa.system_memory_pool().bytes_allocated() <= before
    return max(held)


def test_the_library_s_own_memory_is_back_when_the_last_of_two_checks_has_failed() -> None:
    usual = pa.default_memory_pool().backend_name
    earlier, later = plain_memory(), plain_memory()
    earlier.__enter__()
    later.__enter__()
    assert pa.default_memory_pool().backend_name == "system"
    earlier.__exit__(None, None, None)
    assert not later.__exit__(ValueError, ValueError("stop"), None)  # which goes on its way
    assert pa.default_memory_pool().backend_name == usual
