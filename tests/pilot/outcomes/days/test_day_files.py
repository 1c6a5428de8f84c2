"""The files of days hold whole numbers of 64 bits, so no amount is too large to come back as it was."""

from datetime import timedelta
from pathlib import Path
from random import Random

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilot.evidence.state import StageState
from pilot.outcomes.days.service import Days
from pilot.outcomes.days.tables import DayTable
from pilot.outcomes.lake import Lake
from pilot.settings import Settings
from tests.pilot.outcomes.days.book import START, Book, deliver, from_receipts, moments_of

ODD = 2**53 + 1  # the first whole number that a float of 64 bits does not hold


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings)


def types_in(table: DayTable) -> list[dict[str, str]]:
    """Column and type of every file."""
    schemas = [pq.read_schema(file) for file in sorted(Path(table.root).glob("*/*.parquet"))]
    return [{field.name: str(field.type) for field in schema} for schema in schemas]


def test_every_file_has_the_declared_types_before_and_after_tidying(lake: Lake) -> None:
    book, days = Book(Random(21)), Days(lake)
    for number in range(3):
        deliver(lake, f"b{number}", book.delivery(20))
        days.keep_up()
    for table in (days.customers, days.stores):
        declared = {field.name: str(field.type) for field in table.schema}
        assert {declared[name] for name in ("net_minor", "sales", "lake_version")} == {"int64"}
        assert len(found := types_in(table)) >= 3
        table.tidy()
        assert all(types == declared for types in [*found, *types_in(table)])


def test_an_amount_that_no_float_holds_comes_back_as_it_was(lake: Lake) -> None:
    book, days = Book(Random(22)), Days(lake)
    sale, *others = book.delivery(30)
    big = {**sale, "kind": "sale", "customer_key": 1, "business_date": START, "net_minor": ODD, "refers_to": None}
    deliver(lake, "one", [big, *others])
    days.keep_up()
    deliver(lake, "two", [{**big, "receipt_id": "next", "business_date": START + timedelta(days=1)}])
    days.keep_up()
    facts = days.day_facts(lake.version())
    assert facts is not None
    for rows in (facts.customers, facts.stores):
        amounts = rows.filter(rows.business_date == START + timedelta(days=1)).net_minor.to_pyarrow().to_pylist()
        assert ODD in amounts
    assert moments_of(facts) == from_receipts(lake)
    moments = moments_of(facts).moments["spend_per_customer"]
    assert max(unit.y for unit in moments) > 2 * ODD - 10**7


def test_a_file_of_other_types_is_refused(lake: Lake) -> None:
    days = Days(lake)
    deliver(lake, "one", Book(Random(23)).delivery(5))
    days.customers._reduce = lambda rows: rows.select(  # type: ignore[method-assign, assignment]  # doubles
        "customer_key", "business_date", net_minor=rows.net_minor.cast("float64"), sales=ibis.literal(1),
        purchase_days=ibis.literal(1),
    )  # fmt: skip
    with pytest.raises(TypeError, match="customer_days has"):
        days.keep_up()
    assert days.day_facts(lake.version()) is None


def test_what_a_report_kept_of_each_customer_are_whole_numbers_too(lake: Lake) -> None:
    from experiments.measure.stage import stage_reach
    from tests.pilot.outcomes.days.book import asked

    deliver(lake, "one", Book(Random(24)).delivery(40))
    days, reach = Days(lake), stage_reach(asked())
    days.keep_up()
    assert reach is not None
    state = StageState(lake, days)
    assert state.customer_sums(lake.version(), reach) is not None
    (file,) = state.folder.glob("*.arrow")
    with pa.memory_map(str(file)) as source:
        assert {str(kind) for kind in pa.ipc.open_file(source).schema.types} == {"int64"}
