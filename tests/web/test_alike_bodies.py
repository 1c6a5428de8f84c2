"""Bodies that are cut into columns at once hold what the parser reads in them; what it refuses is left to it."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.errors import PilotError
from web.api import bodies
from web.api.alike_bodies import alike_columns

COUNTS = frozenset({"n_items"})
VALUES = st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cc", "Cs"]), max_size=6)


def cut(body: bytes) -> dict[str, list[Any]] | None:
    columns = alike_columns(body, bodies._listed, COUNTS)
    return None if columns is None else {name: column.to_pylist() for name, column in columns.items()}


def receipts(n: int = 20) -> list[dict[str, Any]]:
    return [{"receipt": f"r{i}", "store": "31", "n_items": i % 12, "net": f"{i}.00"} for i in range(n)]


def written(found: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"receipts": found})


def columns(table: Any) -> list[tuple[str, list[Any]]]:
    return [(name, table.column(name).to_pylist()) for name in sorted(table.column_names)]


def by_name(found: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [each[name] for each in found] for name in found[0]}


@settings(deadline=None)
@given(
    st.lists(st.tuples(VALUES, VALUES, st.integers(0, 10**9 - 1)), min_size=16, max_size=40),
    st.permutations(["receipt", "till", "n_items"]),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_alike_receipts_are_read_as_the_parser_reads_them(
    rows: list[tuple[str, str, int]], names: list[str], separators: tuple[str, str]
) -> None:
    found = [{name: {"receipt": one, "till": other, "n_items": n}[name] for name in names} for one, other, n in rows]
    body = json.dumps({"receipts": found}, separators=separators, ensure_ascii=False).encode()
    assert cut(body) == by_name(orjson.loads(body)["receipts"])


@settings(deadline=None)
@given(st.integers(0, len(written(receipts())) - 1), st.sampled_from([*b'"{}[],:0 19-.ez\\\n\x00\xff\xc3', None]))
def test_a_body_with_one_wrong_byte_is_read_as_the_parser_reads_it_or_not_at_all(place: int, byte: int | None) -> None:
    body = bytearray(written(receipts()))
    body[place : place + 1] = b"" if byte is None else bytes([byte])
    read = cut(bytes(body))
    if read is not None:
        assert read == by_name(orjson.loads(bytes(body))["receipts"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"store":"31"', b'"store":"31","store":"32"'),
        (b'"n_items":5', b'"n_items":05'),
        (b'"n_items":5', b'"n_items":5.0'),
        (b'"n_items":5', b'"n_items":-5'),
        (b'"n_items":5', b'"n_items":true'),
        (b'"n_items":5', b'"n_items":1234567890'),
        (b'"n_items":5', b'"n_items":"5"'),
        (b'"r5"', b'"r\\u0035"'),
        (b'"r5"', b'"r\t5"'),
        (b'"r5"', b'"r\xff5"'),
        (b'"r5"', b"5"),
        (b'"r5"', b"null"),
        (b'"r5","store":"31"', b'"r5","shop":"31"'),
        (b'"r5","store":"31"', b'"r5"'),
        (b'{"receipt":"r5"', b'["receipt":"r5"'),
        (b'{"receipt":"r5"', b'{{"receipt":"r5"'),
        (b'}]}', b'}]'),
        (b'}]}', b'}],"more":[]}'),
        (b'}]}', b'}]} {}'),
        (b'{"receipts":', b'{"receipts":[],"receipts":'),
    ],
)  # fmt: skip
def test_what_is_not_alike_is_left_to_the_parser(before: bytes, after: bytes) -> None:
    body = written(receipts()).replace(before, after, 1)
    assert body != written(receipts())
    assert cut(body) is None


def test_the_last_receipt_may_hold_what_looks_like_the_end() -> None:
    found = receipts()
    found[-1] = {**found[-1], "net": "}]} ]}"}
    assert cut(written(found)) == by_name(found)


def test_few_receipts_are_parsed() -> None:
    assert cut(written(receipts(3))) is None
    assert cut(b"") is None
    assert cut(b"[]") is None


@settings(deadline=None)
@given(st.integers(0, len(written(receipts())) - 1), st.sampled_from([*b'"{}[],:0 19-.e\\', None]))
def test_the_table_of_a_body_is_the_same_either_way(place: int, byte: int | None) -> None:
    body = bytearray(written(receipts()))
    body[place : place + 1] = b"" if byte is None else bytes([byte])
    found: list[Any] = []
    for each in (bytes(body), bytes(body).replace(b'{"receipts":', b'{\n"receipts":', 1)):  # a line break: parsed
        try:
            table = bodies.receipts_in(each, bodies.JSON)
            found.append({name: [None if v is None else str(v) for v in values] for name, values in columns(table)})
        except PilotError as refused:
            found.append(type(refused))
    assert found[0] == found[1]
