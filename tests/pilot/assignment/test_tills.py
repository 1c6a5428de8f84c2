"""What a till works out beforehand is what the tables say, question by question."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from benchmarks.lookup_world import KINDS, NOW, ROLLED_OUT, World, build
from pilot.assignment.desk import Desk
from pilot.assignment.keeping import Keeper
from pilot.assignment.lookup import who_gets_what
from pilot.assignment.people import people
from pilot.audit.model import AuditEntry
from pilot.audit.service import record
from pilot.database import Database
from pilot.errors import NotFound
from pilot.network.model import Customer
from pilot.planning.lifecycle import PilotState, StageState
from pilot.planning.model import Pilot, Stage
from tests.pilot.assignment import plain_lookup

DAYS = [NOW + timedelta(days=n) for n in (-30, -1, 0, 1, 60)]


def built(database: Database, *, rolled_out: bool = False, n_customers: int = 200) -> World:
    with database.unit_of_work() as session:
        kinds = (*KINDS, ROLLED_OUT) if rolled_out else KINDS
        return build(session, n_stores=40, n_customers=n_customers, seed=7, kinds=kinds)


@pytest.mark.parametrize("rolled_out", [False, True])
def test_every_kind_of_pilot_is_answered_as_the_tables_say(database: Database, rolled_out: bool) -> None:
    world = built(database, rolled_out=rolled_out)
    chance = random.Random(11)
    seen: set[str] = set()
    desk = Desk(database)
    with database.reading() as session:
        kept = desk.kept(desk.head())
        for _ in range(250):
            store, at = chance.choice(world.stores), chance.choice(DAYS)
            customer = chance.choice([*chance.sample(world.customers, 8), None, "NOBODY"])
            plain = plain_lookup.who_gets_what(session, customer=customer, store=store, at=at)
            verdict = desk.ask(kept, store, customer, at)
            assert verdict.to_document() == as_document(plain), (store, customer, at)
            seen.add(plain.reason.code)
        store, customer = world.stores[3], world.customers[0]
        whole = who_gets_what(session, customer=customer, store=store, at=NOW)
        assert whole == plain_lookup.who_gets_what(session, customer=customer, store=store, at=NOW)
    of_all = {"visited_store", "home_store", "region", "customer"}
    others = (
        {"rolled_out"} if rolled_out else {"not_recognised", "not_in_segment", "not_listed", "not_started", "ended"}
    )
    assert seen >= of_all | others


def as_document(answer: object) -> dict[str, object]:
    from pilot.assignment.answers import Answer, Verdict

    assert isinstance(answer, Answer)
    return Verdict(
        answer.pilot,
        answer.stage,
        answer.variant,
        answer.offer,
        answer.reason,
        answer.valid_until,
        answer.plan_version,
    ).to_document()


def test_a_till_is_made_again_on_another_day_and_after_a_change_of_state(database: Database) -> None:
    world = built(database)
    desk = Desk(database)
    kept = desk.kept(desk.head())
    soon = world.stores[16]
    assert desk.ask(kept, soon, None, NOW).reason.code == "not_started"
    assert desk.ask(kept, soon, None, NOW + timedelta(days=2)).reason.code == "visited_store"
    with database.unit_of_work() as session:
        pilot = session.query(Pilot).filter_by(code="h-soon").one()
        session.execute(update(Stage).where(Stage.pilot_id == pilot.id).values(state=StageState.STOPPED))
        pilot.state = PilotState.STOPPED
        record(session, actor="x", verb="pilot.stopped", subject_kind="pilot", subject="h-soon", details={}, at=NOW)
    assert desk.kept(desk.head()) is not kept
    assert desk.ask(desk.kept(desk.head()), soon, None, NOW).reason.code == "ended"


def test_a_snapshot_is_kept_while_the_log_stands_still_and_its_draws_beyond(database: Database) -> None:
    built(database, n_customers=20)
    keeper = Keeper()
    with database.unit_of_work() as session:
        first = keeper.at(session, (1, "a"))
        assert keeper.at(session, (1, "a")) is first
        second = keeper.at(session, (2, "b"))
        assert second is not first
        assert [c.drawn is d.drawn for c, d in zip(first.snapshot.cases, second.snapshot.cases, strict=True)] == (
            [True] * len(first.snapshot.cases)
        )
        assert keeper.held((1, "a")) is None


def test_a_new_and_a_forgotten_customer_are_seen_at_once(database: Database) -> None:
    world = built(database)
    desk, store = Desk(database), world.stores[4]
    kept = desk.kept(desk.head())
    assert desk.ask(kept, store, "NEW-1", NOW).reason.code == "not_recognised"
    with database.unit_of_work() as session:
        session.add(Customer(customer_key=9_001, external_id="NEW-1", attributes={}, is_profile_complete=False))
        session.execute(update(Customer).where(Customer.customer_key == 1).values(external_id=None))
    assert desk.ask(kept, store, "NEW-1", NOW).reason.code == "customer"
    assert desk.ask(kept, store, world.customers[0], NOW).reason.code == "not_recognised"


def test_an_id_that_no_database_could_hold_belongs_to_nobody(database: Database) -> None:
    world = built(database, n_customers=20)
    desk = Desk(database)
    kept = desk.kept(desk.head())
    for hostile in ("\0", "a\0b", "\ud800", "x" * 119 + "'", "1' OR '1'='1", "%", "_"):
        assert desk.ask(kept, world.stores[4], hostile, NOW).reason.code == "not_recognised"
        with database.reading() as session:
            assert people(session, kept.snapshot, [hostile]) == {}
        with pytest.raises(NotFound):
            desk.ask(kept, hostile, None, NOW)


def test_an_empty_installation_answers_that_there_is_no_such_store(session: Session, database: Database) -> None:
    assert session.query(AuditEntry).count() == 0
    with pytest.raises(NotFound, match="S01"):
        who_gets_what(session, customer=None, store="S01", at=datetime(2026, 1, 1, tzinfo=UTC))
    assert Desk(database).head() == (0, "")
