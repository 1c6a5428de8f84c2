"""Two people press at the same moment, on both databases: nothing happens twice, and the loser is refused by name."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

from sqlalchemy.orm import Session

from pilot.audit.service import verify
from pilot.database import Database
from pilot.evidence.queries import latest_report
from pilot.governance import deputies, needed
from pilot.governance import service as governance
from pilot.governance.model import Choice
from pilot.governance.policy import AS_DELIVERED
from pilot.notices.kinds import NoticeKind
from pilot.notices.preferences import unsubscribe
from pilot.planning.model import PilotState
from pilot.planning.queries import pilot as pilot_by_code
from tests.pilot.evidence.small_network import CODE, ENTROPY, START, SmallNetwork, day_at

END = START + timedelta(days=27)
BEFORE, AFTER = day_at(START - timedelta(days=2)), day_at(END + timedelta(days=1))


def refused(database: Database, *acts: Callable[[Session], Any]) -> list[str]:
    """Do all ``acts`` at once, each in a transaction of its own; the names of the errors."""
    together = Barrier(len(acts), timeout=30)

    def press(act: Callable[[Session], Any]) -> None:
        together.wait()
        with database.unit_of_work() as session:
            act(session)

    with ThreadPoolExecutor(len(acts)) as pool:
        errors = [future.exception() for future in [pool.submit(press, act) for act in acts]]
    return sorted(type(error).__name__ for error in errors if error is not None)


def test_two_who_press_at_once_are_told_apart(database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(database, tmp_path, n_stores=12, customers=2).set_up()
    admin, manager, analyst, executive, second = (
        network.person(name) for name in ("admin", "manager", "analyst", "executive", "second")
    )

    def change(cosigns: int) -> Callable[[Session], Any]:
        rows = tuple(row.model_copy(update={"cosigns": cosigns}) for row in AS_DELIVERED.rows)
        policy, seen = AS_DELIVERED.model_copy(update={"rows": rows}), AS_DELIVERED.hash()
        return lambda s: needed.change_policy(s, policy, reason="More.", instead_of=seen, actor=admin, now=BEFORE)

    assert refused(database, change(2), change(3)) == ["PolicyMovedOn"]
    with database.unit_of_work() as session:
        seen = needed.policy_in_force(session).hash()
        needed.change_policy(session, AS_DELIVERED, reason="Back.", instead_of=seen, actor=admin, now=BEFORE)
    kind = NoticeKind.GATE_REACHED
    assert refused(database, *[lambda s: unsubscribe(s, manager, kind, now=BEFORE)] * 2) == []
    network.draft()
    network.submit()
    network.act(lambda s, p: governance.cosign(s, p, actor=analyst, now=BEFORE))

    def approve(who: Any) -> Callable[[Session], Any]:
        return lambda s: governance.approve_and_seal(s, pilot_by_code(s, CODE), actor=who, now=BEFORE, entropy=ENTROPY)

    assert refused(database, approve(executive), approve(second)) == ["NothingToSign"]
    network.draw_and_start()
    network.run_to(END)
    network.look()
    with database.unit_of_work() as session:
        days = {"first_day": END, "last_day": END + timedelta(days=9)}
        deputies.appoint(session, user=executive, deputy=analyst, **days, actor=admin, now=AFTER)

    def ask(who: Any) -> Callable[[Session], Any]:
        def act(session: Session) -> None:
            report = latest_report(session, pilot_by_code(session, CODE), 1)
            assert report is not None
            governance.decide(session, report, Choice.SEND_BACK, reason="Why?", actor=who, now=AFTER)

        return act

    assert refused(database, ask(executive), ask(analyst)) == ["WaitsForAnswer"], "one seat, one word"
    assert network.read(lambda _, p: p.state) == PilotState.AT_GATE
    assert network.read(lambda s, _: verify(s).findings) == ()
