"""The quick way says the same as the careful parsers: the same values and the same refusals, on any text."""

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.imports import fast, rules, times, values
from pilot.imports.rules import Field, check_batch
from pilot.imports.times import Instant
from pilot.imports.values import DATE_ORDERS, Choice, Count, Id, Money, Reading, trimmed

DAY = date(2026, 3, 2)
HOSTILE = st.one_of(
    st.text(alphabet="0123456789.-,", max_size=14),
    st.text(alphabet="0123456789abeETt-./: #\u00a0é", max_size=12),
    st.text(alphabet="0123456789-+:.,TZ ", max_size=26),
    st.text(max_size=8),
    st.sampled_from(
        [
            "",
            " ",
            "NaN",
            "null",
            "1e5",
            "12E3",
            "=1+1",
            "-",
            "--1",
            ".5",
            "5.",
            "-0",
            "007",
            "1 234,50",
            "1'000.00",
            "−5",
        ]
    ),
    st.integers(-(10**13), 10**13).map(str),
    st.decimals(-(10**9), 10**9, places=2).map(str),
    st.decimals(-100, 100, places=3).map(str),
    st.datetimes().map(lambda at: at.isoformat(" ", "seconds")),
    st.datetimes(allow_imaginary=False).map(lambda at: at.isoformat()[:23] + "+02:30"),
    st.dates().map(lambda day: f"{day:%d.%m.%Y} 9:05"),
    st.dates().map(lambda day: f"{day:%d.%m.%Y} 09:05:59.1234567Z"),
    st.uuids().map(str),
)
CELLS = st.lists(st.one_of(st.none(), HOSTILE), min_size=1, max_size=30)


def carefully(patch: pytest.MonkeyPatch) -> None:
    """Take every short cut away."""
    patch.setattr(values, "id_rows", lambda texts, longest: None)
    patch.setattr(values, "amounts", lambda texts, mark, exponent: (None, texts))
    patch.setattr(values, "whole_numbers", lambda texts, longest: (None, texts))
    patch.setattr(values, "needs_trimming", lambda raw: True)
    patch.setattr(times, "shapes", lambda texts, pattern: iter(()))
    patch.setattr(rules, "coded", lambda texts: None)


@settings(max_examples=400, deadline=None)
@given(
    cells=CELLS,
    mark=st.sampled_from([".", ","]),
    exponent=st.sampled_from([0, 2, 3]),
    order=st.sampled_from(sorted(DATE_ORDERS)),
    skipped=st.integers(0, 2),
)
def test_every_type_of_value_reads_any_text_alike_on_both_ways(
    cells: list[str | None], mark: str, exponent: int, order: str, skipped: int
) -> None:
    texts = pa.array([None] * skipped + cells, pa.string()).slice(skipped)
    reading = Reading(DAY, mark, order, exponent)
    for holds in (Id(), Money(), Count(), Instant(), Choice({"sale": "sale", "s": "sale"})):

        def read() -> list[Any]:
            return holds.parse(trimmed(texts), "field", reading).to_pylist()  # noqa: B023 - called at once

        quick = read()
        with pytest.MonkeyPatch.context() as patch:
            carefully(patch)
            assert quick == read(), holds


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.none() | st.from_regex("[A-Ea-e]?[0-9]{0,3}", fullmatch=True), min_size=1), HOSTILE, st.integers(0, 9)
)
def test_ids_written_alike_are_read_alike_on_both_ways(alike: list[str | None], other: str, place: int) -> None:
    """Columns of digits, or of digits behind one letter, are seen at once; one other text among them is not."""
    for cells in (alike, [*alike[:place], other, *alike[place:]]):
        texts = pa.array(cells, pa.string())
        quick = Id().parse(trimmed(texts), "field", Reading(DAY)).to_pylist()
        with pytest.MonkeyPatch.context() as patch:
            carefully(patch)
            assert quick == Id().parse(trimmed(texts), "field", Reading(DAY)).to_pylist()


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(HOSTILE, min_size=1, max_size=12), seed=st.integers(0, 7))
def test_a_long_column_of_few_values_is_read_as_if_each_stood_alone(cells: list[str], seed: int) -> None:
    n = 5_000
    many = [cells[(seed + place * 7) % len(cells)] for place in range(n)]
    fields = [Field("id", Id(), "Id"), Field("net", Money(), "Net"), Field("at", Instant(), "At")]
    table = pa.table({"line": range(n), **{f.name: pa.array(many) for f in fields}})
    columns = {f.name: f.name for f in fields}
    quick = check_batch(table, fields, [], columns, Reading(DAY))
    with pytest.MonkeyPatch.context() as patch:
        carefully(patch)
        slow = check_batch(table, fields, [], columns, Reading(DAY))
    assert quick.good.to_pylist() == slow.good.to_pylist()
    assert quick.findings == slow.findings


def test_the_texts_of_real_files_take_the_quick_way() -> None:
    """A short cut that nothing takes is no short cut."""
    ids = pa.array(["R000123", "4711", "C-1", "3f2a9c00-aa11", None], pa.string())
    sure = fast.id_rows(ids, 64)
    assert sure is not None
    assert sure.all()
    sure, minor = fast.amounts(pa.array(["12.50", "-3", "0.00", None, "199.9"], pa.string()), ".", 2)
    assert sure is not None
    assert sure.all()
    assert minor.to_pylist() == [1250, -300, 0, None, 19990]
    instants = pa.array(["2026-01-10 09:00:00", "2026-01-10T09:00:00+02:00", "2026-01-10 23:59"], pa.string())
    rows = [len(rows) for rows, _, _ in fast.shapes(instants, times._quick_pattern("YYYY-MM-DD"))]
    assert rows == [1, 1, 1]


@given(st.lists(st.none() | st.from_regex(r"-?[0-9]{1,8}[.][0-9]{2}", fullmatch=True), min_size=1), st.integers(0, 3))
def test_amounts_that_all_have_their_decimals_are_read_by_their_digits(texts: list[str | None], skipped: int) -> None:
    column = pa.array(["1.0", *[None] * skipped, *texts], pa.string()).slice(1)
    minor = fast._fixed_amounts(column, ord("."), 2)
    wanted = [None] * skipped + [text and int(text.replace(".", "")) for text in texts]
    assert minor is None or minor.to_pylist() == wanted
    assert (minor is None) == (not any(texts))


@pytest.mark.parametrize(
    "odd", ["1", "1.0", "1.000", "1,00", ".10", "-.10", "--1.00", "+1.00", "1.2.30", "1e1.00", "1 0.00", "1-.00"]
)
def test_one_amount_of_another_form_leaves_all_to_the_other_ways(odd: str) -> None:
    assert fast._fixed_amounts(pa.array(["12.34", odd, "0.10"], pa.string()), ord("."), 2) is None
