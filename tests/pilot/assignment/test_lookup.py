"""Who gets what, with the reason in words."""

from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.assignment import queries
from pilot.assignment.lookup import Answer, who_gets_what
from pilot.database import Database
from pilot.errors import NotFound
from pilot.network.model import Customer, Network, Segment, Store
from pilot.planning import service as planning
from pilot.planning.model import Pilot
from pilot.programs import queries as programs
from pilot.programs.service import remove_offer, set_offer
from tests.builders import a_user
from tests.pilot.assignment.a_drawn_pilot import drawn, owner_of, sealed, started, through_the_gate
from tests.pilot.planning.a_network import NOW, a_lake, a_network, a_program, a_stage

DURING = datetime(2026, 3, 20, 12, tzinfo=UTC)


def ask(session: Session, store: str, customer: str | None = None, at: datetime = DURING) -> Answer:
    return who_gets_what(session, customer=customer, store=store, at=at)


def running(session: Session, database: Database, **changes: Any) -> tuple[Pilot, str, str]:
    """A started pilot; returns it with one treated and one control store."""
    if session.scalar(select(Store.id).limit(1)) is None:
        a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake, **changes)
    draw = drawn(session, lake, pilot)
    started(session, pilot)
    variants = queries.assignment_of(session, draw)
    treated = next(code for code, variant in variants.items() if variant == "points")
    control = next(code for code, variant in variants.items() if variant == "control")
    return pilot, treated, control


def test_whoever_shops_in_a_treated_store_gets_its_offer_until_the_window_ends(
    session: Session, database: Database
) -> None:
    pilot, treated, _ = running(session, database)
    answer = ask(session, treated)
    assert answer.offer is not None
    assert (answer.variant, answer.offer.mechanic, answer.offer.terms["earn_share"]) == (
        "points",
        "cumulative_bonus",
        "0.02",
    )
    assert answer.valid_until == pilot.stage(1).ends_on
    assert str(answer.reason) == f"Store {treated} was drawn for “points”, which goes to everybody who shops there."
    assert answer.to_document()["reason"]["code"] == "visited_store"


def test_control_is_a_variant_without_an_offer(session: Session, database: Database) -> None:
    _, _, control = running(session, database)
    answer = ask(session, control, "C01001")
    assert (answer.variant, answer.offer) == ("control", None)
    assert "was drawn for “control”" in str(answer.reason)


def test_nothing_is_given_before_the_stage_starts_or_where_nothing_runs(session: Session, database: Database) -> None:
    _, treated, _ = running(session, database)
    before = ask(session, treated, at=NOW)
    assert (before.offer, before.reason.code) == (None, "not_started")
    assert "starts on 2026-03-09" in str(before.reason)
    session.add(Store(id=99, code="S99", name="New", region_id=session.get_one(Store, 1).region_id))
    session.flush()
    assert ask(session, "S99").reason.code == "no_pilot"
    with pytest.raises(NotFound, match="S77"):
        ask(session, "S77")


def test_the_day_begins_in_the_time_zone_of_the_store(session: Session, database: Database) -> None:
    _, treated, _ = running(session, database)
    assert ask(session, treated, at=datetime(2026, 3, 8, 21, 59, tzinfo=UTC)).offer is None
    assert ask(session, treated, at=datetime(2026, 3, 8, 22, 0, tzinfo=UTC)).offer is not None


def test_the_day_begins_at_the_cut_off_hour(session: Session, database: Database) -> None:
    _, treated, _ = running(session, database)
    session.execute(update(Network).values(cutoff_hour=4))
    assert ask(session, treated, at=datetime(2026, 3, 9, 1, 59, tzinfo=UTC)).offer is None
    assert ask(session, treated, at=datetime(2026, 3, 9, 2, 0, tzinfo=UTC)).offer is not None


def test_a_store_that_was_left_out_is_told_why(session: Session, database: Database) -> None:
    running(session, database, mechanism={"kind": "complete"}, holdout=["S03"])
    answer = ask(session, "S03")
    assert answer.offer is None
    assert str(answer.reason) == "S03 was left out of the draw of points-1: it belongs to the holdout."


def test_by_home_store_the_list_decides_not_where_one_stands(session: Session, database: Database) -> None:
    _, treated, control = running(session, database, applies_by="home")
    of_treated, of_control = (_somebody_at_home(session, store) for store in (treated, control))
    there = ask(session, control, of_treated)
    assert (there.variant, there.reason.code) == ("points", "home_store")
    assert f"home store {treated}" in str(there.reason)
    assert ask(session, treated, of_control).variant == "control"


def _somebody_at_home(session: Session, store: str) -> str | None:
    at_home = select(Customer.external_id).join(Store, Store.id == Customer.home_store_id).where(Store.code == store)
    return session.scalars(at_home).first()


