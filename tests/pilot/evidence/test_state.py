"""A stage's kept sums, brought up to date with new days only, give the moments of the full pass, to the digit."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from experiments.measure.customer_sums import CustomerReach
from experiments.measure.stage import stage_reach, store_reach
from experiments.measure.windows import Window
from pilot.evidence.state import StageState
from pilot.outcomes.days.service import Days
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from tests.pilot.outcomes.days.book import LAST, START, Book, asked, deliver, from_receipts, moments_of

ACTS = ("deliver", "few", "late", "report", "report", "compact", "rebuild")


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings)


def reach() -> CustomerReach:
    found = stage_reach(asked())
    assert found is not None
    return found


def store_days_reach() -> Window:
    found = store_reach(asked())
    assert found is not None
    return found


def moments_through_state(lake: Lake) -> object:
    days = Days(lake)
    days.keep_up()
    facts = days.day_facts(lake.version())
    assert facts is not None
    state = StageState(lake, days)
    sums, rows = state.customer_sums(lake.version(), reach()), state.store_days(lake.version(), store_days_reach())
    assert sums is not None
    assert rows is not None
    return moments_of(facts, sums, rows)


def test_kept_sums_follow_the_lake_to_the_digit(lake: Lake) -> None:
    book, state = Book(Random(11)), StageState(lake, Days(lake))
    for number, size in enumerate((120, 3, 4, 200, 1)):  # a few, then so many that the file is written anew
        deliver(lake, f"b{number}", book.delivery(size))
        assert moments_through_state(lake) == from_receipts(lake)
        assert moments_through_state(lake) == from_receipts(lake)
        if number == 2:
            lake.compact()
            Days(lake).customers.tidy()
            assert moments_through_state(lake) == from_receipts(lake)
    kept = sorted(int(file.stem[-12:]) for file in state.folder.glob("*.arrow"))
    assert len(kept) == 2  # of stores and of customers
    assert kept[1] > kept[0]  # these were written anew
    state.drop()
    assert moments_through_state(lake) == from_receipts(lake)


@trying(max_examples=4, deadline=None)
@given(acts=st.lists(st.sampled_from(ACTS), min_size=4, max_size=7), seed=st.integers(0, 2**32))
def test_whatever_happened_receipts_days_and_kept_sums_are_equal_risk_tables_included(
    acts: list[str], seed: int
) -> None:
    with TemporaryDirectory() as folder:
        lake = Lake(Settings(home=Path(folder)))
        days, book = Days(lake), Book(Random(seed))
        for number, act in enumerate(("deliver", *acts, "deliver")):
            if act in ("deliver", "late", "few"):
                facts = book.delivery(2 if act == "few" else 25, last=START if act == "late" else LAST)
                deliver(lake, f"b{number}", facts)
            elif act == "compact":
                lake.compact()
            elif act == "report":
                assert moments_through_state(lake) == from_receipts(lake)
            else:
                getattr(days, act)()
        truth = from_receipts(lake)
        assert sum(table.events.sum() for table in truth.risk.values()) > 0
        kept = moments_through_state(lake)
        facts_of_days = Days(lake).day_facts(lake.version())
        assert facts_of_days is not None
        assert truth == moments_of(facts_of_days) == kept


def test_kept_sums_of_before_a_new_base_are_not_brought_up_to_date(lake: Lake) -> None:
    """The rows of a base carry its version, so they would be added a second time."""
    book = Book(Random(12))
    deliver(lake, "one", book.delivery(60))
    assert moments_through_state(lake) == from_receipts(lake)
    deliver(lake, "two", book.delivery(60))
    Days(lake).rebuild()
    assert moments_through_state(lake) == from_receipts(lake)


def test_an_older_version_has_no_kept_sums(lake: Lake) -> None:
    book, days = Book(Random(13)), Days(lake)
    first = deliver(lake, "one", book.delivery(20))
    days.keep_up()
    deliver(lake, "two", book.delivery(20))
    days.keep_up()
    assert days.day_facts(first) is not None
    assert StageState(lake, days).customer_sums(first, reach()) is None


@pytest.mark.parametrize("damage", [b"", b"not a table at all"])
def test_a_file_that_cannot_be_read_is_made_again(lake: Lake, damage: bytes) -> None:
    deliver(lake, "one", Book(Random(14)).delivery(30))
    moments_through_state(lake)
    state = StageState(lake, Days(lake))
    for file in state.folder.iterdir():
        file.write_bytes(damage)
    assert moments_through_state(lake) == from_receipts(lake)
