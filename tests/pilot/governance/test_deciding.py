"""Deciding at a gate: on a frozen report, with a reason; two executives against the rules or network-wide."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.access.permissions import MayNot
from pilot.audit.service import verify
from pilot.database import Database
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import latest_report
from pilot.governance import service as governance
from pilot.governance.errors import (
    AlreadyDecided,
    AnotherRoundWasRead,
    NotAtGate,
    NothingToAnswer,
    OwnPilot,
    ReportOvertaken,
    WaitsForAnswer,
)
from pilot.governance.model import Choice, Decision
from pilot.governance.queries import decisions_of, inbox, is_waiting_for_decision, options
from pilot.notices.queries import unread
from pilot.planning.errors import NoLookLeft, ReasonMissing
from pilot.planning.model import Pilot, PilotState, StageState
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END, Point, installation
from tests.pilot.governance.test_signing import asked, become

NOW = day_at(END + timedelta(days=2))


def decide(network: SmallNetwork, choice: Choice, who: str = "executive", reason: str = "I read it.") -> Decision:
    def act(session, pilot):  # type: ignore[no-untyped-def]
        report = latest_report(session, pilot, 1)
        return governance.decide(session, report, choice, reason=reason, actor=network.person(who), now=NOW)

    return network.act(act)


def answer(network: SmallNetwork, text: str, who: str = "manager") -> None:
    def act(session, pilot):  # type: ignore[no-untyped-def]
        report = latest_report(session, pilot, 1)
        return governance.answer(session, report, text, actor=network.person(who), now=NOW)

    network.act(act)


def pilot_state(network: SmallNetwork) -> PilotState:
    return PilotState(network.read(lambda s, p: p.state))


def stage_state(network: SmallNetwork) -> StageState:
    return StageState(network.read(lambda s, p: p.stage(1).state))


def test_the_recommended_stop_takes_one_executive(tmp_path: Path) -> None:
    with installation(Point.AT_GATE_WEAK, tmp_path) as network:
        decision = decide(network, Choice.STOP)
        assert (decision.is_override, decision.takes_effect) == (False, True)
        assert pilot_state(network) == PilotState.STOPPED


def test_overriding_takes_two_different_executives(tmp_path: Path) -> None:
    with installation(Point.TWO_AT_GATE, tmp_path) as network:
        first = decide(network, Choice.STOP)
        assert (first.is_override, first.takes_effect) == (True, False)
        assert pilot_state(network) == PilotState.AT_GATE
        with pytest.raises(AlreadyDecided):
            decide(network, Choice.STOP)
        assert decide(network, Choice.STOP, "second").takes_effect
        assert pilot_state(network) == PilotState.STOPPED


def test_going_network_wide_takes_two_even_when_it_is_recommended(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        first = decide(network, Choice.APPROVE)
        assert (first.is_override, first.takes_effect) == (False, False)
        assert decide(network, Choice.APPROVE, "second").takes_effect
        assert pilot_state(network) == PilotState.ROLLED_OUT


def test_two_executives_who_disagree_do_not_add_up(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        decide(network, Choice.APPROVE)
        assert not decide(network, Choice.STOP, "second").takes_effect
        assert pilot_state(network) == PilotState.AT_GATE


def test_an_executive_may_change_their_mind_until_it_takes_effect(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        decide(network, Choice.APPROVE)
        decide(network, Choice.STOP, "second")
        assert decide(network, Choice.STOP).takes_effect
        assert pilot_state(network) == PilotState.STOPPED


def test_the_reason_is_mandatory_and_reaches_the_author(tmp_path: Path) -> None:
    with installation(Point.AT_GATE_WEAK, tmp_path) as network:
        with pytest.raises(ReasonMissing):
            decide(network, Choice.STOP, reason="  ")
        decide(network, Choice.STOP, reason="Nobody came back.")
        told = network.read(lambda s, p: [str(row.message) for row in unread(s, network.person("manager").id)])
        assert "Nobody came back." in told[0]


@pytest.mark.parametrize("who", ["manager", "analyst", "admin"])
def test_only_executives_decide(tmp_path: Path, who: str) -> None:
    with installation(Point.AT_GATE, tmp_path) as network, pytest.raises(OwnPilot if who == "manager" else MayNot):
        decide(network, Choice.APPROVE, who)


def test_an_executive_does_not_decide_on_their_own_pilot(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        become(network, "manager", Role.EXECUTIVE)
        with pytest.raises(OwnPilot):
            decide(network, Choice.APPROVE, "manager")


def test_extension_runs_on_with_the_same_controls_to_the_next_look(tmp_path: Path) -> None:
    with installation(Point.TWO_AT_GATE, tmp_path) as network:
        decide(network, Choice.EXTEND)
        assert stage_state(network) == StageState.EXTENDED
        assert pilot_state(network) == PilotState.RUNNING
        assert network.read(lambda s, p: p.stage(1).ends_on) == END
        network.run_to(END, first=START + timedelta(days=14))
        second = network.look()
        assert (second.look, second.recommendation) == (2, "advance")
        both = select(FrozenReport.code, FrozenReport.ledger_hash).order_by(FrozenReport.look)
        (first, ledger), (_, same_ledger) = network.read(lambda s, p: s.execute(both).all())
        assert ledger == same_ledger
        with pytest.raises(NoLookLeft):
            decide(network, Choice.EXTEND)
        with pytest.raises(ReportOvertaken):
            network.act(
                lambda s, p: governance.decide(
                    s, s.scalars(select(FrozenReport).where(FrozenReport.code == first)).one(), Choice.STOP,
                    reason="Old.", actor=network.person("executive"), now=NOW,
                )
            )  # fmt: skip


def test_a_report_that_was_sent_back_comes_again_when_it_is_answered(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        decide(network, Choice.APPROVE, "second")
        decide(network, Choice.SEND_BACK, reason="What about the weather?")
        assert pilot_state(network) == PilotState.AT_GATE
        assert asked(network, "manager") == ["answer"]
        assert asked(network, "executive") == []
        with pytest.raises(WaitsForAnswer):
            decide(network, Choice.APPROVE, "second")
        with pytest.raises(MayNot):
            answer(network, "Dry.", "analyst")
        answer(network, "It was dry in both arms.")
        told = network.read(lambda s, p: [str(row.message) for row in unread(s, network.person("executive").id)])
        assert "It was dry in both arms." in told[0]
        assert asked(network, "executive") == ["decide"]
        # A new round: what was said before the answer does not count any more.
        assert not decide(network, Choice.APPROVE).takes_effect
        assert decide(network, Choice.APPROVE, "second").takes_effect
        rows = network.read(lambda s, p: decisions_of(s, latest_report(s, p, 1)))  # type: ignore[arg-type]
        assert [(row.round, row.choice) for row in rows] == [
            (1, "approve"), (1, "send_back"), (1, None), (2, "approve"), (2, "approve"),
        ]  # fmt: skip


def test_a_report_that_was_not_sent_back_is_not_answered(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network, pytest.raises(NothingToAnswer):
        answer(network, "But.")


def test_nothing_is_decided_twice(tmp_path: Path) -> None:
    with installation(Point.AT_GATE_WEAK, tmp_path) as network:
        decide(network, Choice.STOP)
        with pytest.raises(NotAtGate):
            decide(network, Choice.STOP, "second")


def test_the_gate_closes_while_an_amendment_waits_for_its_approvals(tmp_path: Path) -> None:
    with installation(Point.TWO_AT_GATE, tmp_path) as network:
        document = network.read(lambda s, p: dict(p.plan))
        document |= {"stages": document["stages"][:1]}
        network.amend(document, "One stage is enough.", on=NOW.date())
        with pytest.raises(NotAtGate):
            decide(network, Choice.EXTEND)


def test_options_say_what_each_choice_needs(tmp_path: Path) -> None:
    with installation(Point.TWO_AT_GATE, tmp_path) as network:
        found = network.read(lambda s, p: options(s, latest_report(s, p, 1)))  # type: ignore[arg-type]
        needed = {option.choice.value: option.signatures_needed for option in found}
        assert found[0].choice is Choice.EXTEND
        assert found[0].until == END
        assert needed == {"extend": 1, "approve": 2, "approve_some": 2, "send_back": 1, "stop": 2}
    with installation(Point.AT_GATE, tmp_path / "other") as network:
        found = network.read(lambda s, p: options(s, latest_report(s, p, 1)))  # type: ignore[arg-type]
        closed = [option.choice.value for option in found if not option.is_open]
        assert (found[0].choice, found[0].is_network_wide, closed) == (Choice.APPROVE, True, ["approve_some", "extend"])


def test_the_executives_inbox_shows_the_effect_that_waits(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        (item,) = network.read(lambda s, p: inbox(s, network.person("executive"), now=NOW))
        assert (item.waiting.value, item.recommendation, item.effect_unit, item.currency) == (
            "decide", "advance", "money", "EUR",
        )  # fmt: skip
        assert item.effect is not None
        assert item.effect > 0
        assert item.since == day_at(END + timedelta(days=1))
        decide(network, Choice.APPROVE)
        assert asked(network, "executive") == []
        assert asked(network, "second") == ["agree"]


def test_a_decided_report_waits_for_nobody_and_the_audit_verifies(tmp_path: Path) -> None:
    with installation(Point.AT_GATE_WEAK, tmp_path) as network:
        assert network.read(waits)
        decide(network, Choice.STOP)
        assert not network.read(waits)
        printed = network.read(lambda s, p: latest_report(s, p, 1).audit_head)  # type: ignore[union-attr]
        assert network.read(lambda s, p: verify(s, printed).findings) == ()


def waits(session: Session, pilot: Pilot) -> bool:
    report = latest_report(session, pilot, 1)
    assert report is not None
    return is_waiting_for_decision(session, report)


def test_what_comes_after_a_gate_is_said_by_the_plan_in_force(sqlite_database: Database, tmp_path: Path) -> None:
    """An amendment dropped the later stage while the first ran: its gate has become the rollout, which takes two."""
    stages = [
        {"number": 1, "name": "A few", "starts_on": str(START), "weeks": 2},
        {"number": 2, "name": "More", "starts_on": str(START + timedelta(weeks=8)), "weeks": 4},
    ]
    network = SmallNetwork(sqlite_database, tmp_path).running(stages=stages)
    document = network.read(lambda s, p: {**p.plan, "stages": p.plan["stages"][:1]})
    network.amend(document, "One stage is enough.", on=START)
    network.sign(on=START)
    network.run_to(START + timedelta(days=13))
    network.look()
    options_now = network.read(lambda s, p: options(s, latest_report(s, p, 1)))  # type: ignore[arg-type]
    assert {o.choice.value: o.signatures_needed for o in options_now}["approve"] == 2
    assert not decide(network, Choice.APPROVE).takes_effect
    assert decide(network, Choice.APPROVE, "second").takes_effect
    assert pilot_state(network) == PilotState.ROLLED_OUT


def test_who_read_the_round_before_the_answer_decides_nothing(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        decide(network, Choice.SEND_BACK, reason="Was it the weather?")
        answer(network, "It was dry in both arms.")

        def advance(read: int) -> Decision:
            def act(session, pilot):  # type: ignore[no-untyped-def]
                report, second = latest_report(session, pilot, 1), network.person("second")
                return governance.decide(
                    session, report, Choice.APPROVE, reason="It pays.", read=read, actor=second, now=NOW
                )

            return network.act(act)

        with pytest.raises(AnotherRoundWasRead, match="Read the answer first"):
            advance(1)
        assert advance(2).round == 2
