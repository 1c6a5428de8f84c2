"""Imports stage and then publish at once, name every bad row, park rows on request, and never do a thing twice."""

import os
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import func, select

from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.errors import NotFound
from pilot.imports import queries
from pilot.imports.errors import (
    BadRows,
    ColumnNotInFile,
    FieldNotMapped,
    ImportRefused,
    MixedRelease,
    NoRows,
    NotStaged,
    NotWaiting,
    StagingGone,
    UnknownField,
    UnknownOption,
)
from pilot.imports.mapping import FileMapping, guess_mapping
from pilot.imports.model import ImportFinding, ImportKind, ImportRun, QuarantinedRow, RunState
from pilot.imports.quarantine import drop_quarantined, release_quarantined
from pilot.imports.service import discard, publish, record_refusal, remove_staging, save_mapping, staged_file, sweep
from pilot.network.model import Region, Store
from pilot.network.queries import stores
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from tests.pilot.imports.builders import RECEIPTS, REGIONS, STORES, Chain

BAD_STORES = "store,region,name\n31,N,Oak Street\n32,X,Nowhere\nNaN,N,=1+1\n"


@pytest.fixture
def chain(database: Database, now: datetime) -> Chain:
    return Chain(database, now)


def test_a_staged_file_changes_nothing_until_it_is_published(chain: Chain) -> None:
    run = chain.stage(ImportKind.REGIONS, REGIONS)
    with chain.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Region)) == 0
    chain.publish(run)
    with chain.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Region)) == 2


def test_every_bad_cell_is_named_by_line_column_value_and_reason(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    with pytest.raises(ImportRefused) as refused:
        chain.stage(ImportKind.STORES, BAD_STORES)
    found = [(f.line, f.column, f.value, f.reason.code) for f in refused.value.findings]
    assert found == [
        (3, "region", "X", "unknown_reference"),
        (4, "store", "NaN", "id_missing"),
        (4, "name", "=1+1", "formula"),
    ]
    assert "2 of 3 rows" in str(refused.value)
    assert "There is no region “X”" in str(refused.value)


def test_a_refused_file_leaves_nothing_behind(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    with pytest.raises(BadRows):
        chain.stage(ImportKind.STORES, BAD_STORES)
    with chain.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Store)) == 0
        assert session.scalar(select(func.count()).select_from(ImportRun)) == 1
        assert not session.scalars(select(ImportFinding)).all()
    staged = list(chain.database.settings.staging_dir.glob("*"))
    assert len(staged) == 1


