"""Whom a pilot needs: the policy in force applied to a stage, and the people who could sign today."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission
from pilot.assignment.exclusions import excluding
from pilot.audit.service import record
from pilot.errors import PilotError
from pilot.governance.deputies import Standing, who_could
from pilot.governance.errors import PolicyMovedOn, PolicyUnchanged
from pilot.governance.model import PolicyVersion
from pilot.governance.policy import AS_DELIVERED, Policy, PolicyRow, Risk, Scope, scope_of
from pilot.network.model import Network
from pilot.planning.amendments import difference
from pilot.planning.economics import stage_at_risk_minor
from pilot.planning.errors import PlanIncomplete, ReasonMissing
from pilot.planning.model import Pilot, PilotState, PlanVersion
from pilot.planning.plan import Plan, StagePlan
from pilot.planning.queries import draft_plan, plan_of, submitted_version
from pilot.planning.submission import as_submitted
from pilot.words import N_, Message

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake


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
    """A requirement with the people who could sign and decide today.

    ``stage`` is the stage that it is about (None: a made-up one), ``is_draft`` whether its money was reckoned now, as a
    submission would, instead of when it was submitted; ``unknown`` says why it could not be reckoned.
    """

    requirement: Requirement
    analysts: list[Standing]
    executives: list[Standing]
    stage: int | None = None
    is_draft: bool = False
    unknown: Message | None = None


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
    session.execute(select(Network.id).with_for_update())  # of two at once, the second sees what the first has made
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


def dry_run_of(session: Session, pilot: Pilot, *, lake: Lake, now: datetime) -> DryRun:
    """Whom the pilot's coming stage needs. Of a draft: whom it would need, were it submitted as it stands.

    A draft's money at risk is reckoned on the past as a submission reckons it. Reads only, and may take a second.
    Raises ``PlanIncomplete`` where the draft has no stage.
    """
    is_draft, unknown = pilot.state == PilotState.DRAFT, None
    if is_draft:
        plan = as_submitted(session, pilot, draft_plan(pilot))
        if not plan.stages:
            raise PlanIncomplete(what=N_("a stage"))
        stage = coming_stage(pilot, plan)
        reckoned = _reckoned(session, pilot, plan, stage, lake)
        unknown = reckoned if isinstance(reckoned, Message) else None
        found = requirement(session, plan, stage, money_minor=None if isinstance(reckoned, Message) else reckoned)
    else:
        plan = plan_of(session, pilot, submitted_version(session, pilot).hash)
        stage = coming_stage(pilot, plan)
        found = needed_for(session, pilot, plan, stage)
    return replace(
        dry_run(session, found, pilot=pilot, now=now), stage=stage.number, is_draft=is_draft, unknown=unknown
    )


def _reckoned(session: Session, pilot: Pilot, plan: Plan, stage: StagePlan, lake: Lake) -> int | Message:
    """What the stage of a draft puts at risk, or why nobody can say."""
    from pilot.planning.designer import design_of  # the engine is loaded where it is used
    from pilot.planning.proving import past_of

    if plan.economics is None:
        return Message("no_costs_stated", N_("the plan does not say yet what it costs"), {})
    try:
        design = design_of(session, lake, plan, stage.number, excluded=excluding(session, pilot, plan)(stage.number))
    except PilotError as error:
        return error.message
    return stage_at_risk_minor(plan, stage, past_of(lake, plan, design))
