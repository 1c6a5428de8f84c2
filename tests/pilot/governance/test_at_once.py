"""Every act clicked twice at once, on both databases: it happens once, the other click is refused by name."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

from sqlalchemy.orm import Session

from pilot.assignment.exclusions import excluding
from pilot.audit.queries import history_of
from pilot.audit.service import verify
from pilot.database import Database
from pilot.errors import PilotError
from pilot.evidence.queries import latest_report
from pilot.evidence.service import compute_report, freeze
from pilot.governance import service as governance
from pilot.governance.model import Choice
from pilot.planning import service as planning
from pilot.planning.model import Pilot, PilotState
from pilot.planning.queries import pilot as pilot_by_code
from pilot.programs.queries import program
from pilot.programs.service import add_variant, create_program, set_offer
from tests.pilot.evidence.small_network import CODE, ENTROPY, START, SmallNetwork, day_at

END = START + timedelta(days=27)
BEFORE, AFTER = day_at(START - timedelta(days=2)), day_at(END + timedelta(days=1))


def twice(database: Database, act: Callable[[Session], Any]) -> str:
    """Do ``act`` in two transactions at once; the name of the refusal that the loser gets."""
    together = Barrier(2, timeout=30)

    def click(_: int) -> None:
        together.wait()
        with database.unit_of_work() as session:
            act(session)

    with ThreadPoolExecutor(2) as pool:
        errors = [future.exception() for future in [pool.submit(click, i) for i in range(2)]]
    (refused,) = [error for error in errors if error is not None]
    assert isinstance(refused, PilotError), repr(refused)
    return type(refused).__name__


def test_every_act_clicked_twice_happens_once(database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(database, tmp_path, n_stores=12, customers=2).set_up()
    manager, analyst, executive, second = (network.person(n) for n in ("manager", "analyst", "executive", "second"))

    def on_pilot(act: Callable[[Session, Pilot], Any]) -> str:
        return twice(database, lambda s: act(s, pilot_by_code(s, CODE)))

    make: dict[str, Any] = {"actor": manager, "now": BEFORE}
    assert twice(database, lambda s: create_program(s, code="new", name="New", **make)) == "CodeTaken"
    assert twice(database, lambda s: add_variant(s, program(s, "new"), code="a", name="A", **make)) == "CodeTaken"
    document = network.plan_document()
    assert (
        twice(
            database,
            lambda s: planning.create_pilot(
                s, code=CODE, name="Points", program=program(s, "card"), document=document, **make
            ),
        )
        == "CodeTaken"
    )
    checked = network.read(lambda s, p: planning.check_submission(s, p, lake=network.lake, excluded=excluding(s, p)))
    assert on_pilot(lambda s, p: planning.submit(s, p, checked=checked, **make)) == "NotADraft"
    assert on_pilot(lambda s, p: governance.cosign(s, p, actor=analyst, now=BEFORE)) == "NothingToSign"
    assert (
        on_pilot(lambda s, p: governance.approve_and_seal(s, p, actor=executive, now=BEFORE, entropy=ENTROPY))
        == "NothingToSign"
    )
    prepared = network.read(lambda s, p: governance.prepare_draw(s, p, 1, lake=network.lake, **make))
    assert on_pilot(lambda s, p: governance.draw(s, p, prepared, **make)) == "AlreadyDrawn"
    assert on_pilot(lambda s, p: governance.start_stage(s, p, 1, **make)) == "IllegalMove"
    network.run_to(END)
    report = network.read(lambda s, p: compute_report(s, p, 1, lake=network.lake, now=AFTER))
    assert twice(database, lambda s: freeze(s, report, actor=analyst, now=AFTER)) == "StageMovedOn"
    assert on_pilot(lambda s, p: decide(s, p, Choice.SEND_BACK, executive)) == "WaitsForAnswer"
    assert on_pilot(lambda s, p: answer(s, p, manager)) == "NothingToAnswer"
    assert on_pilot(lambda s, p: decide(s, p, Choice.APPROVE, executive)) == "AlreadyDecided"
    assert on_pilot(lambda s, p: decide(s, p, Choice.APPROVE, second)) == "NotAtGate"
    assert network.read(lambda s, p: p.state) == PilotState.ROLLED_OUT
    verbs = [entry.verb for entry in network.read(lambda s, p: history_of(s, "pilot", p.code))]
    assert [v for v in verbs if v != "report.decide"] == [
        "pilot.create", "plan.submit", "plan.cosign", "plan.approve", "plan.seal", "assignment.seal_seeds",
        "stage.draw", "stage.start",
        "stage.reach_gate", "report.freeze", "report.answer", "stage.pass",
    ]  # fmt: skip
    assert verbs.count("report.decide") == 3
    assert network.read(lambda s, p: verify(s).findings) == ()


def test_an_offer_set_twice_at_once_is_one_offer(database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(database, tmp_path, n_stores=12, customers=2).set_up()
    with database.unit_of_work() as session:
        more: dict[str, Any] = {"code": "gold", "name": "Gold card", "actor": network.person("manager"), "now": BEFORE}
        add_variant(session, program(session, "card"), **more)
    offer: dict[str, Any] = {"name": "7 %", "mechanic": "personal_card", "terms": {"discount_share": "0.07"}}
    together = Barrier(2, timeout=30)

    def click(_: int) -> None:
        together.wait()
        with database.unit_of_work() as session:
            variant = program(session, "card").variant("gold")
            set_offer(session, variant, segment_code="young", **offer, actor=network.person("manager"), now=BEFORE)

    with ThreadPoolExecutor(2) as pool:
        errors = [future.exception() for future in [pool.submit(click, i) for i in range(2)]]
    assert errors == [None, None], "the second sets it again"
    with database.reading() as session:
        assert [offer.segment_code for offer in program(session, "card").variant("gold").offers] == ["young"]


def decide(session: Session, pilot: Pilot, choice: Choice, who: Any, now: datetime = AFTER) -> None:
    report = latest_report(session, pilot, 1)
    assert report is not None
    governance.decide(session, report, choice, reason="I read it.", actor=who, now=now)


def answer(session: Session, pilot: Pilot, who: Any) -> None:
    report = latest_report(session, pilot, 1)
    assert report is not None
    governance.answer(session, report, "It was dry.", actor=who, now=AFTER)
