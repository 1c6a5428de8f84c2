"""Times that are all written alike are read at once, and as the careful way reads them."""

from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.imports.arrow import Column
from pilot.imports.times import Instant
from pilot.imports.values import Reading

FIRST, LAST = datetime.fromisoformat("1999-12-30"), datetime.fromisoformat("2026-11-25")
READING = Reading(date(2026, 11, 22))
ENDS = ["", "Z", "+02:00", "-03:30", "+99:99", "+0200", "+02"]


class Careful(Instant):
    """Without the quick look."""

    def _plain(self, texts: Column, reading: Reading) -> None:
        return None


def both(texts: list[str]) -> tuple[list[Any], list[Any]]:
    column = pa.concat_arrays([pa.array(["before"]), pa.array(texts, pa.string())]).slice(1)
    quick, careful = Instant().parse(column, "at", READING), Careful().parse(column, "at", READING)
    assert quick.type == careful.type
    return quick.to_pylist(), careful.to_pylist()


@settings(deadline=None)
@given(
    st.lists(st.datetimes(FIRST, LAST), min_size=1, max_size=6),
    st.sampled_from(ENDS),
    st.sampled_from(ENDS),
    st.tuples(st.integers(0, 5), st.integers(0, 24), st.sampled_from("0123456789T:-+Z. ٣")) | st.none(),
)
def test_times_are_read_as_the_careful_way_reads_them(
    times: list[datetime], end: str, last_end: str, wrong: tuple[int, int, str] | None
) -> None:
    texts = [time.isoformat()[:19] + end for time in times]
    texts[-1] = texts[-1][:19] + last_end
    if wrong is not None and wrong[0] < len(texts):
        row, place, character = wrong
        texts[row] = texts[row][:place] + character + texts[row][place + 1 :]
    quick, careful = both(texts)
    assert quick == careful


@pytest.mark.parametrize("end", ["", "Z", "+02:00", "-03:30"])
def test_plain_times_take_the_quick_way(end: str) -> None:
    texts = pa.array([(LAST - timedelta(days=9, seconds=n)).isoformat() + end for n in range(50)])
    assert Instant()._plain(texts, READING) is not None


@pytest.mark.parametrize(
    "text", ["1999-12-31T23:59:59", "2026-11-24T00:00:00", "2026-02-30T10:00:00", "2026-01-01T24:00:00"]
)
def test_a_time_that_cannot_be_takes_the_careful_way(text: str) -> None:
    assert Instant()._plain(pa.array(["2026-01-01T10:00:00", text]), READING) is None
