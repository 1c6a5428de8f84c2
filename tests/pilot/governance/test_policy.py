"""The policy as data: whom a stage needs, how it changes, and what it can never allow."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.audit.queries import history_of
from pilot.database import Database
from pilot.governance import needed
from pilot.governance.errors import PolicyDoesNotFit, PolicyMovedOn, PolicyUnchanged
from pilot.governance.policy import AS_DELIVERED, Policy, PolicyRow, Risk, Scope, scope_of
from pilot.planning.errors import ReasonMissing
from pilot.planning.plan import Plan
from pilot.planning.queries import sealed_plan
from pilot.planning.service import edit_draft
from pilot.programs.mechanics import Mechanic
from tests.builders import a_user
from tests.conftest import NOW
from tests.pilot.evidence.small_network import START, day_at
from tests.pilot.evidence.snapshots import Point, installation

BEFORE = day_at(START - timedelta(days=3))


def changed(policy: Policy = AS_DELIVERED, **changes: Any) -> Policy:
    return Policy.from_document({**policy.model_dump(mode="json"), **changes})


def a_plan(**stage: Any) -> Plan:
    given = {"number": 1, "name": "One", "starts_on": "2026-03-02", "weeks": 4, "units": ["S01"], **stage}
    return Plan.from_document({"pilot": "p", "program": "card", "stages": [given]})


@pytest.mark.parametrize(
    ("stage", "scope"),
    [
        ({}, Scope.PILOT),
        ({"units": ["S01", "region:R01"]}, Scope.REGION),
        ({"units": ["all"]}, Scope.REGION),
        ({"units": ["all"], "is_network": True}, Scope.NETWORK),
    ],
)
def test_how_far_a_stage_goes_is_read_from_its_plan(stage: dict[str, Any], scope: Scope) -> None:
    plan = a_plan(**stage)
    assert scope_of(plan, plan.stages[0]) is scope


def test_the_first_row_that_fits_counts() -> None:
    first = AS_DELIVERED.row_for(Scope.PILOT, Risk.LOW, 50_000_00)
    beyond = AS_DELIVERED.row_for(Scope.PILOT, Risk.LOW, 50_000_01)
    assert [first.approvals, beyond.approvals] == [1, 2]


def test_money_that_nobody_knows_is_more_than_any_limit() -> None:
    assert AS_DELIVERED.row_for(Scope.PILOT, Risk.LOW, None).approvals == 2


def test_a_program_has_the_class_of_its_riskiest_mechanic() -> None:
    assert AS_DELIVERED.risk_of(["fixed_discount"]) is Risk.LOW
    assert AS_DELIVERED.risk_of(["fixed_discount", "club_membership", "gift_or_draw"]) is Risk.HIGH
    assert AS_DELIVERED.risk_of([]) is Risk.LOW


def test_the_policy_survives_its_text() -> None:
    assert Policy.from_text(AS_DELIVERED.text()) == AS_DELIVERED


def test_a_policy_has_a_row_for_every_stage() -> None:
    rows = [row for row in AS_DELIVERED.model_dump(mode="json")["rows"] if row["scope"] != "region"]
    with pytest.raises(PolicyDoesNotFit, match="every reach and class of risk"):
        changed(rows=rows)


@pytest.mark.parametrize("column", ["approvals", "decisions"])
def test_no_policy_lets_one_executive_take_the_network(column: str) -> None:
    rows = AS_DELIVERED.model_dump(mode="json")["rows"]
    rows[-1][column] = 1
    with pytest.raises(PolicyDoesNotFit, match="takes two executives"):
        changed(rows=rows)


def test_every_mechanic_has_a_class() -> None:
    risks = {mechanic.value: "low" for mechanic in Mechanic if mechanic is not Mechanic.TIER_CARD}
    with pytest.raises(PolicyDoesNotFit, match="every mechanic"):
        changed(risks=risks)


@pytest.mark.parametrize("count", [0, 10, "many"])
def test_a_count_is_a_small_whole_number(count: object) -> None:
    rows = AS_DELIVERED.model_dump(mode="json")["rows"]
    rows[0]["cosigns"] = count
    with pytest.raises(PolicyDoesNotFit):
        changed(rows=rows)


def test_a_change_is_a_version_with_its_reason_and_an_entry(session: Session, database: Database) -> None:
    admin = a_user(session, Role.ADMIN)
    assert needed.policy_in_force(session) == AS_DELIVERED
    wider = changed(valid_days=30)
    needed.change_policy(session, wider, reason="Quicker.", instead_of=AS_DELIVERED.hash(), actor=admin, now=NOW)
    assert needed.policy_in_force(session) == wider
    assert [(one.number, one.reason) for one in needed.policy_versions(session)] == [(1, "Quicker.")]
    (entry,) = history_of(session, "policy", "policy")
    assert (entry.verb, '"valid_days"' in entry.text) == ("policy.change", True)


def test_a_change_needs_a_reason_a_difference_and_the_policy_that_was_seen(
    session: Session, database: Database
) -> None:
    admin, seen = a_user(session, Role.ADMIN), AS_DELIVERED.hash()
    with pytest.raises(ReasonMissing):
        needed.change_policy(session, changed(valid_days=30), reason=" ", instead_of=seen, actor=admin, now=NOW)
    with pytest.raises(PolicyUnchanged):
        needed.change_policy(session, AS_DELIVERED, reason="Same.", instead_of=seen, actor=admin, now=NOW)
    needed.change_policy(session, changed(valid_days=30), reason="One.", instead_of=seen, actor=admin, now=NOW)
    with pytest.raises(PolicyMovedOn):
        needed.change_policy(session, changed(valid_days=20), reason="Two.", instead_of=seen, actor=admin, now=NOW)


def test_the_money_at_risk_is_that_of_the_submission(tmp_path: Path) -> None:
    with installation(Point.SEALED, tmp_path) as network:
        found = network.read(lambda s, p: needed.needed_for(s, p, sealed_plan(s, p), sealed_plan(s, p).stages[0]))
        assert (found.scope, found.risk) == (Scope.REGION, Risk.LOW)
        assert found.money_minor is not None
        assert found.money_minor > 0


def test_a_row_that_names_a_risk_is_about_that_risk_only() -> None:
    row = PolicyRow(scope=Scope.PILOT, risk=Risk.HIGH)
    assert [row.fits(Scope.PILOT, risk, 0) for risk in Risk] == [False, False, True]


def test_the_dry_run_of_a_draft_asks_for_whom_its_submission_then_asks(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network:
        before = network.read(lambda s, p: needed.dry_run_of(s, p, lake=network.lake, now=BEFORE))
        network.submit()
        after = network.read(lambda s, p: needed.dry_run_of(s, p, lake=network.lake, now=BEFORE))
        assert (before.is_draft, after.is_draft) == (True, False)
        assert before.requirement == after.requirement
        assert before.requirement.money_minor, "a sum, not “nobody knows”"
        assert (before.stage, before.unknown) == (1, None)


def test_a_draft_that_states_no_costs_says_why_its_money_counts_as_more_than_any_limit(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network:
        document = network.read(lambda s, p: dict(p.plan))
        manager = network.person("manager")
        free = {**document, "economics": None}
        network.act(lambda s, p: edit_draft(s, p, document=free, actor=manager, now=BEFORE))
        found = network.read(lambda s, p: needed.dry_run_of(s, p, lake=network.lake, now=BEFORE))
        assert found.requirement.money_minor is None
        assert found.unknown is not None
        assert "does not say yet what it costs" in str(found.unknown)
