"""Signing a plan: an analyst, then an executive, on exactly one text; never one's own; an amendment voids it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pilot.access.model import Role
from pilot.access.permissions import MayNot
from pilot.access.service import change_role
from pilot.governance import service as governance
from pilot.governance.approvals import latest_hash
from pilot.governance.errors import AnotherWasRead, NothingToSign, SamePerson
from pilot.governance.queries import history, inbox, sign_offs
from pilot.notices.queries import unread
from pilot.planning.errors import OwnPlan, ReasonMissing
from pilot.planning.model import PilotState
from tests.pilot.evidence.small_network import ENTROPY, START, SmallNetwork, day_at
from tests.pilot.evidence.snapshots import Point, installation

NOW = day_at(START - timedelta(days=3))


def cosign(network: SmallNetwork, who: str = "analyst") -> None:
    network.act(lambda s, p: governance.cosign(s, p, actor=network.person(who), now=NOW))


def approve(network: SmallNetwork, who: str = "executive") -> None:
    network.act(lambda s, p: governance.approve_and_seal(s, p, actor=network.person(who), now=NOW, entropy=ENTROPY))


def state(network: SmallNetwork) -> PilotState:
    return PilotState(network.read(lambda s, p: p.state))


def asked(network: SmallNetwork, who: str) -> list[str]:
    return network.read(lambda s, p: [item.waiting.value for item in inbox(s, network.person(who), now=NOW)])


def test_two_signatures_seal_a_plan(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        cosign(network)
        assert state(network) == PilotState.COSIGNED
        approve(network)
        assert state(network) == PilotState.SEALED
        signed = network.read(sign_offs)
        assert [(s.kind, s.is_void) for s in signed] == [("cosign", False), ("approve", False)]
        told = network.read(lambda s, p: [row.message.code for row in unread(s, network.person("manager").id)])
        assert told == ["plan_sealed", "plan_cosigned"]


def test_the_inbox_hands_the_plan_from_one_to_the_next(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        assert (asked(network, "analyst"), asked(network, "executive")) == (["cosign"], [])
        cosign(network)
        assert (asked(network, "analyst"), asked(network, "executive")) == ([], ["approve"])
        approve(network)
        assert (asked(network, "executive"), asked(network, "manager")) == ([], ["draw"])


@pytest.mark.parametrize("who", ["manager", "executive", "admin"])
def test_only_an_analyst_cosigns(tmp_path: Path, who: str) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        with pytest.raises(OwnPlan if who == "manager" else MayNot):
            cosign(network, who)
        assert state(network) == PilotState.SUBMITTED


@pytest.mark.parametrize("who", ["manager", "analyst", "admin"])
def test_only_an_executive_approves(tmp_path: Path, who: str) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        cosign(network)
        with pytest.raises(OwnPlan if who == "manager" else MayNot):
            approve(network, who)
        assert state(network) == PilotState.COSIGNED


@pytest.mark.parametrize(("role", "sign"), [(Role.ANALYST, cosign), (Role.EXECUTIVE, approve)])
def test_nobody_signs_their_own_plan_whatever_their_role_has_become(tmp_path: Path, role: Role, sign: object) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        if sign is approve:
            cosign(network)
        become(network, "manager", role)
        with pytest.raises(OwnPlan):
            sign(network, "manager")  # type: ignore[operator]


def test_the_cosigner_does_not_approve_after_a_change_of_role(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        cosign(network)
        become(network, "analyst", Role.EXECUTIVE)
        with pytest.raises(SamePerson):
            approve(network, "analyst")


def test_approval_comes_after_the_cosign(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network, pytest.raises(NothingToSign):
        approve(network)


def test_a_draft_cannot_be_signed(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network, pytest.raises(NothingToSign):
        cosign(network)


def test_a_plan_is_sent_back_with_a_reason_that_reaches_its_author(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        analyst = network.person("analyst")
        with pytest.raises(ReasonMissing):
            network.act(lambda s, p: governance.send_back_plan(s, p, reason=" ", actor=analyst, now=NOW))
        network.act(lambda s, p: governance.send_back_plan(s, p, reason="Too short.", actor=analyst, now=NOW))
        assert state(network) == PilotState.DRAFT
        (told,) = network.read(lambda s, p: unread(s, network.person("manager").id))
        assert "Too short." in str(told.message)
        assert asked(network, "manager") == ["finish_plan"]


def test_a_signature_does_not_outlive_a_sending_back(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        cosign(network)
        executive = network.person("executive")
        network.act(lambda s, p: governance.send_back_plan(s, p, reason="Why?", actor=executive, now=NOW))
        network.submit(on=NOW.date())
        assert [s.is_void for s in network.read(sign_offs)] == [True]
        with pytest.raises(NothingToSign):
            approve(network)


def test_an_amendment_voids_the_approvals(tmp_path: Path) -> None:
    with installation(Point.SEALED, tmp_path) as network:
        document = network.read(lambda s, p: {**p.plan, "hypothesis": "Another one."})
        network.amend(document, "We learned.", on=NOW.date())
        assert [s.is_void for s in network.read(sign_offs)] == [True, True]
        assert state(network) == PilotState.SUBMITTED
        with pytest.raises(NothingToSign):
            approve(network)
        cosign(network)
        approve(network)
        assert state(network) == PilotState.SEALED


def test_the_history_tells_every_act_in_order(tmp_path: Path) -> None:
    with installation(Point.SEALED, tmp_path) as network:
        verbs = [row.verb for row in reversed(network.read(history))]
        assert verbs == [
            "pilot.create",
            "plan.submit",
            "plan.cosign",
            "plan.approve",
            "plan.seal",
            "assignment.seal_seeds",
        ]
        assert all(row.message.template != row.verb for row in network.read(history))


def become(network: SmallNetwork, who: str, role: Role) -> None:
    person = network.person(who)
    with network.database.unit_of_work() as session:
        network.people[who] = change_role(session, session.merge(person), role, actor=network.person("admin"), now=NOW)


@pytest.mark.parametrize("act", ["cosign", "approve", "send back"])
def test_a_page_that_was_open_while_the_plan_was_replaced_signs_nothing(tmp_path: Path, act: str) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        old = network.read(lambda s, p: latest_hash(s, p))
        analyst, executive = network.person("analyst"), network.person("executive")
        network.act(lambda s, p: governance.send_back_plan(s, p, reason="Once more.", read=old, actor=analyst, now=NOW))
        network.submit()
        new = network.read(lambda s, p: latest_hash(s, p))
        assert old != new
        if act == "approve":
            network.act(lambda s, p: governance.cosign(s, p, read=new, actor=analyst, now=NOW))
        acts: dict[str, Callable[..., object]] = {
            "cosign": lambda s, p, read: governance.cosign(s, p, read=read, actor=analyst, now=NOW),
            "approve": lambda s, p, read: governance.approve_and_seal(
                s, p, read=read, actor=executive, now=NOW, entropy=ENTROPY
            ),
            "send back": lambda s, p, read: governance.send_back_plan(
                s, p, reason="No.", read=read, actor=executive, now=NOW
            ),
        }
        with pytest.raises(AnotherWasRead, match="has been replaced since you opened it"):
            network.act(lambda s, p: acts[act](s, p, old))
        network.act(lambda s, p: acts[act](s, p, new))
