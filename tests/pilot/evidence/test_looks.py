"""Taking a look: when it may be taken, what it freezes, and what it leaves out, by name."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from experiments.look.report import Stamp
from pilot.access.permissions import MayNot
from pilot.assignment.errors import NotDrawn
from pilot.assignment.queries import draw_of
from pilot.audit.service import Head, verify
from pilot.canonical import sha256_hex
from pilot.evidence.document import ReportDocument, read_document
from pilot.evidence.errors import LookBeyondPlan, ReceiptsMissing, StageMovedOn, StageNotRunning
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import document_of, latest_report, pinned_versions, report, reports_of, view
from pilot.evidence.service import compute_report, freeze
from pilot.evidence.truths import Truth, Truths, load_truths, save_truths
from pilot.network.model import Store
from pilot.planning.errors import NoSuchStage, WindowStillOpen
from pilot.planning.model import StageState
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END, Point, installation

AFTER = END + timedelta(days=1)


def compute(network: SmallNetwork, on: date = AFTER, **options: object) -> ReportDocument:
    return network.read(
        lambda s, p: compute_report(s, p, 1, lake=network.lake, now=day_at(on), **options)  # type: ignore[arg-type]
    )


def frozen(network: SmallNetwork) -> ReportDocument:
    return network.read(lambda s, p: document_of(latest_report(s, p, 1)))  # type: ignore[arg-type]


def test_the_window_must_be_over(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END - timedelta(days=1))
        with pytest.raises(WindowStillOpen):
            compute(network, on=END)


def test_the_receipts_of_the_window_must_all_have_arrived(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END - timedelta(days=1))
        with pytest.raises(ReceiptsMissing, match=str(END)):
            compute(network)


@pytest.mark.parametrize(("point", "error"), [(Point.DRAFT, NoSuchStage), (Point.SEALED, NotDrawn)])
def test_a_stage_that_has_not_been_drawn_has_nobody_to_compare(
    tmp_path: Path, point: Point, error: type[Exception]
) -> None:
    with installation(point, tmp_path) as network, pytest.raises(error):
        compute(network)


def test_a_frozen_report_names_everything_it_rests_on(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:

        def read(session, pilot):  # type: ignore[no-untyped-def]
            row, draw = latest_report(session, pilot, 1), draw_of(session, pilot, 1)
            document = document_of(row)
            assert (row.plan_hash, row.ledger_hash) == (pilot.plan_hash, draw.ledger_hash)
            assert row.lake_version == document.lake_version == network.lake.version()
            assert row.hash == sha256_hex(row.document) == document.hash()
            assert row.audit_head == document.audit_head
            assert verify(session, row.audit_head).findings == ()
            assert Head.parse(row.audit_head).count > 0
            assert set(pinned_versions(session)) == {row.lake_version, draw.lake_version}
            return document, pilot.stage(1).state

        document, state = network.read(read)
        assert state == StageState.AT_GATE
        assert read_document(document.text()) == document
        assert (document.window.first, document.window.last) == (START, END)


def test_a_report_holds_codes_and_numbers_of_units_never_of_customers(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        text = network.read(lambda s, p: latest_report(s, p, 1).document)  # type: ignore[union-attr]
        assert "S01-C1" not in text
        assert {row["unit"] for row in json.loads(text)["moments"]["store_total"]} == set(network.stores)


def test_a_metric_whose_days_are_not_over_is_a_refusal_in_its_row(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        row = frozen(network).analysis.row("repeat_purchase_60d", "points")
        assert row.estimate is None
        assert row.refusal is not None
        assert row.refusal.code == "window_not_observed"


def test_the_same_data_give_the_same_text(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        assert compute(network).text() == compute(network).text()


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        told: list[tuple[int, int]] = []
        compute(network, progress=lambda done, total: told.append((done, total)))
        assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))


def test_a_stage_at_its_gate_takes_no_second_look(tmp_path: Path) -> None:
    with installation(Point.TWO_AT_GATE, tmp_path) as network, pytest.raises(StageNotRunning):
        compute(network, on=START + timedelta(days=14))


def test_a_look_beyond_the_plan_is_refused_and_exploratory_when_asked_for(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        with pytest.raises(LookBeyondPlan):
            compute(network)
        document = compute(network, exploratory=True)
        assert document.exploratory
        assert all(Stamp.EXPLORATORY in row.stamps and not row.leads for row in document.analysis.rows)
        assert document.recommendation.choice.value != "advance"
        shown = network.read(lambda s, p: view(s, document))
        assert shown.frozen is None
        assert shown.leading is None
        assert shown.headline is not None
        with pytest.raises(LookBeyondPlan):
            network.act(lambda s, p: freeze(s, document, actor=network.person("analyst"), now=day_at(AFTER)))


def test_two_people_who_look_at_once_freeze_one_report(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        document, same = compute(network), compute(network)
        analyst, manager = network.person("analyst"), network.person("manager")
        network.act(lambda s, p: freeze(s, document, actor=analyst, now=day_at(AFTER)))
        with pytest.raises(StageMovedOn):
            network.act(lambda s, p: freeze(s, same, actor=manager, now=day_at(AFTER)))
        assert len(network.read(reports_of)) == 1


def test_executives_do_not_make_the_reports_they_decide_on(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        document = compute(network)
        with pytest.raises(MayNot):
            network.act(lambda s, p: freeze(s, document, actor=network.person("executive"), now=day_at(AFTER)))


def test_a_store_that_closed_leaves_with_its_pair_by_name(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        with network.database.unit_of_work() as session:
            session.scalars(select(Store).where(Store.code == "S03")).one().closed_on = END
        document = compute(network)
        assert document.freshness.lost == ("S03",)
        row = document.analysis.row("store_total", "points")
        assert row.estimate is not None
        assert row.estimate.n_units == 14
        assert Stamp.UNITS_LOST in row.stamps
        assert any("S03" in str(warning) for warning in document.analysis.warnings)


def test_a_store_that_is_said_to_have_closed_and_sells_on_is_not_left_out(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        with network.database.unit_of_work() as session:
            session.scalars(select(Store).where(Store.code == "S03")).one().closed_on = END - timedelta(days=3)
        document = compute(network)
        assert document.freshness.lost == ()
        row = document.analysis.row("store_total", "points")
        assert row.estimate is not None
        assert row.estimate.n_units == 16


def test_the_picture_has_one_week_that_begins_with_the_stage(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        weeks = sorted({point.week for point in frozen(network).series})
        assert START in weeks
        assert (weeks[0], weeks[-1]) == (START - timedelta(weeks=6), END - timedelta(days=6))


def test_a_known_truth_stands_beside_its_row_and_nowhere_else(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        truths = Truths((Truth("points", 1, "store_total", "points", str(END), 12345.5),))
        network.act(
            lambda s, p: freeze(
                s,
                compute_report(s, p, 1, lake=network.lake, now=day_at(AFTER), truths=truths),
                actor=network.person("analyst"),
                now=day_at(AFTER),
            )
        )
        shown = network.read(lambda s, p: report(s, "points-1-1"))
        known = {row.metric: row.truth for row in shown.rows}
        assert known == {
            "store_total": 12345.5, "purchase_frequency": None, "repeat_purchase_60d": None, "average_basket": None,
        }  # fmt: skip
        assert shown.rows[0].covers_truth is not None
        assert shown.rows[1].covers_truth is None


def test_truths_are_read_in_a_demonstration_only(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network:
        settings = network.database.settings
        truths = Truths((Truth("points", 1, "store_total", "points", str(END), 1.5),))
        save_truths(settings.home, truths)
        assert load_truths(settings) is None
        assert load_truths(settings.model_copy(update={"demo": True})) == truths


def test_frozen_reports_cannot_be_changed(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:

        def tamper(session, pilot):  # type: ignore[no-untyped-def]
            session.scalars(select(FrozenReport)).one().recommendation = "stop"
            session.flush()

        with pytest.raises(Exception, match="append-only"):
            network.act(tamper)
