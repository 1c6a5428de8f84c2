"""Rows that meet are found by sorted hashes: exactly those that a set would find, each as often as it comes."""

from collections import Counter

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.imports import hashes

IDS = st.lists(st.text("ab01-", min_size=1, max_size=3), max_size=40)


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=40), st.data())
def test_without_takes_each_away_as_often_as_it_is_named(numbers: list[int], data: st.DataObject) -> None:
    gone = data.draw(st.permutations(numbers))[: data.draw(st.integers(0, len(numbers)))]
    left = hashes.without(np.sort(np.array(numbers, np.uint64)), np.sort(np.array(gone, np.uint64)))
    assert left.tolist() == sorted((Counter(numbers) - Counter(gone)).elements())


@settings(deadline=None, max_examples=40)
@given(IDS, IDS, st.integers(1, 3))
def test_ids_meet_whose_hashes_meet_in_whatever_parts_they_are_compared(
    mine: list[str], theirs: list[str], of: int
) -> None:
    with duckdb.connect() as connection:
        for name, ids in (("mine", mine), ("theirs", theirs)):
            connection.register(name, pa.table({"id": pa.array([*ids, None], pa.string())}))
        met = []
        for part in range(of):
            sought = hashes.sorted_hashes(connection, "mine t", ("id",), part, of)
            assert sought.tolist() == sorted(sought.tolist())
            met += hashes.meeting_hashes(connection, sought, "theirs t", ("id",), part, of).tolist()
        both = pa.table({"id": pa.array(sorted(set(mine) & set(theirs)), pa.string())})
        connection.register("both_of_them", both)
        assert sorted(met) == hashes.sorted_hashes(connection, "both_of_them t", ("id",)).tolist()
