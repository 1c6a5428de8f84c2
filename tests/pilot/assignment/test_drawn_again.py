"""Nobody amends until a draw pleases: the same design draws the same again, and the log counts the draws."""

import json
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.assignment import queries
from pilot.assignment.record import read_record
from pilot.audit.model import AuditEntry
from pilot.outcomes.lake import Lake
from pilot.planning.model import Pilot
from pilot.settings import Settings
from tests.pilot.assignment.a_drawn_pilot import drawn, seal_again, sealed
from tests.pilot.planning.a_network import a_document, a_lake, a_network, a_stage, amended

STORES = [f"S{n:02d}" for n in range(1, 13)]


@pytest.fixture
def lake(session: Session, settings: Settings) -> Lake:
    a_network(session)
    return a_lake(settings)


def drawn_by(session: Session, lake: Lake, pilot: Pilot, entropy: bytes, **changes: Any) -> tuple[dict[str, str], str]:
    """Amended to ``changes``, sealed with ``entropy`` and drawn: the assignment, and the seed it was drawn from."""
    amended(session, pilot, lake, a_document(**changes), "Another try")
    seal_again(session, pilot, entropy=entropy)
    draw = drawn(session, lake, pilot)
    return queries.assignment_of(session, draw), read_record(draw.record)["seed"]


def test_an_amendment_that_leaves_the_design_alone_draws_the_same_again(session: Session, lake: Lake) -> None:
    pilot = sealed(session, lake)
    first = drawn(session, lake, pilot)
    assignment, seed = queries.assignment_of(session, first), read_record(first.record)["seed"]
    for n, words in enumerate(("Another word", "And another", "And one more"), start=1):
        again = drawn_by(session, lake, pilot, bytes([n]) * 32, hypothesis=words)
        assert again == (assignment, seed)
    renamed = drawn_by(session, lake, pilot, b"named" * 8, stages=[a_stage(units=STORES, weeks=9)])
    assert renamed == (assignment, seed), "the same stores by name, and other weeks, are the same draw"
    assert len({draw.ledger_hash for draw in queries.draws(session, pilot)}) == 5, "each record names its own plan"


def test_a_changed_design_takes_the_seed_of_its_own_seal_and_a_return_takes_the_first_again(
    session: Session, lake: Lake
) -> None:
    pilot = sealed(session, lake, alpha="0.2")
    first = drawn(session, lake, pilot)
    assignment, seed = queries.assignment_of(session, first), read_record(first.record)["seed"]
    without = {"eligibility": {"must_exclude": ["S01", "S02"]}, "alpha": "0.2"}
    fewer, other = drawn_by(session, lake, pilot, b"second" * 8, **without)
    assert set(fewer) == set(STORES) - {"S01", "S02"}
    assert other != seed, "a seed that people know could be tried on designs until one pleases"
    assert drawn_by(session, lake, pilot, b"third" * 8, alpha="0.2") == (assignment, seed)


def test_the_log_says_how_often_a_stage_was_drawn_before(session: Session, lake: Lake) -> None:
    pilot = sealed(session, lake)
    drawn(session, lake, pilot)
    drawn_by(session, lake, pilot, b"second" * 8, hypothesis="Another word")
    drawn_by(session, lake, pilot, b"third" * 8, hypothesis="And another")
    entries = session.scalars(select(AuditEntry).where(AuditEntry.verb == "stage.draw").order_by(AuditEntry.seq))
    assert [json.loads(entry.text).get("drawn_before") for entry in entries] == [None, 1, 2]


@pytest.mark.parametrize("kind", ["complete", "bernoulli_hash"])
def test_customers_are_drawn_the_same_again_too(session: Session, lake: Lake, kind: str) -> None:
    customers = {
        "unit": "customer", "leads": "customers", "primary": "spend_per_customer", "mechanism": {"kind": kind},
    }  # fmt: skip
    pilot = sealed(session, lake, **customers)
    first = read_record(drawn(session, lake, pilot).record)
    _, seed = drawn_by(session, lake, pilot, b"second" * 8, **customers, hypothesis="Another word")
    assert seed == first["seed"]
    again = read_record(queries.draws(session, pilot)[-1].record)
    assert again["mechanism"] == first["mechanism"]
