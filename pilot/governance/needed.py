"""Whom a pilot needs: the policy in force applied to a stage, and the people who could sign today."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission
from pilot.audit.service import record
from pilot.governance.deputies import Standing, who_could
from pilot.governance.errors import PolicyMovedOn, PolicyUnchanged
from pilot.governance.model import PolicyVersion
from pilot.governance.policy import AS_DELIVERED, Policy, PolicyRow, Risk, Scope, scope_of
from pilot.planning.amendments import difference
from pilot.planning.errors import ReasonMissing
from pilot.planning.model import Pilot, PlanVersion
from pilot.planning.plan import Plan, StagePlan


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a stage needs, and why: its reach, its class of risk and the money at risk (None: nobody reckoned it)."""

    scope: Scope
    risk: Risk
    money_minor: int | None
    row: PolicyRow
    valid_days: int


@dataclass(frozen=True, slots=True)
class DryRun:
    """A requirement with the people who could sign and decide today."""

    requirement: Requirement
    analysts: list[Standing]
    executives: list[Standing]


def policy_in_force(session: Session) -> Policy:
    """The latest version; before the first change the one that is delivered."""
    text = session.scalar(select(PolicyVersion.text).order_by(PolicyVersion.number.desc()).limit(1))
    return AS_DELIVERED if text is None else Policy.from_text(text)


def policy_versions(session: Session) -> Sequence[PolicyVersion]:
    """Every change of the policy, the latest first."""
    return session.scalars(select(PolicyVersion).order_by(PolicyVersion.number.desc())).all()


def change_policy(
    session: Session, policy: Policy, *, reason: str, instead_of: str, actor: User, now: datetime
) -> PolicyVersion:
    """A new version of the policy, from now on in force for every signature, start and decision.

    ``instead_of`` is the hash of the policy that the person saw. Raises ``ReasonMissing``, ``PolicyMovedOn`` where
    somebody else has changed it meanwhile, ``PolicyUnchanged``.
    """
    if not reason.strip():
        raise ReasonMissing()
    latest = session.scalars(select(PolicyVersion).order_by(PolicyVersion.number.desc()).limit(1)).first()
    before = Policy.from_text(latest.text) if latest else AS_DELIVERED
    if before.hash() != instead_of:
        raise PolicyMovedOn()
    if policy == before:
        raise PolicyUnchanged()
    version = PolicyVersion(
        number=1 + (latest.number if latest else 0),
        text=policy.text(),
        hash=policy.hash(),
        reason=reason.strip(),
        created_by_id=actor.id,
        created_at=now,
    )
    session.add(version)
    session.flush()
    changed = [row.path for row in difference(before.text(), version.text)]
    details = {
        "version": version.number, "policy_hash": version.hash, "reason": version.reason, "changed": changed,
        "policy": json.loads(version.text),
    }  # fmt: skip
    record(session, actor=actor.email, verb="policy.change", subject_kind="policy", subject="policy",
           details=details, at=now)  # fmt: skip
    return version


def requirement(
    session: Session, plan: Plan, stage: StagePlan, *, money_minor: int | None, policy: Policy | None = None
) -> Requirement:
    """What the stage needs by the policy in force."""
    given = policy or policy_in_force(session)
    return made_up(given, scope_of(plan, stage), given.risk_of(offer.mechanic for offer in plan.offers), money_minor)


def made_up(policy: Policy, scope: Scope, risk: Risk, money_minor: int | None) -> Requirement:
    """The same for a reach, a class and an amount that somebody makes up."""
    return Requirement(scope, risk, money_minor, policy.row_for(scope, risk, money_minor), policy.valid_days)


def needed_for(session: Session, pilot: Pilot, plan: Plan, stage: StagePlan) -> Requirement:
    """What a stage of a submitted plan needs: the money at risk is that of its submission."""
    return requirement(session, plan, stage, money_minor=money_at_risk(session, pilot, plan.hash(), stage.number))


def money_at_risk(session: Session, pilot: Pilot, plan_hash: str, stage_number: int) -> int | None:
    """What the stage costs if it brings nothing, as it was reckoned when the plan was submitted.

    A stage that had started when the plan was amended keeps what was reckoned before; None where nobody reckoned it.
    """
    this = select(PlanVersion.number).where(PlanVersion.pilot_id == pilot.id, PlanVersion.hash == plan_hash)
    kept = (
        select(PlanVersion.money_at_risk)
        .where(PlanVersion.pilot_id == pilot.id, PlanVersion.number <= this.scalar_subquery())
        .order_by(PlanVersion.number.desc())
    )
    for at_risk in session.scalars(kept):
        if at_risk and str(stage_number) in at_risk:
            return at_risk[str(stage_number)]
    return None


def coming_stage(pilot: Pilot, plan: Plan) -> StagePlan:
    """The stage that the signatures on ``plan`` are for: the first that has not started, else the last one.

    A plan that is submitted has a stage.
    """
    stages = sorted(plan.stages, key=lambda stage: stage.number)
    return next((stage for stage in stages if stage.number > pilot.last_started), stages[-1])


def dry_run(session: Session, found: Requirement, *, pilot: Pilot | None, now: datetime) -> DryRun:
    """Who could sign and decide today on ``pilot`` (None: on anybody's)."""
    return DryRun(
        found,
        who_could(session, Permission.PLAN_COSIGN, pilot, now=now),
        who_could(session, Permission.PLAN_APPROVE, pilot, now=now),
    )
