"""The derived days give the moments of the receipts, to the digit, whatever happened to either of them."""

import shutil
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from pilot.outcomes.days import deliveries, service
from pilot.outcomes.days.service import Days
from pilot.outcomes.days.tables import DayTable
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from tests.pilot.outcomes.days.book import FIRST, START, Book, deliver, from_receipts, moments_of

ACTS = ("deliver", "deliver", "deliver", "late", "repeat", "keep_up", "compact", "tidy", "drop", "rebuild")


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings)


@trying(max_examples=6, deadline=None)
@given(acts=st.lists(st.sampled_from(ACTS), min_size=3, max_size=7), seed=st.integers(0, 2**32))
def test_days_kept_up_days_rebuilt_and_receipts_give_the_same_moments(acts: list[str], seed: int) -> None:
    with TemporaryDirectory() as folder:
        lake = Lake(Settings(home=Path(folder)))
        days, book = Days(lake), Book(Random(seed))
        sent, versions = {}, []
        for number, act in enumerate(("deliver", "keep_up", *acts, "deliver")):
            if act in ("deliver", "late"):
                sent[f"b{number}"] = book.delivery(25, last=START if act == "late" else START.replace(month=2))
                versions.append(deliver(lake, f"b{number}", sent[f"b{number}"]))
            elif act == "repeat":
                again = book.random.choice(sorted(sent))
                deliver(lake, again, sent[again])
            elif act == "compact":
                lake.compact()
            elif act == "tidy":
                for table in (days.customers, days.stores):
                    table.tidy()
            else:
                getattr(days, act)()
        if days.lag().commits:
            days.keep_up()
        held = days.customers.included()
        assert held is not None
        if held.is_dropped:
            assert days.day_facts(lake.version()) is None
            days.rebuild()
            held = days.customers.included()
        assert held is not None
        served = [version for version in versions if version >= held.base]
        for version in {served[len(served) // 2], lake.version()}:
            facts = days.day_facts(version)
            assert facts is not None
            assert moments_of(facts) == from_receipts(lake, version)
        days.rebuild()
        facts = days.day_facts(lake.version())
        assert facts is not None
        assert moments_of(facts) == from_receipts(lake)


def test_a_version_before_the_base_is_read_from_receipts(lake: Lake) -> None:
    book, days = Book(Random(1)), Days(lake)
    versions = [deliver(lake, f"b{n}", book.delivery(5)) for n in range(3)]
    days.keep_up()
    assert days.day_facts(versions[1]) is None
    assert days.day_facts(versions[2]) is not None
    assert days.day_facts(versions[2] + 1) is None  # the lake does not have it


def test_what_the_lake_got_since_is_not_served_before_it_is_in(lake: Lake) -> None:
    book, days = Book(Random(2)), Days(lake)
    first = deliver(lake, "one", book.delivery(5))
    assert days.keep_up() == first
    second = deliver(lake, "two", book.delivery(5))
    assert days.day_facts(second) is None
    assert (days.lag().commits, days.lag().since) == (1, lake.commits(first)[0].committed_at)
    assert days.keep_up() == second
    assert days.day_facts(second) is not None
    assert days.lag().commits == 0


def test_a_version_that_only_joined_files_is_served(lake: Lake) -> None:
    days = Days(lake)
    deliver(lake, "one", Book(Random(3)).delivery(5))
    deliver(lake, "two", Book(Random(4)).delivery(5))
    days.keep_up()
    before = lake.version()
    lake.compact()
    assert lake.version() > before
    assert days.day_facts(lake.version()) is not None


def test_dropped_days_stay_away_until_they_are_rebuilt(lake: Lake) -> None:
    book, days = Book(Random(5)), Days(lake)
    deliver(lake, "one", book.delivery(20))
    days.keep_up()
    days.drop()
    deliver(lake, "two", book.delivery(20))
    assert days.keep_up() is None
    assert days.day_facts(lake.version()) is None
    assert not list(Path(days.customers.root).glob("*/*.parquet"))
    assert days.rebuild() == lake.version()


def test_days_of_another_lake_are_not_taken_for_its_own(settings: Settings) -> None:
    lake = Lake(settings)
    deliver(lake, "one", Book(Random(6)).delivery(20))
    Days(lake).keep_up()
    shutil.rmtree(lake.path)
    other = Lake(settings)
    deliver(other, "another", Book(Random(7)).delivery(20))
    days = Days(other)
    assert days.day_facts(1) is None
    days.keep_up()
    facts = days.day_facts(1)
    assert facts is not None
    assert moments_of(facts) == from_receipts(other)


def test_days_that_other_rules_made_are_made_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    version = deliver(lake, "one", Book(Random(15)).delivery(20))
    days = Days(lake)
    days.keep_up()
    assert days.day_facts(version) is not None
    monkeypatch.setattr(service, "RULES", 99)
    assert days.day_facts(version) is None
    days.keep_up()
    assert days.day_facts(version) is not None


def test_days_too_far_behind_a_vacuumed_lake_start_again(lake: Lake) -> None:
    book, days = Book(Random(8)), Days(lake)
    deliver(lake, "one", book.delivery(20))
    days.keep_up()
    for number in range(3):
        deliver(lake, f"more{number}", book.delivery(20))
    lake.compact()
    lake.vacuum(())
    assert days.keep_up() is not None
    facts = days.day_facts(lake.version())
    assert facts is not None
    assert moments_of(facts) == from_receipts(lake)


def test_an_empty_lake_has_days_too(lake: Lake) -> None:
    days = Days(lake)
    assert days.keep_up() == 0
    facts = days.day_facts(0)
    assert facts is not None
    assert facts.customers.count().to_pyarrow().as_py() == 0
    assert facts.customers.schema()["net_minor"].is_int64()
    deliver(lake, "one", Book(Random(9)).delivery(5, first=FIRST))
    assert days.keep_up() == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(6))
def test_upkeep_that_is_cut_off_between_its_steps_is_caught_up_exactly_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, step: int, when: str
) -> None:
    """Steps are the commits of both tables: the emptying for a base, and each slice; here every month is a slice."""
    monkeypatch.setattr(deliveries, "_SLICE_BYTES", 0)
    book = Book(Random(10))
    is_base = step % 2 == 0
    deliver(lake, "one", book.delivery(30))
    if not is_base:
        Days(lake).keep_up()
        deliver(lake, "two", book.delivery(30))
    commits = 0

    def cut_off(self: DayTable, *given: Any, **named: Any) -> None:
        nonlocal commits
        commits += 1
        if when == "after" or commits <= step:
            committed(self, *given, **named)
        if commits > step:
            raise KilledError

    committed = DayTable._commit
    with monkeypatch.context() as patch:
        patch.setattr(DayTable, "_commit", cut_off)
        with pytest.raises(KilledError):
            Days(lake).keep_up()
    days = Days(lake)
    assert days.keep_up() == lake.version()
    facts = days.day_facts(lake.version())
    assert facts is not None
    assert moments_of(facts) == from_receipts(lake)


class KilledError(BaseException):
    """What no step expects."""
