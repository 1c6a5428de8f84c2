"""Who may act today: as themselves, or as the deputy of somebody who may."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Deputy, User
from pilot.access.permissions import Owned, Permission, may

# What a deputy may do in another's place: sign and decide. Their own work they do as themselves.
STANDS_IN = frozenset(
    {Permission.PLAN_COSIGN, Permission.PLAN_APPROVE, Permission.PLAN_SEND_BACK, Permission.DECISION_MAKE}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Somebody who may act: as themselves (``principal`` None), or in the place of ``principal``."""

    person: User
    principal: User | None = None

    @property
    def for_user_id(self) -> int | None:
        return self.principal.id if self.principal else None


def acting(
    session: Session,
    person: User,
    permission: Permission,
    obj: Owned | None,
    *,
    today: date,
    but: frozenset[int] = frozenset(),
) -> Standing | None:
    """As whom ``person`` may do this: as themselves where they may, else as a deputy; None where they may not.

    A deputy is never the owner, and stands in neither for the owner nor for anybody of ``but``.
    """
    if may(person, permission, obj):
        return Standing(person)
    if permission not in STANDS_IN or not person.is_active or (obj is not None and obj.owner_id == person.id):
        return None
    for principal in _principals(session, person, today):
        if principal.id not in but and may(principal, permission, obj):
            return Standing(person, principal)
    return None


def who_could(
    session: Session,
    permission: Permission,
    obj: Owned | None,
    *,
    today: date,
    but: frozenset[int] = frozenset(),
) -> list[Standing]:
    """Everybody who could do this today, those who may as themselves first, then deputies; by e-mail address.

    Without those of ``but`` and who stands in only for them: they have had their word.
    """
    people = session.scalars(select(User).where(User.is_active, User.id.not_in(but)).order_by(User.email)).all()
    asked = (acting(session, person, permission, obj, today=today, but=but) for person in people)
    return sorted((one for one in asked if one), key=lambda one: one.principal is not None)


def with_deputies(session: Session, user_ids: Iterable[int], *, today: date) -> list[int]:
    """These people and who stands in for them today, nobody twice: what one should hear, the deputy hears, too."""
    people = list(user_ids)
    deputies = (
        select(Deputy.deputy_id)
        .join(User, User.id == Deputy.deputy_id)
        .where(Deputy.user_id.in_(people), Deputy.first_day <= today, Deputy.last_day >= today, User.is_active)
        .order_by(Deputy.deputy_id)
    )
    return list(dict.fromkeys([*people, *session.scalars(deputies)]))


def _principals(session: Session, person: User, today: date) -> Sequence[User]:
    wanted = (
        select(User)
        .join(Deputy, Deputy.user_id == User.id)
        .where(Deputy.deputy_id == person.id, Deputy.first_day <= today, Deputy.last_day >= today, User.is_active)
        .order_by(User.id)
    )
    return session.scalars(wanted).all()