@pytest.mark.parametrize("customer", [None, "NOBODY"])
def test_by_home_store_somebody_without_one_gets_nothing_and_hears_why(
    session: Session, database: Database, customer: str | None
) -> None:
    _, treated, _ = running(session, database, applies_by="home")
    answer = ask(session, treated, customer)
    assert (answer.variant, answer.reason.code) == (None, "not_listed")


def test_an_offer_per_segment_goes_by_the_rules_that_were_sealed(session: Session, database: Database) -> None:
    a_network(session)
    owner = a_user(session, Role.MANAGER)
    points = a_program(session, owner).variant("points")
    remove_offer(session, points.offers[0], actor=owner, now=NOW)
    set_offer(
        session,
        points,
        segment_code="young",
        name="For the young",
        mechanic="cumulative_bonus",
        terms={"earn_share": "0.03", "redeem_share": "0.5"},
        actor=owner,
        now=NOW,
    )
    _, treated, _ = running(session, database)
    session.scalars(select(Segment).where(Segment.code == "young")).one().rule = {"attribute": "age", "is": "old"}
    session.flush()
    young, old = ask(session, treated, "C01001"), ask(session, treated, "C01002")
    assert young.offer is not None
    assert young.offer.segment == "young"
    assert (old.offer, old.reason.code) == (None, "no_offer_for_segment")
    assert ask(session, treated).reason.code == "no_offer_for_segment"


def test_assigned_customers_keep_their_variant_in_every_store(session: Session, database: Database) -> None:
    customers = {
        "unit": "customer",
        "leads": "customers",
        "primary": "spend_per_customer",
        "mechanism": {"kind": "stratified"},
        "segments": ["young"],
    }
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake, **customers)
    draw = drawn(session, lake, pilot)
    started(session, pilot)
    key = next(int(code) for code, variant in queries.assignment_of(session, draw).items() if variant == "points")
    external_id = session.get_one(Customer, key).external_id
    assert {ask(session, store, external_id).reason.code for store in ("S01", "S12")} == {"customer"}
    assert ask(session, "S01", external_id).variant == "points"
    assert ask(session, "S01", "C01002").reason.code == "no_pilot", "an old customer was not drawn"
    assert ask(session, "S01").reason.code == "not_recognised"


def test_an_open_list_answers_a_customer_who_came_later(session: Session, database: Database) -> None:
    running_changes: dict[str, Any] = {
        "unit": "customer",
        "leads": "customers",
        "primary": "spend_per_customer",
        "mechanism": {"kind": "bernoulli_hash"},
        "segments": ["young"],
    }
    a_network(session)
    lake = a_lake(database.settings)
    pilot = sealed(session, lake, **running_changes)
    drawn(session, lake, pilot)
    started(session, pilot)
    for key in (901, 902):
        session.add(
            Customer(
                customer_key=key,
                external_id=f"N{key}",
                attributes={"age": "young" if key == 901 else "old"},
                is_profile_complete=False,
            )
        )
    session.flush()
    answer = ask(session, "S01", "N901")
    assert answer.variant in ("control", "points")
    assert ask(session, "S12", "N901").variant == answer.variant
    assert ask(session, "S01", "N902").reason.code == "not_in_segment"


def test_a_stopped_pilot_gives_nothing_any_more(session: Session, database: Database) -> None:
    pilot, treated, _ = running(session, database)
    planning.stop_pilot(session, pilot, reason="Enough", actor=owner_of(session, pilot), now=NOW)
    assert (ask(session, treated).offer, ask(session, treated).reason.code) == (None, "ended")


def test_treated_stores_keep_their_offer_between_stages(session: Session, database: Database) -> None:
    pilot, treated, control = running(session, database, stages=[a_stage(), a_stage(2)])
    through_the_gate(session, pilot)
    later = DURING + timedelta(days=100)
    kept = ask(session, treated, at=later)
    assert kept.offer is not None
    assert kept.valid_until is None
    assert ask(session, control, at=later).offer is None


def test_after_the_rollout_everybody_gets_what_was_tested_but_the_holdout(session: Session, database: Database) -> None:
    pilot, treated, control = running(session, database, mechanism={"kind": "complete"}, holdout=["S03"])
    through_the_gate(session, pilot)
    for store in (treated, control):
        assert ask(session, store).variant == "points"
    assert ask(session, control).reason.code == "rolled_out"
    assert (ask(session, "S03").variant, ask(session, "S03").reason.code) == (None, "holdout")


def test_the_offer_is_that_of_the_sealed_plan(session: Session, database: Database) -> None:
    pilot, treated, _ = running(session, database)
    points = programs.program(session, "card").variant("points")
    remove_offer(session, points.offers[0], actor=owner_of(session, pilot), now=NOW)
    assert ask(session, treated).offer is not None


def test_an_answer_is_fast(session: Session, database: Database) -> None:
    _, treated, _ = running(session, database)
    ask(session, treated)
    start = perf_counter()
    for _ in range(50):
        ask(session, treated, "C01001")
    assert (perf_counter() - start) / 50 < 0.1
