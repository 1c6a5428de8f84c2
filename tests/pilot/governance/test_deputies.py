"""Deputies, several signatures, and signatures that expire: none counts twice, none for ever, none for one's own."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.access.model import Role, User
from pilot.access.permissions import MayNot, Permission
from pilot.governance import deputies, needed
from pilot.governance import service as governance
from pilot.governance.approvals import wanted
from pilot.governance.errors import AlreadySigned, DeputyDoesNotFit, NothingToSign, SignOffsExpired
from pilot.governance.model import Choice
from pilot.governance.policy import AS_DELIVERED, Policy
from pilot.governance.queries import sign_offs
from pilot.planning.errors import OwnPlan, SignOffMissing
from pilot.planning.model import PilotState, StageState
from pilot.planning.proofs import Proof, ProofKind, missing
from tests.builders import a_user
from tests.pilot.evidence.small_network import START, SmallNetwork
from tests.pilot.evidence.snapshots import Point, installation
from tests.pilot.governance.test_deciding import decide, pilot_state
from tests.pilot.governance.test_signing import NOW, approve, cosign, state

SOON = START + timedelta(days=60)


def person(network: SmallNetwork, name: str, role: Role) -> User:
    with network.database.unit_of_work() as session:
        network.people[name] = a_user(session, role, email=f"{name}@example.org")
    return network.people[name]


def appoint(network: SmallNetwork, user: str, deputy: str, first: date = START - timedelta(days=9), last: date = SOON,
            by: str = "admin") -> None:  # fmt: skip
    with network.database.unit_of_work() as session:
        deputies.appoint(
            session, user=network.person(user), deputy=network.person(deputy), first_day=first, last_day=last,
            actor=network.person(by), now=NOW,
        )  # fmt: skip


def policy(network: SmallNetwork, *, valid_days: int = 180, **counts: int) -> None:
    document = AS_DELIVERED.model_dump(mode="json")
    rows = [{**row, **{name: max(n, row[name]) for name, n in counts.items()}} for row in document["rows"]]
    found = Policy.from_document({**document, "rows": rows, "valid_days": valid_days})
    with network.database.unit_of_work() as session:
        before = needed.policy_in_force(session).hash()
        needed.change_policy(
            session, found, reason="A test.", instead_of=before, actor=network.person("admin"), now=NOW
        )


def test_a_deputy_signs_in_an_executives_place_and_the_signature_says_so(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        person(network, "helper", Role.MANAGER)
        cosign(network)
        with pytest.raises(MayNot):
            approve(network, "helper")
        appoint(network, "executive", "helper")
        approve(network, "helper")
        assert state(network) == PilotState.SEALED
        last = network.read(sign_offs)[-1]
        assert (last.kind, last.who, last.for_whom) == ("approve", "A manager", "A executive")


@pytest.mark.parametrize(("first", "last"), [(1, 9), (-9, -4)])
def test_a_deputy_stands_in_on_the_days_of_the_appointment_only(tmp_path: Path, first: int, last: int) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        person(network, "helper", Role.MANAGER)
        appoint(network, "analyst", "helper", START + timedelta(days=first), START + timedelta(days=last))
        with pytest.raises(MayNot):
            cosign(network, "helper")


def test_a_deputy_never_signs_their_own_plan_nor_for_its_owner(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        appoint(network, "analyst", "manager")
        with pytest.raises(OwnPlan):
            cosign(network, "manager")
        assert deputies_of(network, "manager", Permission.PLAN_COSIGN) is None


def deputies_of(network: SmallNetwork, who: str, permission: Permission) -> object:
    return network.read(lambda s, p: deputies.acting(s, network.person(who), permission, p, now=NOW))


@pytest.mark.parametrize(
    ("user", "deputy", "by"),
    [("executive", "executive", "admin"), ("executive", "admin", "admin"), ("manager", "analyst", "admin")],
)
def test_an_appointment_that_could_not_hold_is_refused(tmp_path: Path, user: str, deputy: str, by: str) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network, pytest.raises(DeputyDoesNotFit):
        appoint(network, user, deputy, by=by)


def test_a_policy_that_wants_two_approvals_gets_them_from_two_humans(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        policy(network, approvals=2)
        person(network, "helper", Role.MANAGER)
        appoint(network, "executive", "helper")
        cosign(network)
        approve(network, "executive")
        assert state(network) == PilotState.COSIGNED
        with pytest.raises(AlreadySigned):
            approve(network, "executive")
        with pytest.raises(AlreadySigned):  # the same seat through a deputy
            approve(network, "helper")
        approve(network, "second")
        assert state(network) == PilotState.SEALED


def test_one_human_does_not_count_for_two_whom_they_stand_in_for(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        policy(network, approvals=2)
        person(network, "helper", Role.MANAGER)
        appoint(network, "executive", "helper")
        appoint(network, "second", "helper")
        cosign(network)
        approve(network, "helper")
        with pytest.raises(AlreadySigned):
            approve(network, "helper")
        assert state(network) == PilotState.COSIGNED


def test_two_analysts_cosign_where_the_policy_wants_two(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        policy(network, cosigns=2)
        person(network, "other", Role.ANALYST)
        cosign(network)
        assert state(network) == PilotState.SUBMITTED
        with pytest.raises(NothingToSign):
            approve(network)
        cosign(network, "other")
        approve(network)
        assert state(network) == PilotState.SEALED


def test_signatures_that_have_expired_are_given_again_before_the_draw(tmp_path: Path) -> None:
    with installation(Point.SEALED, tmp_path) as network:
        policy(network, valid_days=1)
        draw_on = START - timedelta(days=1)
        with pytest.raises(SignOffsExpired):
            network.draw_and_start(on=draw_on)
        for kind, name in ((governance.cosign, "analyst"), (approve_again, "executive")):
            network.act(lambda s, p, kind=kind, name=name: kind(s, p, actor=network.person(name), now=at(draw_on)))
        network.draw_and_start(on=draw_on)
        assert network.read(lambda s, p: p.stage(1).state) == StageState.RUNNING
        assert [one.kind for one in network.read(sign_offs)] == ["cosign", "approve", "cosign", "approve"]


def test_a_policy_that_became_stricter_counts_at_the_draw(tmp_path: Path) -> None:
    with installation(Point.SEALED, tmp_path) as network:
        policy(network, approvals=2)
        with pytest.raises(SignOffMissing):
            network.draw_and_start()
        assert network.read(lambda s, p: wanted(s, p, now=NOW)) == (ProofKind.APPROVE,)
        network.act(lambda s, p: approve_again(s, p, actor=network.person("second"), now=NOW))
        network.draw_and_start()


def test_a_sealed_plan_that_has_its_signatures_takes_no_more(tmp_path: Path) -> None:
    with installation(Point.SEALED, tmp_path) as network, pytest.raises(NothingToSign):
        network.act(lambda s, p: approve_again(s, p, actor=network.person("second"), now=NOW))


def test_a_decision_needs_as_many_executives_as_the_policy_says(tmp_path: Path) -> None:
    with installation(Point.AT_GATE_WEAK, tmp_path) as network:
        policy(network, decisions=2)
        assert not decide(network, Choice.STOP).takes_effect
        assert decide(network, Choice.STOP, "second").takes_effect
        assert pilot_state(network) == PilotState.STOPPED


def test_a_deputy_and_the_one_whose_place_they_take_are_one_voice(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        person(network, "helper", Role.MANAGER)
        appoint(network, "executive", "helper")
        assert not decide(network, Choice.APPROVE, "helper").takes_effect
        assert not decide(network, Choice.STOP, "executive").takes_effect  # the seat's last word
        said = decide(network, Choice.STOP, "second")
        assert said.takes_effect
        assert pilot_state(network) == PilotState.STOPPED


def test_proofs_are_matched_so_that_everybody_counts_once() -> None:
    def a(kind: ProofKind, user: int, place_of: int | None = None) -> Proof:
        return Proof(kind, user, "h", NOW, place_of)

    kinds = [ProofKind.COSIGN, ProofKind.APPROVE]
    both = [a(ProofKind.COSIGN, 1), a(ProofKind.COSIGN, 2), a(ProofKind.APPROVE, 1)]
    assert missing(both, kinds) == ()  # 2 co-signs, 1 approves
    assert missing([a(ProofKind.COSIGN, 1), a(ProofKind.APPROVE, 3, 1)], kinds) == (ProofKind.APPROVE,)
    assert missing([a(ProofKind.APPROVE, 1), a(ProofKind.APPROVE, 3, 1)], [ProofKind.APPROVE] * 2) == (
        ProofKind.APPROVE,
    )


def approve_again(session: Any, pilot: Any, **given: Any) -> Any:
    return governance.approve_and_seal(session, pilot, entropy=b"entropy of a test" * 2, **given)


def at(day: date) -> Any:
    from tests.pilot.evidence.small_network import day_at

    return day_at(day)
