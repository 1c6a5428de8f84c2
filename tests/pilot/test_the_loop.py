"""The whole loop through the real services: import, plan, sign, draw, receipts, look, decide; the audit verifies."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier

from pilot.assignment.queries import assignment_of, draws
from pilot.assignment.record import replay
from pilot.audit.service import verify
from pilot.database import Database
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import document_of, report
from pilot.governance import service as governance
from pilot.governance.model import Choice
from pilot.notices.queries import unread
from pilot.planning.model import PilotState
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at


def test_a_pilot_goes_from_a_file_to_a_decision(database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(database, tmp_path).running()
    network.run_to(START + timedelta(days=27))
    frozen = network.look()
    assert frozen.recommendation == "advance"
    decided_on = day_at(START + timedelta(days=29))
    for name in ("executive", "second"):
        network.act(
            lambda s, p, name=name: governance.decide(
                s, s.get_one(FrozenReport, frozen.id), Choice.APPROVE, reason="It pays.",
                actor=network.person(name), now=decided_on,
            )
        )  # fmt: skip
    assert network.read(lambda s, p: p.state) == PilotState.ROLLED_OUT
    with database.reading() as session:
        assert verify(session, frozen.audit_head).findings == ()
        view = report(session, frozen.code)
        told = [str(row.message) for row in unread(session, network.person("manager").id)]
    assert view.headline is not None
    assert view.headline.verdict == "better"
    assert "It pays." in told[0]


def test_the_ledger_replays_from_its_record_after_more_receipts_arrived(database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(database, tmp_path).running()
    network.run_to(START + timedelta(days=27))
    record, ledger_hash = network.read(lambda s, p: [(d.record, d.ledger_hash) for d in draws(s, p)])[0]
    assert replay(record).ledger_hash == ledger_hash


def test_two_executives_who_decide_at_once_are_counted_one_after_the_other(database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(database, tmp_path).running()
    network.run_to(START + timedelta(days=27))
    report_id = network.look().id
    together = Barrier(2)

    def approve(name: str) -> bool:
        together.wait(timeout=30)
        return network.act(
            lambda s, p: governance.decide(
                s, s.get_one(FrozenReport, report_id), Choice.APPROVE, reason="It pays.",
                actor=network.person(name), now=day_at(START + timedelta(days=29)),
            ).takes_effect
        )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        took_effect = sorted(pool.map(approve, ("executive", "second")))
    assert took_effect == [False, True]
    assert network.read(lambda s, p: p.state) == PilotState.ROLLED_OUT
    with database.reading() as session:
        assert verify(session).findings == ()


def test_both_databases_give_the_same_ledger_and_the_same_report(
    sqlite_database: Database, postgres_database: Database, tmp_path: Path
) -> None:
    elsewhere = postgres_database.settings.model_copy(update={"home": tmp_path / "elsewhere"})
    documents = []
    for name, database in (("sqlite", sqlite_database), ("postgresql", Database(elsewhere))):
        folder = tmp_path / name
        folder.mkdir()
        network = SmallNetwork(database, folder).running()
        network.run_to(START + timedelta(days=27))
        frozen = network.look()
        # The head's seal is made with each installation's own key; everything else is the same, to the last digit.
        documents.append((frozen.ledger_hash, replace(document_of(frozen), audit_head="").text()))
        database.dispose()
    assert documents[0] == documents[1]


def test_the_next_stage_is_drawn_and_compared_on_units_of_its_own(sqlite_database: Database, tmp_path: Path) -> None:
    """Eight stores first, all that are left next: those that stage one treated are in no later comparison."""
    network = SmallNetwork(sqlite_database, tmp_path, n_stores=20)
    later = START + timedelta(weeks=6)
    stages = [
        {"number": 1, "name": "Eight", "units": network.stores[:8], "starts_on": str(START), "weeks": 4},
        {"number": 2, "name": "The rest", "starts_on": str(later), "weeks": 4},
        {"number": 3, "name": "All", "starts_on": str(later + timedelta(weeks=8)), "weeks": 4, "is_network": True},
    ]
    network.running(mechanism={"kind": "complete"}, stages=stages)
    treated_first = network.read(lambda s, p: network.treated_stores(s, p, 1))
    network.run_to(later - timedelta(days=3))
    first = network.look(on=START + timedelta(days=28))
    assert first.recommendation == "advance"
    network.act(
        lambda s, p: governance.decide(
            s, s.get_one(FrozenReport, first.id), Choice.APPROVE, reason="On.",
            actor=network.person("executive"), now=day_at(START + timedelta(days=29)),
        )
    )  # fmt: skip
    assert network.read(lambda s, p: p.state) == PilotState.SEALED
    network.draw_and_start(2, on=later - timedelta(days=2))
    drawn = network.read(lambda s, p: list(assignment_of(s, draws(s, p)[1])))
    assert len(drawn) == 16
    assert not set(drawn) & set(treated_first)
    both = [*treated_first, *network.read(lambda s, p: network.treated_stores(s, p, 2))]
    network.load_receipts(later - timedelta(days=2), later - timedelta(days=1), {}, day_at(later))
    end = later + timedelta(days=27)
    network.load_receipts(later, end, dict.fromkeys(both, 60), day_at(end + timedelta(days=1)))
    second = document_of(network.look(2))
    row = second.analysis.row("store_total", "points")
    assert row.estimate is not None
    assert row.estimate.n_units == 16
    assert {entry["unit"] for entry in second.moments["store_total"]} == set(drawn)
    assert second.ledger_hash != first.ledger_hash
    listed = sum(entry["n"] for entry in second.moments["purchase_frequency"])
    assert listed == 16 * network.customers
