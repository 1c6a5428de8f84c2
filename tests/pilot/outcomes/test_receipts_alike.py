"""A file and the API accept and reject alike: the same receipts, the same verdict and reason for each of them."""

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pilot.database import Database
from pilot.imports.dialects import FileFormat
from pilot.imports.model import ImportKind
from pilot.imports.rules import Finding
from pilot.imports.service import check_import
from pilot.outcomes.importers import importer_for
from pilot.outcomes.inbox.checking import Rulebook, check_call
from pilot.outcomes.receipt_model import API_MAPPING, receipt_texts
from pilot.outcomes.receipt_rules import IMPLAUSIBLE
from tests.pilot.imports.builders import Chain
from tests.pilot.imports.test_fast import HOSTILE

IMPORTER = importer_for(ImportKind.RECEIPTS)
FIELDS = tuple(API_MAPPING.columns)
_files = itertools.count()

Row = Mapping[str, str | None]
Verdicts = dict[int, tuple[str, str, str]]  # of what is not accepted: parked or rejected, field, code of the reason

LONG = st.sampled_from(["S" * 64, "S" * 65, "S" * 80, "31" + " " * 90, "2099-01-01 10:00" + " " * 80 + "x", "·", "3·1"])
ODD = st.one_of(HOSTILE, LONG, st.sampled_from(["\x07", "3\x071", "\u202e31", "\u200b", "\ufeff31", "31\u00a0"]))
MONEY = st.one_of(
    st.sampled_from(["10.00", "-10.00", "0", "9999999.99", "10000000.00", "-10000000", "5000000000." + "0" * 90]),
    st.integers(-(10**13), 10**13).map(str),
)
TIMES = st.sampled_from(
    [
        "2026-01-10 12:00",
        "2026-01-10T12:00:00+02:00",
        "2026-03-03 23:59",
        "2026-03-04 00:00",
        "2099-01-01 10:00",
        "2099-01-01 10:00 and more",
        "1999-12-31T23:59:59Z",
        "1970-01-01 00:00",
        "2026-02-30 10:00",
        "2026-01-10 24:00",
        "2026-01-10" + " " * 90 + "12:00",
    ]
)
KINDS = st.sampled_from(["sale", "return", "correction", "identification", "Refund", "x"])
USUAL = {
    "receipt": st.uuids().map(str),
    "store": st.sampled_from(["31", "309", "7", "nowhere", " 31 "]),
    "at": TIMES,
    "net": MONEY,
    "kind": st.none() | KINDS,
    "n_items": st.none() | st.integers(-2, 200_000).map(str),
    **dict.fromkeys(("vat", "discount", "cost", "reward"), st.none() | MONEY),
    **dict.fromkeys(("till", "number", "refers_to", "customer"), st.none() | st.integers(0, 9).map(str)),
    "offer": st.none() | st.just("WELCOME"),
}
# Mostly usual values, so that most rows have few mistakes and each of them is seen alone.
ROWS = st.lists(
    st.fixed_dictionaries({name: st.one_of(usual, usual, usual, ODD) for name, usual in USUAL.items()}),
    min_size=1,
    max_size=40,
)


@pytest.fixture
def chain(database: Database, now: datetime) -> Chain:
    return Chain(database, now).with_stores()


def at_the_door(chain: Chain, rows: Sequence[Row]) -> Verdicts:
    """What the API says."""
    with chain.database.reading() as session:
        done = check_call(receipt_texts(rows), [], Rulebook.of(session, chain.now), chain.now)
    parked = {index: ("parked", found.field, found.reason.code) for index, found in done.parked.items()}
    rejected = {index: ("rejected", found.field, found.reason.code) for index, found in done.rejected.items()}
    assert done.staged.num_rows == len(rows) - len(parked) - len(rejected)
    return {**parked, **rejected}


def from_a_csv(chain: Chain, rows: Sequence[Row]) -> Verdicts:
    """What is said of a CSV file with these rows; lines are counted as an editor does."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(FIELDS)
    lines = []
    for row in rows:
        lines.append(len(written.getvalue().encode().splitlines()) + 1)
        writer.writerow([row[name] or "" for name in FIELDS])
    path = chain.file(written.getvalue().encode(), f"{next(_files)}.csv")
    return _said(_findings(chain, path, FileFormat.CSV), lines)


def from_a_parquet(chain: Chain, rows: Sequence[Row]) -> Verdicts:
    """What is said of a Parquet file with these rows."""
    path = chain.database.settings.home / f"{next(_files)}.parquet"
    pq.write_table(pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in FIELDS}), path)
    return _said(_findings(chain, path, FileFormat.PARQUET), list(range(1, len(rows) + 1)))


def _findings(chain: Chain, path: Path, form: FileFormat) -> Sequence[Finding]:
    mapping = replace(API_MAPPING, format=form)
    with chain.database.reading() as session:
        done = check_import(session, IMPORTER, path, mapping, now=chain.now, quarantine=True).checked
    assert done is not None
    return done.findings


def _said(findings: Sequence[Finding], lines: Sequence[int]) -> Verdicts:
    """By row, as the API sums up: what is wrong comes before what is implausible. Rows are compared with each other
    only in a file, so what is said of two of them does not count."""
    said: Verdicts = {}
    for finding in findings:
        if finding.reason.code == "doubled_key":
            continue
        row, is_implausible = lines.index(finding.line), finding.reason.code in IMPLAUSIBLE
        if row not in said or (said[row][0] == "parked" and not is_implausible):
            said[row] = ("parked" if is_implausible else "rejected", finding.field, finding.reason.code)
    return said


def a_row(**values: str) -> Row:
    return {**dict.fromkeys(FIELDS), "receipt": "r", "store": "31", "at": "2026-01-10 12:00", "net": "10.00", **values}


def test_a_file_and_the_api_say_the_same_of_every_receipt(chain: Chain) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(rows=ROWS)
    @example(rows=[a_row(), a_row(store="3\x071"), a_row(store="S" * 80), a_row(store="nowhere")])
    @example(rows=[a_row(), a_row(at="2099-01-01 10:00 and more"), a_row(at="2099-01-01 10:00"), a_row(net="1e9")])
    @example(rows=[a_row(net="5000000000." + "0" * 90), a_row(at="2099-01-01" + " " * 90 + "12:00")])
    def alike(rows: list[Row]) -> None:
        said = at_the_door(chain, rows)
        if not any("\0" in (text or "") for row in rows for text in row.values()):  # refuses a CSV file as a whole
            assert from_a_csv(chain, rows) == said
        assert from_a_parquet(chain, rows) == said

    alike()


def test_the_receipts_that_are_compared_are_of_every_kind(chain: Chain) -> None:
    """The property would say nothing if all rows ended in the same way."""
    rows = [a_row(), a_row(store="nowhere"), a_row(at="2099-01-01 10:00"), a_row(net="-1", kind="sale"), a_row(net="x")]
    assert at_the_door(chain, rows) == {
        1: ("parked", "store", "unknown_store"),
        2: ("parked", "at", "implausible_date"),
        3: ("rejected", "net", "negative_sale"),
        4: ("rejected", "net", "not_an_amount"),
    }
