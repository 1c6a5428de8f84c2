"""Open lists: even, independent of each other, and the same in every version."""

import json
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency, chisquare

from experiments.design.mechanisms import Mechanism, Share, assign_one, bernoulli_hash
from pilot.assignment.till import place_by_hash

N = 100_000
ALPHA = 0.001  # of each check below; fixed before any was looked at


def mechanism(salt: str, *weights: int) -> Mechanism:
    return bernoulli_hash([Share("control" if n == 0 else f"v{n}", weight) for n, weight in enumerate(weights)], salt)


# Taken from the version that first drew open lists. A customer's variant must never change: nobody may edit these.
GOLDEN = (
    ("a salt", (1, 1), "01111010001100100101"),
    ("e\u0301t\u00e9 \"quoted\" \\ \U0001f600", (3, 2, 2), "20200000001221221000"),
    ("7c1d" * 16, (1, 998, 1), "11111111111111111111"),
)  # fmt: skip


@pytest.mark.parametrize(("salt", "weights", "expected"), GOLDEN)
def test_a_variant_is_the_same_in_every_version(salt: str, weights: tuple[int, ...], expected: str) -> None:
    drawn = mechanism(salt, *weights)
    codes = [assign_one(drawn, str(key)) for key in range(1, 21)]
    assert "".join(str(drawn.variants.index(code)) for code in codes) == expected


@given(
    salt=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    weights=st.lists(st.integers(1, 1000), min_size=2, max_size=6),
    key=st.integers(1, 2**63 - 1),
)
def test_the_prepared_fall_is_the_fall(salt: str, weights: list[int], key: int) -> None:
    drawn = mechanism(salt, *weights)
    assert drawn.variants[place_by_hash(drawn)(key)] == assign_one(drawn, str(key))


@pytest.mark.parametrize("weights", [(1, 1), (3, 2, 2), (1, 1, 1, 1, 1, 1), (9, 1), (97, 2, 1)])
def test_the_shares_are_kept(weights: tuple[int, ...]) -> None:
    place = place_by_hash(mechanism("uniform", *weights))
    counts = Counter(place(key) for key in range(1, N + 1))
    expected = [N * weight / sum(weights) for weight in weights]
    assert chisquare([counts[n] for n in range(len(weights))], expected).pvalue > ALPHA


def test_the_hash_is_even_in_fine_slices_and_over_any_run_of_keys() -> None:
    place = place_by_hash(mechanism("fine", *[1] * 100))
    for first in (1, 10**9, 2**40):
        counts = Counter(place(key) for key in range(first, first + N))
        assert chisquare([counts[n] for n in range(100)]).pvalue > ALPHA


def test_pilots_draw_independently_of_each_other() -> None:
    salts = [f"salt {n}" for n in range(6)]
    places = {salt: [place_by_hash(mechanism(salt, 1, 1, 1))(key) for key in range(1, 20_001)] for salt in salts}
    statistics = []
    for one, other in ((a, b) for a, b in product(salts, salts) if a < b):
        pairs = Counter(zip(places[one], places[other], strict=True))
        table = [[pairs[row, column] for column in range(3)] for row in range(3)]
        statistics.append(chi2_contingency(table).statistic)
    n_pairs = len(statistics)
    assert max(statistics) < chi2.isf(ALPHA / n_pairs, 4)
    assert sum(statistics) < chi2.isf(ALPHA, 4 * n_pairs), "nor a little in all of them"


def test_a_later_arrival_changes_nobody_else() -> None:
    drawn = mechanism("later", 1, 1)
    before = [assign_one(drawn, str(key)) for key in range(1, 1_001)]
    assert assign_one(drawn, "1001") in drawn.variants
    record = json.loads(json.dumps(drawn.to_record()))
    assert record["candidates"] == []
    assert [assign_one(drawn, str(key)) for key in range(1, 1_001)] == before
