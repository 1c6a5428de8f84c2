"""Reading people and keys."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import ApiKey, Role, User
from pilot.errors import NotFound
from pilot.words import N_


class NoSuchPerson(NotFound):
    code = "no_such_person"
    template = N_("There is no person with the e-mail address “{email}”. “pilot user list” shows who there is.")


class NoSuchKey(NotFound):
    code = "no_such_key"
    template = N_("There is no API key “{code}”.")


def users(session: Session) -> Sequence[User]:
    """Everybody, active first, then by e-mail address."""
    return session.scalars(select(User).order_by(User.is_active.desc(), User.email)).all()


def user_by_email(session: Session, email: str) -> User:
    """The person with this address; ``NoSuchPerson`` otherwise."""
    user = session.scalar(select(User).where(User.email == email.strip().lower()))
    if user is None:
        raise NoSuchPerson(email=email[:80])
    return user


def people_with(session: Session, role: Role) -> Sequence[User]:
    """The active people of one role."""
    return session.scalars(select(User).where(User.role == role, User.is_active).order_by(User.email)).all()


def api_keys(session: Session) -> Sequence[ApiKey]:
    """All keys, newest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.code)).all()


def key_by_code(session: Session, code: str) -> ApiKey:
    """The key of this code; ``NoSuchKey`` otherwise."""
    key = session.scalar(select(ApiKey).where(ApiKey.code == code))
    if key is None:
        raise NoSuchKey(code=code[:80])
    return key
