"""Customers on a started stage keep the terms they were promised when terms are amended; the ledger says which."""

from datetime import timedelta
from pathlib import Path

import pytest

from pilot.assignment.lookup import who_gets_what
from pilot.database import Database
from pilot.planning.errors import AmendmentTouchesStartedStage
from pilot.planning.queries import plan_of, sealed_plan
from pilot.programs.queries import program
from pilot.programs.service import set_offer
from tests.pilot.evidence.small_network import GATE, START, SmallNetwork, day_at

AMENDED_ON = START + timedelta(days=9)


@pytest.fixture
def running(sqlite_database: Database, tmp_path: Path) -> SmallNetwork:
    """Stage 1 runs; stage 2 comes later."""
    network = SmallNetwork(sqlite_database, tmp_path)
    later = {"number": 2, "name": "More", "starts_on": str(START + timedelta(days=70)), "weeks": 4, "gate": list(GATE)}
    first = {"number": 1, "name": "A few", "starts_on": str(START), "weeks": 4, "gate": list(GATE)}
    return network.running(stages=[first, later], alpha="0.2", economics={"margin_share": "0.12"})


def amend_terms(network: SmallNetwork) -> None:
    """The program's offer becomes twice as generous, and an amendment takes it over for the later stage."""
    manager = network.person("manager")

    def double(session, _pilot):  # type: ignore[no-untyped-def] # the shape that `act` calls
        variant = program(session, "card").variant("points")
        terms = {"discount_share": "0.10"}
        set_offer(
            session, variant, name="10 %", mechanic="personal_card", terms=terms, actor=manager, now=day_at(AMENDED_ON)
        )

    network.act(double)
    document = network.read(lambda s, p: dict(p.plan))
    network.amend(document, "Ten per cent in the next stage.", on=AMENDED_ON)
    network.sign(on=AMENDED_ON + timedelta(days=1))


def test_who_is_on_a_stage_keeps_its_terms_and_the_answer_says_which_version_they_are(running: SmallNetwork) -> None:
    store = running.read(lambda s, p: running.treated_stores(s, p, 1))[0]

    def asked() -> tuple[object, int | None]:
        found = running.read(
            lambda s, _p: who_gets_what(s, customer=None, store=store, at=day_at(AMENDED_ON + timedelta(days=2)))
        )
        assert found.offer is not None
        return found.offer.terms["discount_share"], found.plan_version

    assert asked() == ("0.05", 1)
    amend_terms(running)
    assert running.read(lambda s, p: sealed_plan(s, p).offers[0].terms["discount_share"]) == "0.1"
    assert asked() == ("0.05", 1)


def test_the_draw_of_a_started_stage_names_the_plan_whose_terms_it_gives(running: SmallNetwork) -> None:
    from pilot.assignment.queries import draw_of

    amend_terms(running)

    def terms_of_stage(session, pilot):  # type: ignore[no-untyped-def] # the shape that `read` calls
        draw = draw_of(session, pilot, 1)
        assert draw is not None
        return plan_of(session, pilot, draw.plan_hash).offers[0].terms, pilot.plan_hash != draw.plan_hash

    assert running.read(terms_of_stage) == ({"discount_share": "0.05", "valid_days": None}, True)


def test_what_is_measured_on_a_started_stage_still_cannot_be_amended(running: SmallNetwork) -> None:
    document = running.read(lambda s, p: {**p.plan, "alpha": "0.25"})
    with pytest.raises(AmendmentTouchesStartedStage, match="alpha"):
        running.amend(document, "A wider level yet.", on=AMENDED_ON)
