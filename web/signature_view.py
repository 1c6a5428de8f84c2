"""What the plan page shows of signatures: the one that waits for whoever looks, those still wanted, and acceptances."""

from dataclasses import dataclass

from flask import url_for

from pilot.access.permissions import Permission
from pilot.access.queries import users
from pilot.governance import approvals
from pilot.governance.deputies import acting
from pilot.governance.signing import draft_hash, is_written
from pilot.planning.lifecycle import PilotState
from pilot.planning.model import Acceptance, Pilot
from pilot.planning.proofs import ProofKind
from pilot.planning.submission import acceptances_of
from web.auth import actor, may
from web.presenters import whole
from web.words import _
from web.work import session, settings

_PERMISSIONS = {ProofKind.COSIGN: Permission.PLAN_COSIGN, ProofKind.APPROVE: Permission.PLAN_APPROVE}


@dataclass(frozen=True, slots=True)
class Signature:
    """A sign-off that waits for the person who looks at the page, in whose place where they are a deputy."""

    title: str
    text: str
    button: str
    confirm: str
    url: str
    stands_in_for: str
    still: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """By whom and why it was accepted that a plan cannot prove its break-even."""

    who: str
    for_whom: str
    reason: str


@dataclass(frozen=True, slots=True)
class Acceptable:
    """A draft that cannot prove its break-even: its hash, who has accepted that, and whether this person may."""

    plan_hash: str
    accepted: Accepted | None
    may_accept: bool


def signature(pilot: Pilot) -> Signature | None:
    """The signature that the pilot waits for and that this person can give; None where there is none."""
    now = settings().now()
    wanted = approvals.wanted(session(), pilot, now=now)
    given = {person for proof in approvals.holding(session(), pilot, now=now) for person in proof.people}
    for kind in dict.fromkeys(wanted):
        standing = acting(session(), actor(), _PERMISSIONS[kind], pilot, now=now, but=frozenset(given))
        if standing is not None and actor().id not in given:
            return _shown(pilot, kind, wanted, standing.principal.name if standing.principal else "")
    return None


def acceptable(pilot: Pilot) -> Acceptable | None:
    """For a draft or an amendment in writing: what an executive would accept, or has accepted."""
    if not is_written(session(), pilot):
        return None
    plan_hash = draft_hash(session(), pilot)
    found = accepted(pilot).get(plan_hash)
    return Acceptable(plan_hash, found, found is None and may(Permission.PLAN_APPROVE, pilot))


def accepted(pilot: Pilot) -> dict[str, Accepted]:
    """By plan hash: who accepted that the plan cannot prove its break-even."""
    names = {user.id: user.name for user in users(session())}

    def shown(one: Acceptance) -> Accepted:
        return Accepted(names[one.user_id], names[one.for_user_id] if one.for_user_id else "", one.reason)

    return {one.plan_hash: shown(one) for one in acceptances_of(session(), pilot)}


def _shown(pilot: Pilot, kind: ProofKind, wanted: tuple[ProofKind, ...], stands_in_for: str) -> Signature:
    again = pilot.state in (PilotState.SEALED, PilotState.DRAWN)
    n = wanted.count(kind)
    if kind is ProofKind.COSIGN:
        still = _("Analysts who still have to co-sign: %(n)s.", n=whole(n)) if n > 1 or again else ""
        return Signature(
            _("Your co-signature"),
            _("You vouch for the design: the metric that leads, the draw, the windows and what the plan can see."),
            _("Co-sign the plan"),
            _("You sign exactly this text of the plan."),
            url_for("plan.cosign", pilot=pilot.code),
            stands_in_for,
            still,
        )
    seals = n == 1 and not again
    return Signature(
        _("Your approval"),
        _("Your approval seals the plan. The system makes the seed of the draw, once; nobody can choose it.")
        if seals
        else _("You approve exactly this text of the plan."),
        _("Approve and seal") if seals else _("Approve the plan"),
        _("The plan is sealed as it stands. Later changes are amendments and void the signatures.")
        if seals
        else _("You sign exactly this text of the plan."),
        url_for("plan.approve", pilot=pilot.code),
        stands_in_for,
        "" if seals else _("Executives who still have to approve: %(n)s.", n=whole(n)),
    )
