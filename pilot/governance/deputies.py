"""Deputies: who may sign and decide in somebody else's place, and for how long. A signature says for whom it was."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access import standing
from pilot.access.model import Deputy, Role, User
from pilot.access.permissions import ACTS, MayNot, Owned, Permission
from pilot.access.standing import Standing as Standing
from pilot.audit.service import record
from pilot.errors import NotFound
from pilot.governance.errors import DeputyDoesNotFit
from pilot.planning.queries import business_day
from pilot.words import N_

HAVE_DEPUTIES = (Role.ANALYST, Role.EXECUTIVE)


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
    return standing.acting(session, person, permission, obj, today=business_day(session, now), but=but)


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
    return standing.who_could(session, permission, obj, today=business_day(session, now))
