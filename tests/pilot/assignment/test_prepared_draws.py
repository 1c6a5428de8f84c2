"""A draw is prepared without a lock and written at once, or refused when what it rests on has moved."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.assignment.errors import DrawMovedOn
from pilot.assignment.model import Draw
from pilot.assignment.queries import assignment_of, draws_in_force
from pilot.assignment.service import draw_stage, prepare_draw
from pilot.database import Database
from pilot.planning.queries import pilot as pilot_by_code
from tests.pilot.assignment.a_drawn_pilot import drawn, owner_of, seal_again, sealed
from tests.pilot.planning.a_network import NOW, STARTS_ON, a_document, a_lake, a_network, a_stage, add_receipts, amended


def test_preparing_writes_nothing_and_a_late_receipt_changes_nothing(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake)
    prepared = prepare_draw(session, pilot, 1, lake=lake, now=NOW)
    assert session.scalar(select(Draw.id)) is None
    add_receipts(lake, STARTS_ON, 1, batch="late")
    draw = draw_stage(session, pilot, prepared=prepared, actor=owner_of(session, pilot), now=NOW)
    assert draw.ledger_hash == prepared.replayed.ledger_hash
    assert draw.lake_version == lake.version() - 1


def test_a_draw_of_a_plan_that_was_amended_meanwhile_is_not_written(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake)
    prepared = prepare_draw(session, pilot, 1, lake=lake, now=NOW)
    amended(session, pilot, lake, a_document(stages=[a_stage(weeks=9)]), "Longer")
    seal_again(session, pilot)
    with pytest.raises(DrawMovedOn, match="points-1"):
        draw_stage(session, pilot, prepared=prepared, actor=owner_of(session, pilot), now=NOW)
    assert drawn(session, lake, pilot).plan_hash == pilot.plan_hash


def test_stores_that_another_pilot_took_meanwhile_are_not_drawn_twice(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    one, two = sealed(session, lake), sealed(session, lake, code="points-2")
    prepared = prepare_draw(session, one, 1, lake=lake, now=NOW)
    drawn(session, lake, two)
    with pytest.raises(DrawMovedOn):
        draw_stage(session, one, prepared=prepared, actor=owner_of(session, one), now=NOW)


def test_two_pilots_drawn_at_once_share_no_store(database: Database) -> None:
    lake = a_lake(database.settings)
    with database.unit_of_work() as session:
        a_network(session)
        codes = [sealed(session, lake, code=code).code for code in ("points-1", "points-2")]
    with database.reading() as session:
        prepared = {code: prepare_draw(session, pilot_by_code(session, code), 1, lake=lake, now=NOW) for code in codes}
    together = Barrier(2, timeout=30)

    def draw_it(code: str) -> None:
        together.wait()
        with database.unit_of_work() as session:
            pilot = pilot_by_code(session, code)
            draw_stage(session, pilot, prepared=prepared[code], actor=owner_of(session, pilot), now=NOW)

    with ThreadPoolExecutor(2) as pool:
        outcomes = [f.exception() for f in [pool.submit(draw_it, code) for code in codes]]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DrawMovedOn", "NoneType"]
    with database.reading() as session:
        (in_force,) = draws_in_force(session)
        assert len(assignment_of(session, in_force[2])) == 12
