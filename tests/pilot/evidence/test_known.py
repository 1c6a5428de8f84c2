"""What was known on the day of the decision can be computed again, to the digit, beside what is known now."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from pilot.evidence.document import ReportDocument
from pilot.evidence.errors import LookBeyondPlan
from pilot.evidence.known import (
    Again,
    Compared,
    WindowNotKnown,
    as_known,
    beside_frozen,
    compared,
    same_numbers,
    version_on,
)  # fmt: skip
from pilot.evidence.queries import document_of, latest_report, pinned_versions
from pilot.evidence.service import freeze
from pilot.imports.model import ImportKind
from pilot.network.model import Store
from pilot.outcomes.days.service import Days
from pilot.outcomes.errors import NoSuchLakeVersion, NothingKnownYet
from pilot.planning.model import Pilot
from pilot.settings import Settings
from tests.pilot.evidence.small_network import RECEIPT_HEADER, SET_UP_ON, START, SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END, Point, installation

LATER = END + timedelta(days=9)


def late(network: SmallNetwork, on: date = LATER) -> None:
    """After the decision: late sales of treated stores and a return, all of them on days of the window."""
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    rows = [
        [
            f"late-{store}-{n}",
            store,
            f"{START + timedelta(days=n)}T11:00:00Z",
            "250.00",
            "9",
            str(n),
            "sale",
            f"{store}-C1",
        ]
        for store in treated
        for n in range(1, 9)
    ]
    rows.append(["back-1", treated[0], f"{END}T12:00:00Z", "-40.00", "9", "900", "return", f"{treated[0]}-C1"])
    network.load(ImportKind.RECEIPTS, RECEIPT_HEADER, rows, day_at(on))


def frozen(network: SmallNetwork) -> ReportDocument:
    return network.read(lambda s, p: document_of(latest_report(s, p, 1)))  # type: ignore[arg-type]


def beside(network: SmallNetwork, version: int | None = None) -> Compared:
    return network.read(lambda s, p: compared(s, p, frozen(network), lake=network.lake, version=version))


@pytest.mark.parametrize("with_days", [True, False])
def test_the_decisions_day_is_computed_again_after_late_receipts_and_vacuum(tmp_path: Path, with_days: bool) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        if with_days:
            Days(network.lake).keep_up()
        before = frozen(network)
        late(network)
        network.lake.compact()
        with network.database.reading() as session:
            network.lake.vacuum(pinned_versions(session))
        if with_days:
            Days(network.lake).keep_up()
        found = beside(network)
        assert found.is_as_frozen
        assert same_numbers(found.then, before)
        assert found.then.lake_version == before.lake_version
        assert found.now.lake_version == network.lake.version() > before.lake_version
        assert not same_numbers(found.now, before)


def test_the_difference_is_told_with_what_arrived(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        late(network)
        found = beside(network)
        assert {(one.kind.value, one.n, one.net_minor) for one in found.arrived} == {
            ("sale", 8 * 8, 8 * 8 * 25000), ("return", 1, -4000),
        }  # fmt: skip
        row = next(row for row in found.rows if row.then.metric == "store_total" and row.then.segment is None)
        assert row.change is not None
        assert row.change > 0  # the late sales were those of treated stores


def test_without_late_receipts_now_is_what_was_known_then(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        found = beside(network)
        assert found.arrived == ()
        assert same_numbers(found.then, found.now)
        assert {row.change for row in found.rows} <= {0.0, None}


def test_a_day_of_knowledge_is_a_version_of_the_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrival = datetime(2099, 5, 5, 22, tzinfo=UTC)
    with installation(Point.AT_GATE, tmp_path) as network:
        decided = network.lake.version()
        with monkeypatch.context() as patch:
            patch.setattr(Settings, "now", lambda _settings: arrival)
            late(network)

        def on(day: date) -> int:
            return network.read(lambda s, p: version_on(s, network.lake, day))

        assert on(arrival.date() - timedelta(days=1)) == decided
        assert on(arrival.date()) == network.lake.version() == decided + 1
        assert on(date.max) == network.lake.version()  # nothing comes after the calendar
        with pytest.raises(NothingKnownYet):
            on(SET_UP_ON - timedelta(days=400))


def test_before_the_window_there_is_nothing_to_report(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        history = 1  # what was imported before the stage
        with pytest.raises(WindowNotKnown, match="Choose a later day"):
            beside(network, history)
        with pytest.raises(NoSuchLakeVersion):
            beside(network, 999)


def test_what_is_known_at_another_time_is_exploratory_and_never_frozen(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        late(network)
        document = network.read(
            lambda s, p: as_known(s, p, 1, lake=network.lake, version=network.lake.version(), now=day_at(LATER))
        )
        assert document.exploratory
        with pytest.raises(LookBeyondPlan):
            network.act(lambda s, p: freeze(s, document, actor=network.person("analyst"), now=day_at(LATER)))


def test_before_any_look_it_is_computed_as_known_too(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        version = network.lake.version()
        late(network)
        then = network.read(lambda s, p: as_known(s, p, 1, lake=network.lake, version=version, now=day_at(LATER)))
        assert (then.lake_version, then.exploratory) == (version, True)


def test_a_store_that_closed_since_does_not_move_what_the_frozen_report_knew(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:

        def close(session: Session, pilot: Pilot) -> None:
            gone = network.treated_stores(session, pilot, 1)[0]
            session.execute(update(Store).where(Store.code == gone).values(closed_on=START))

        network.act(close)
        assert beside(network).is_as_frozen


def test_why_the_numbers_are_others_is_told_apart(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        before = frozen(network)
        first, *others = before.analysis.rows
        of_segment = replace(
            before, analysis=replace(before.analysis, rows=(*before.analysis.rows, replace(first, segment="young")))
        )
        without = replace(before, analysis=replace(before.analysis, rows=tuple(others)))
        later = replace(without, lake_version=before.lake_version + 1)
        found = [beside_frozen(one, before) for one in (before, of_segment, without, later)]
        assert found == [Again.SAME, Again.OTHER_SEGMENTS, Again.OTHER_NETWORK, Again.OTHER_RECEIPTS]
