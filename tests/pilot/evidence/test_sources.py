"""Where a report reads: derived days, kept sums and receipts give the same document, to the byte."""

from pathlib import Path

from pilot.evidence.state import StageState
from pilot.outcomes.days.service import Days
from tests.pilot.evidence.snapshots import END, Point, installation
from tests.pilot.evidence.test_looks import compute


def test_days_kept_sums_and_receipts_give_the_same_report(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        lake = network.lake
        days = Days(lake)
        days.rebuild()
        assert days.day_facts(lake.version()) is not None
        from_days, from_kept_sums = compute(network).text(), compute(network).text()
        assert list(StageState(lake, days).folder.glob("*.arrow"))
        days.drop()
        assert Days(lake).day_facts(lake.version()) is None
        assert compute(network).text() == from_days == from_kept_sums


def test_a_broken_file_of_the_home_list_is_read_again_from_the_ledger(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        expected = compute(network).text()
        (kept,) = (network.lake.settings.home / "derived" / "homes").glob("*.parquet")
        kept.write_bytes(b"not a table")
        assert compute(network).text() == expected
        assert kept.read_bytes() != b"not a table"
