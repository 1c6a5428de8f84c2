"""Draws: nobody chooses them, they are made once, and the ledger says what was known."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from experiments.measure.metrics import AssignmentUnit
from pilot.assignment import queries
from pilot.assignment.errors import (
    AlreadyDrawn,
    DrawnTooLate,
    SeedMissing,
    SeedsAlreadyMade,
    SpecimenAfterSeal,
    TooLittleEntropy,
)
from pilot.assignment.exclusions import exclusions
from pilot.assignment.model import Draw, HomeEntry, LedgerEntry, SealedSeed
from pilot.assignment.record import homes_hash, read_record, replay
from pilot.assignment.service import balance_of, draw_stage, prepare_draw, seal_seeds, specimen
from pilot.database import Database
from pilot.network.model import Store
from pilot.planning import queries as planning_queries
from pilot.planning import service as planning
from pilot.planning.designer import smallest_effect
from pilot.planning.model import PilotState
from tests.pilot.assignment.a_drawn_pilot import (
    ENTROPY,
    drawn,
    owner_of,
    seal_again,
    sealed,
    started,
    through_the_gate,
)
from tests.pilot.planning.a_network import (
    NOW,
    STARTS_ON,
    a_document,
    a_lake,
    a_network,
    a_pilot,
    a_stage,
    add_receipts,
    amended,
    signed,
    submitted,
)


def test_half_of_each_pair_is_drawn_and_the_ledger_holds_homes_and_lake_version(
    session: Session, database: Database
) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake)
    draw = drawn(session, lake, pilot)
    assert pilot.state == PilotState.DRAWN
    assert Counter(queries.assignment_of(session, draw).values()) == {"control": 6, "points": 6}
    assert len({entry.block for entry in draw.entries}) == 6
    homes = queries.homes(session, draw)
    assert homes.num_rows == 96
    assert homes["store_id"].to_pylist() == [(key - 1) // 8 + 1 for key in homes["customer_key"].to_pylist()]
    assert draw.lake_version == lake.version()
    assert queries.unit_stores(session, draw)["unit"].to_pylist() == [f"S{i:02d}" for i in range(1, 13)]
    assert [row.covariate for row in balance_of(session, draw)] == [
        "identified_ppm",
        "listed_customers",
        "net_minor_per_week",
        "receipts_per_week",
        "spend_per_customer_minor",
    ]


def test_sqlite_and_postgresql_give_the_same_ledger(sqlite_database: Database, postgres_database: Database) -> None:
    hashes = []
    for database in (sqlite_database, postgres_database):
        lake = a_lake(database.settings)  # one home, one lake: the second call finds its receipts there
        with database.unit_of_work() as session:
            a_network(session)
            hashes.append(drawn(session, lake, sealed(session, lake)).ledger_hash)
    assert hashes[0] == hashes[1]


def test_the_record_replays_after_more_receipts_came_in(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    draw = drawn(session, lake, sealed(session, lake))
    add_receipts(lake, STARTS_ON - timedelta(weeks=2), 4, batch="late")
    replayed = replay(draw.record)
    assert replayed.ledger_hash == draw.ledger_hash
    assert {row.unit: row.variant for row in replayed.rows} == queries.assignment_of(session, draw)


def test_the_home_list_is_under_the_ledger_hash(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    draw = drawn(session, lake, sealed(session, lake))
    codes = {store.id: store.code for store in session.scalars(select(Store))}
    rows = session.scalars(select(HomeEntry).where(HomeEntry.draw_id == draw.id)).all()
    assert read_record(draw.record)["homes"] == {
        "count": len(rows),
        "hash": homes_hash({row.customer_key: codes[row.store_id] for row in rows}),
    }


def test_seeds_are_made_once_at_the_seal_from_enough_entropy(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = a_pilot(session)
    submitted(session, pilot, lake)
    proofs, _analyst, executive = signed(session, pilot)
    planning.mark_cosigned(session, pilot, proof=proofs[0])
    planning.seal(session, pilot, proofs=proofs, actor=executive, now=NOW)
    with pytest.raises(SeedMissing):
        drawn(session, lake, pilot)
    with pytest.raises(TooLittleEntropy):
        seal_seeds(session, pilot, entropy=b"short", actor=executive, now=NOW)
    seal_seeds(session, pilot, entropy=ENTROPY, actor=executive, now=NOW)
    with pytest.raises(SeedsAlreadyMade):
        seal_seeds(session, pilot, entropy=b"another sixteen.", actor=executive, now=NOW)
    with pytest.raises(SpecimenAfterSeal):
        specimen(session, pilot, 1, lake=lake, seed_text="again")


def test_a_specimen_is_marked_stores_nothing_and_follows_from_its_words(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = a_pilot(session)
    one, again, other = (specimen(session, pilot, 1, lake=lake, seed_text=text) for text in ("a", "a", "b"))
    assert one.replayed.is_specimen
    assert one.replayed == again.replayed
    assert one.replayed.rows != other.replayed.rows
    assert session.scalar(select(Draw.id)) is None
    assert session.scalar(select(SealedSeed.id)) is None


def test_a_specimen_deals_only_what_the_binding_draw_could(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    half = [a_stage(units=["S01", "S02", "S03", "S04", "S05", "S06", "S07"])]
    taken = drawn(session, lake, sealed(session, lake, alpha="0.3", mechanism={"kind": "complete"}, stages=half))
    later = a_pilot(session, code="points-2", alpha="0.3")
    shown = specimen(session, later, 1, lake=lake, seed_text="a")
    assert not {row.unit for row in shown.replayed.rows} & set(queries.assignment_of(session, taken))


def test_a_stage_is_drawn_once_and_only_before_it_starts(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake)
    with pytest.raises(DrawnTooLate, match="Amend the start"):
        drawn(session, lake, pilot, days=8)
    drawn(session, lake, pilot)
    with pytest.raises(AlreadyDrawn):
        drawn(session, lake, pilot)


def test_a_new_draw_is_an_amendment_and_the_old_one_stays_in_the_ledger(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake)
    first = drawn(session, lake, pilot)
    amended(session, pilot, lake, a_document(stages=[a_stage(weeks=9)]), "Longer")
    assert queries.draw_of(session, pilot, 1) is None, "the amendment voids the draw"
    seal_again(session, pilot)
    second = drawn(session, lake, pilot)
    assert queries.draw_of(session, pilot, 1) == second
    assert queries.draws(session, pilot) == [first, second]
    assert first.plan_hash != second.plan_hash


def test_an_amendment_of_a_later_stage_leaves_the_running_draw_in_force(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    half = ["S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08"]
    pilot = sealed(session, lake, alpha="0.2", stages=[a_stage(units=half), a_stage(2)])
    draw = drawn(session, lake, pilot)
    started(session, pilot)
    changed = a_document(alpha="0.2", stages=[a_stage(units=half), a_stage(2, weeks=12)])
    amended(session, pilot, lake, changed, "Longer")
    assert queries.draw_of(session, pilot, 1) == draw
    seal_again(session, pilot)
    assert pilot.state == PilotState.RUNNING
    assert queries.draw_of(session, pilot, 1) == draw
    assert planning_queries.plan_of(session, pilot, draw.plan_hash).stage(2).weeks == 8


def test_the_next_stage_draws_only_stores_that_were_not_treated_and_leaves_their_customers_out(
    session: Session, database: Database
) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    stages = [a_stage(units=["S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08"], gate=["no_alarm"]), a_stage(2)]
    pilot = sealed(session, lake, mechanism={"kind": "complete"}, alpha="0.10", stages=stages)
    first = drawn(session, lake, pilot)
    started(session, pilot)
    through_the_gate(session, pilot)
    add_receipts(lake, STARTS_ON, 19, batch="during")
    second = drawn(session, lake, pilot, 2, days=100)
    treated = {code for code, variant in queries.assignment_of(session, first).items() if variant != "control"}
    assert set(queries.assignment_of(session, second)) == {f"S{i:02d}" for i in range(1, 13)} - treated
    assert queries.left_out(second) == dict.fromkeys(treated, "treated_earlier")
    ids = {store.id for store in session.scalars(select(Store)) if store.code in treated}
    assert not ids & set(queries.homes(session, second)["store_id"].to_pylist())


def test_stores_of_another_pilot_are_not_drawn_while_it_may_run(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    north = a_stage(units=["region:NORTH"])
    first = sealed(session, lake, alpha="0.3", stages=[north])
    drawn(session, lake, first)
    south = a_stage(units=["S06", "region:SOUTH"])
    second = sealed(session, lake, code="points-2", alpha="0.3", stages=[south])
    draw = drawn(session, lake, second)
    assert queries.left_out(draw) == {"S06": "other_pilot"}
    assert set(queries.assignment_of(session, draw)) == {f"S{i:02d}" for i in range(7, 13)}


@pytest.mark.parametrize(("weeks", "out"), [(3, {}), (4, "cooling_down")])
def test_a_store_that_another_pilot_treated_cools_down_before_it_is_drawn_again(
    session: Session, database: Database, weeks: int, out: object
) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    first = sealed(session, lake)
    treated = {code for code, variant in queries.assignment_of(session, drawn(session, lake, first)).items()
               if variant != "control"}  # fmt: skip
    started(session, first)
    planning.stop_pilot(session, first, reason="It did not work.", actor=owner_of(session, first), now=NOW)
    later = a_stage(starts_on=str(first.stage(1).ends_on + timedelta(weeks=4)))
    second = a_pilot(session, code="points-2", stages=[later], eligibility={"cooling_weeks": weeks})
    assert exclusions(session, second, 1).stores == (dict.fromkeys(treated, out) if out else {})


def test_stores_that_closed_are_new_or_held_out_are_left_out_with_the_reason(
    session: Session, database: Database
) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    session.get_one(Store, 1).closed_on = date(2026, 4, 1)
    session.get_one(Store, 2).opened_on = date(2026, 1, 15)
    kept = {"min_trading_weeks": 5, "min_listed_customers": 3}
    pilot = sealed(session, lake, mechanism={"kind": "complete"}, holdout=["S03"], eligibility=kept)
    draw = drawn(session, lake, pilot)
    assert queries.left_out(draw) == {"S01": "closed", "S02": "too_new", "S03": "holdout"}
    assert len(queries.assignment_of(session, draw)) == 9


def test_a_store_left_without_a_partner_is_named(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    draw = drawn(session, lake, sealed(session, lake, alpha="0.1", holdout=["S03"]))
    assert sorted(queries.left_out(draw).values()) == ["holdout", "no_partner"]
    assert len(queries.assignment_of(session, draw)) == 10


def test_regions_are_drawn_whole(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = a_pilot(session, unit="region", mechanism={"kind": "complete"})
    shown = specimen(session, pilot, 1, lake=lake, seed_text="x")
    assert [row.unit for row in shown.replayed.rows] == ["NORTH", "SOUTH"]
    visible = smallest_effect(session, lake, planning_queries.draft_plan(pilot), 1)
    assert visible.refusal is not None
    assert (visible.refusal.code, visible.smallest_p) == ("design_refused", 1.0)


CUSTOMERS = {
    "unit": "customer",
    "leads": "customers",
    "primary": "spend_per_customer",
    "mechanism": {"kind": "stratified"},
}


def test_customers_are_drawn_inside_their_segments_by_key_only(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake, **CUSTOMERS, segments=["young"])
    draw = drawn(session, lake, pilot)
    entries = draw.entries
    assert {entry.block for entry in entries} == {"young"}
    assert {int(entry.unit_code) % 2 for entry in entries} == {1}
    assert Counter(entry.variant for entry in entries) == {"control": 24, "points": 24}
    assert queries.unit_of(draw) is AssignmentUnit.CUSTOMER
    assert queries.homes(session, draw).num_rows == 48
    assert "C01" not in draw.record, "external ids stay in the customer table"


def test_an_open_list_has_a_salt_of_its_own_and_no_unit_rows(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake, **{**CUSTOMERS, "mechanism": {"kind": "bernoulli_hash"}})
    draw = drawn(session, lake, pilot)
    assert draw.entries == []
    assert queries.mechanism_of(draw).salt == read_record(draw.record)["seed"]


def test_the_ledger_is_append_only(session: Session, database: Database) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    draw = drawn(session, lake, sealed(session, lake))
    for statement in (
        update(LedgerEntry).where(LedgerEntry.draw_id == draw.id).values(variant="points"),
        delete(HomeEntry).where(HomeEntry.draw_id == draw.id),
        update(Draw).values(ledger_hash="0" * 64),
        update(SealedSeed).values(seed="0" * 64),
    ):
        with pytest.raises(DatabaseError), session.begin_nested():
            session.execute(statement)


def test_of_two_who_draw_at_once_one_draws(database: Database) -> None:
    lake = a_lake(database.settings)
    with database.unit_of_work() as session:
        a_network(session)
        code = sealed(session, lake).code

    with database.reading() as session:
        prepared = prepare_draw(session, planning_queries.pilot(session, code), 1, lake=lake, now=NOW)

    def draw_it(_: int) -> str:
        with database.unit_of_work() as session:
            pilot = planning_queries.pilot(session, code)
            draw_stage(session, pilot, prepared=prepared, actor=owner_of(session, pilot), now=NOW)
        return "drawn"

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(draw_it, i) for i in range(2)]
    outcomes = sorted("drawn" if f.exception() is None else type(f.exception()).__name__ for f in found)
    assert outcomes == ["AlreadyDrawn", "drawn"]
