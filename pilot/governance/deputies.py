"""Deputies: who may sign and decide in somebody else's place, and for how long. A signature says for whom it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.access.permissions import ACTS, MayNot, Owned, Permission
from pilot.access.permissions import may as may_self
from pilot.audit.service import record
from pilot.errors import NotFound
from pilot.governance.errors import DeputyDoesNotFit
from pilot.governance.model import Deputy
from pilot.planning.queries import business_day
from pilot.words import N_

# What a deputy may do in another's place: sign and decide. Their own work they do as themselves.
STANDS_IN = frozenset(
    {Permission.PLAN_COSIGN, Permission.PLAN_APPROVE, Permission.PLAN_SEND_BACK, Permission.DECISION_MAKE}
)
HAVE_DEPUTIES = (Role.ANALYST, Role.EXECUTIVE)


@dataclass(frozen=True, slots=True)
class Standing:
    """Somebody who may act: as themselves (``principal`` None), or in the place of ``principal``."""

    person: User
    principal: User | None = None

    @property
    def for_user_id(self) -> int | None:
        return self.principal.id if self.principal else None


def appoint(
    session: Session, *, user: User, deputy: User, first_day: date, last_day: date, actor: User, now: datetime
) -> Deputy:
    """``deputy`` may sign and decide in the place of ``user`` from ``first_day`` to ``last_day``.

    Raises ``DeputyDoesNotFit``: not oneself, not for longer than it lasts, only for people who sign, never by the one
    who is appointed.
    """
    if deputy.id == user.id:
        raise DeputyDoesNotFit(problem=N_("nobody stands in for themselves"))
    if deputy.id == actor.id:
        raise DeputyDoesNotFit(problem=N_("nobody appoints themselves"))
    if last_day < first_day:
        raise DeputyDoesNotFit(problem=N_("the last day comes before the first"))
    if Role(user.role) not in HAVE_DEPUTIES:
        raise DeputyDoesNotFit(problem=N_("only analysts and executives sign, so only they need a deputy"))
    if not (user.is_active and deputy.is_active):
        raise DeputyDoesNotFit(problem=N_("both have to be able to sign in"))
    found = Deputy(
        user_id=user.id, deputy_id=deputy.id, first_day=first_day, last_day=last_day,
        created_by_id=actor.id, created_at=now,
    )  # fmt: skip
    session.add(found)
    session.flush()
    details = {"user": user.email, "deputy": deputy.email, "first_day": first_day, "last_day": last_day}
    record(session, actor=actor.email, verb="deputy.appoint", subject_kind="user", subject=user.email,
           details=details, at=now)  # fmt: skip
    return found


def end(session: Session, found: Deputy, *, actor: User, now: datetime) -> None:
    """The deputy stands in no longer; what they signed stays signed."""
    user, deputy = session.get_one(User, found.user_id), session.get_one(User, found.deputy_id)
    details = {"user": user.email, "deputy": deputy.email}
    session.delete(found)
    session.flush()
    record(session, actor=actor.email, verb="deputy.end", subject_kind="user", subject=user.email, details=details,
           at=now)  # fmt: skip


def deputy_by_id(session: Session, number: int) -> Deputy:
    """The appointment; ``NotFound`` where there is none."""
    found = session.get(Deputy, number)
    if found is None:
        raise NotFound(kind=N_("deputy"), name=str(number))
    return found


def deputies(session: Session) -> Sequence[Deputy]:
    """Every appointment, the latest first."""
    return session.scalars(select(Deputy).order_by(Deputy.first_day.desc(), Deputy.id.desc())).all()


def acting(
    session: Session,
    person: User,
    permission: Permission,
    obj: Owned | None,
    *,
    now: datetime,
    but: frozenset[int] = frozenset(),
) -> Standing | None:
    """As whom ``person`` may do this: as themselves where they may, else as a deputy; None where they may not.

    A deputy is never the owner, and stands in neither for the owner nor for anybody of ``but``.
    """
    if may_self(person, permission, obj):
        return Standing(person)
    if permission not in STANDS_IN or not person.is_active or (obj is not None and obj.owner_id == person.id):
        return None
    for principal in _principals(session, person, business_day(session, now)):
        if principal.id not in but and may_self(principal, permission, obj):
            return Standing(person, principal)
    return None


def require_acting(
    session: Session, person: User, permission: Permission, obj: Owned | None, *, now: datetime
) -> Standing:
    """``MayNot`` unless the person may, themselves or as a deputy."""
    found = acting(session, person, permission, obj, now=now)
    if found is None:
        raise MayNot(who=person.name, role=str(person.role), permission=ACTS[permission])
    return found


def who_could(session: Session, permission: Permission, obj: Owned | None, *, now: datetime) -> list[Standing]:
    """Everybody who could do this today, those who may as themselves first, then deputies; by e-mail address."""
    people = session.scalars(select(User).where(User.is_active).order_by(User.email)).all()
    found = [standing for person in people if (standing := acting(session, person, permission, obj, now=now))]
    return sorted(found, key=lambda one: one.principal is not None)


def _principals(session: Session, person: User, today: date) -> Sequence[User]:
    wanted = (
        select(User)
        .join(Deputy, Deputy.user_id == User.id)
        .where(Deputy.deputy_id == person.id, Deputy.first_day <= today, Deputy.last_day >= today, User.is_active)
        .order_by(User.id)
    )
    return session.scalars(wanted).all()