def test_the_findings_of_a_refused_file_can_be_kept_for_a_page(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    path = chain.file(BAD_STORES, "stores.csv")
    importer = importer_for(ImportKind.STORES)
    mapping = guess_mapping(importer, path).mapping
    with pytest.raises(BadRows) as refused:
        chain.stage(ImportKind.STORES, path)
    for _ in range(2):  # a second attempt replaces the first one's findings
        with chain.database.unit_of_work() as session:
            run = record_refusal(session, refused.value, importer, path, mapping, actor=chain.admin, now=chain.now)
    with chain.database.reading() as session:
        assert queries.run(session, run.id).state == RunState.REFUSED
        assert [f.line for f in queries.findings(session, run.id)] == [3, 4, 4]


def test_a_refused_file_goes_in_once_what_was_missing_is_there(chain: Chain) -> None:
    with pytest.raises(BadRows):
        chain.stage(ImportKind.STORES, STORES)
    chain.take_in(ImportKind.REGIONS, REGIONS)
    assert chain.take_in(ImportKind.STORES, STORES).n_new == 3


def test_the_same_file_twice_changes_nothing_and_says_so(chain: Chain) -> None:
    chain.with_stores()
    first = chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    version = Lake(chain.database.settings).version()
    again = chain.stage(ImportKind.RECEIPTS, RECEIPTS)
    assert again.id == first.id
    assert again.is_published
    assert chain.publish(again).n_new == 4
    assert Lake(chain.database.settings).version() == version


def test_the_same_rows_in_another_file_change_nothing(chain: Chain) -> None:
    chain.with_stores()
    chain.take_in(ImportKind.RECEIPTS, RECEIPTS)
    version = Lake(chain.database.settings).version()
    again = chain.take_in(ImportKind.RECEIPTS, RECEIPTS.replace("\n", "\r\n"))
    assert (again.state, again.n_new, again.n_known) == (RunState.UNCHANGED, 0, 4)
    assert Lake(chain.database.settings).version() == version


def test_an_older_file_of_stores_can_be_imported_again_after_a_newer_one(chain: Chain) -> None:
    chain.with_stores()
    chain.take_in(ImportKind.STORES, STORES.replace("Harbour", "Quay"))
    assert chain.take_in(ImportKind.STORES, STORES).n_new == 1
    with chain.database.reading() as session:
        assert [store.name for store in stores(session)] == ["Harbour", "Oak Street", "Mill Road"]


def test_repeated_rows_count_once_and_differing_ones_are_all_named(chain: Chain) -> None:
    assert chain.stage(ImportKind.REGIONS, "region,name\nN,North\nN,North\n").n_known == 1
    with pytest.raises(BadRows) as refused:
        chain.stage(ImportKind.REGIONS, "region,name\nN,North\nS,South\nN,Nord\n")
    found = [(f.line, f.value, str(f.reason)) for f in refused.value.findings]
    assert found == [
        (2, "N", "Line 4 has the same region with other content."),
        (4, "N", "Line 2 has the same region with other content."),
    ]


def test_parked_rows_are_visible_correctable_and_importable_again(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    run = chain.take_in(ImportKind.STORES, BAD_STORES, quarantine=True)
    assert (run.n_rows, run.n_new, run.n_quarantined) == (3, 1, 2)
    with chain.database.unit_of_work() as session:
        parked = queries.waiting_rows(session, run_id=run.id)
        assert [(row.line, row.field, row.row["region"]) for row in parked] == [(3, "region", "X"), (4, "store", "N")]
        released = release_quarantined(
            session,
            importer_for(ImportKind.STORES),
            {parked[0].id: {"region": "S"}},
            actor=chain.admin,
            now=chain.now,
        )
        drop_quarantined(session, [parked[1].id], actor=chain.admin, now=chain.now)
    assert chain.publish(released).n_new == 1
    with chain.database.reading() as session:
        assert [(store.code, store.region.code) for store in stores(session)] == [("31", "N"), ("32", "S")]
        assert queries.n_waiting(session) == 0


def test_a_row_that_is_still_wrong_stays_parked(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    run = chain.take_in(ImportKind.STORES, BAD_STORES, quarantine=True)
    with chain.database.reading() as session:
        row_id = queries.waiting_rows(session, run_id=run.id)[0].id
    with pytest.raises(BadRows, match="no region “Y”"), chain.database.unit_of_work() as session:
        release_quarantined(
            session, importer_for(ImportKind.STORES), {row_id: {"region": "Y"}}, actor=chain.admin, now=chain.now
        )
    with chain.database.reading() as session:
        assert queries.n_waiting(session) == 2


def test_discarding_a_release_parks_its_rows_again(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    run = chain.take_in(ImportKind.STORES, BAD_STORES, quarantine=True)
    with chain.database.unit_of_work() as session:
        row = queries.waiting_rows(session, run_id=run.id)[0]
        released = release_quarantined(
            session, importer_for(ImportKind.STORES), {row.id: {"region": "S"}}, actor=chain.admin, now=chain.now
        )
        assert queries.n_waiting(session) == 1
        discard(session, released, actor=chain.admin, now=chain.now)
        assert queries.n_waiting(session) == 2


def test_only_waiting_rows_of_one_import_can_be_released(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    importer = importer_for(ImportKind.STORES)
    run = chain.take_in(ImportKind.STORES, BAD_STORES, quarantine=True)
    other = chain.take_in(ImportKind.STORES, "store,region\n40,X\n", quarantine=True)
    with chain.database.unit_of_work() as session:
        mine, theirs = (queries.waiting_rows(session, run_id=r.id)[0].id for r in (run, other))
        with pytest.raises(MixedRelease):
            release_quarantined(session, importer, {mine: {}, theirs: {}}, actor=chain.admin, now=chain.now)
        with pytest.raises(MixedRelease):
            release_quarantined(session, importer, {}, actor=chain.admin, now=chain.now)
        drop_quarantined(session, [mine], actor=chain.admin, now=chain.now)
        with pytest.raises(NotWaiting):
            drop_quarantined(session, [mine], actor=chain.admin, now=chain.now)
        with pytest.raises(NotFound):
            drop_quarantined(session, [999_999], actor=chain.admin, now=chain.now)


def test_the_texts_of_a_dropped_row_are_deleted(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    run = chain.take_in(ImportKind.STORES, BAD_STORES, quarantine=True)
    with chain.database.unit_of_work() as session:
        parked = [row.id for row in queries.waiting_rows(session, run_id=run.id)]
        drop_quarantined(session, parked, actor=chain.admin, now=chain.now)
        assert [row.row for row in session.scalars(select(QuarantinedRow))] == [{}, {}]


def test_only_a_staged_import_can_be_discarded_and_then_it_cannot_be_published(chain: Chain) -> None:
    run = chain.stage(ImportKind.REGIONS, REGIONS)
    with chain.database.unit_of_work() as session:
        found = session.get_one(ImportRun, run.id)
        discard(session, found, actor=chain.admin, now=chain.now)
        with pytest.raises(NotStaged):
            discard(session, found, actor=chain.admin, now=chain.now)
        with pytest.raises(NotStaged):
            publish(session, importer_for(ImportKind.REGIONS), found, actor=chain.admin, now=chain.now)
    assert chain.take_in(ImportKind.REGIONS, REGIONS).n_new == 2


def test_publishing_without_the_staged_rows_says_what_to_do(chain: Chain) -> None:
    run = chain.stage(ImportKind.REGIONS, REGIONS)
    with chain.database.reading() as session:
        remove_staging(session, run)
    with pytest.raises(StagingGone, match="Import the file again"):
        chain.publish(run)


def test_every_step_is_in_the_log(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    with chain.database.reading() as session:
        verbs = list(session.scalars(select(AuditEntry.verb).order_by(AuditEntry.seq)))
    assert verbs[-2:] == ["import.staged", "import.published"]


def test_findings_expire_and_staged_rows_of_finished_imports_are_swept(chain: Chain) -> None:
    chain.take_in(ImportKind.REGIONS, REGIONS)
    run = chain.take_in(ImportKind.STORES, BAD_STORES, quarantine=True)
    waiting = chain.stage(ImportKind.STORES, STORES)
    for folder in chain.database.settings.staging_dir.iterdir():
        os.utime(folder, (0, 0))
    at_work = chain.database.settings.staging_dir / "at-work"
    at_work.mkdir()
    later = chain.now.replace(year=chain.now.year + 1)
    with chain.database.unit_of_work() as session:
        assert sweep(session, now=later) == 3
        assert not staged_file(session, run).exists()
        assert staged_file(session, waiting).exists()
    assert at_work.is_dir()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"columns": {"store": "store"}}, FieldNotMapped),
        ({"columns": {"store": "shop", "region": "region"}}, ColumnNotInFile),
        ({"columns": {"store": "store", "region": "region", "colour": "name"}}, UnknownField),
        ({"attributes": {"size": "name"}}, UnknownField),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    chain: Chain, change: dict[str, object], error: type[Exception]
) -> None:
    path = chain.file(STORES)
    mapping = replace(guess_mapping(importer_for(ImportKind.STORES), path).mapping, **change)  # type: ignore[arg-type]
    with pytest.raises(error):
        chain.stage(ImportKind.STORES, path, mapping=mapping)


def test_a_header_without_rows_is_refused(chain: Chain) -> None:
    with pytest.raises(NoRows):
        chain.stage(ImportKind.REGIONS, "region,name\n")


def test_a_saved_mapping_comes_back_and_is_replaced_under_its_name(chain: Chain) -> None:
    mapping = FileMapping({"region": "Alue"}, delimiter=";", encoding="cp1252")
    with chain.database.unit_of_work() as session:
        save_mapping(session, "head office", ImportKind.REGIONS, FileMapping({}), actor=chain.admin, now=chain.now)
        save_mapping(session, "head office", ImportKind.REGIONS, mapping, actor=chain.admin, now=chain.now)
    with chain.database.reading() as session:
        assert queries.saved_mapping(session, "head office") == mapping
        assert len(queries.saved_mappings(session, ImportKind.REGIONS)) == 1
        with pytest.raises(NotFound):
            queries.saved_mapping(session, "other")


@pytest.mark.parametrize(
    "stored",
    [
        {"columns": [], "format": "csv"},
        {"columns": {"a": 1}},
        {"colour": "red"},
        {"encoding": "utf-7"},
        {"delimiter": "|"},
        {"decimal_mark": ";"},
        {"date_order": "Y"},
        {"time_zone": "Mars/Olympus"},
        {"last_line_complete": "yes"},
    ],
)
def test_a_mapping_file_with_impossible_options_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(UnknownOption):
        FileMapping.from_dict(stored)
