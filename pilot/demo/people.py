"""The demonstration's accounts: one per role, two executives, with passwords that the demonstration prints."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.access.service import create_user, first_administrator, make_link, redeem_link


@dataclass(frozen=True, slots=True)
class Account:
    """How to sign in to the demonstration as ``login``; only the demonstration has passwords that anybody knows."""

    login: str
    role: Role
    email: str
    password: str

    @property
    def name(self) -> str:
        return f"Demo {self.login.replace('-', ' ')}"


def _account(login: str, role: Role) -> Account:
    return Account(login, role, f"{login}@demo.example", f"{login}-demo-2017")


ADMIN = _account("admin", Role.ADMIN)
MANAGER = _account("manager", Role.MANAGER)
ANALYST = _account("analyst", Role.ANALYST)
EXECUTIVE = _account("executive", Role.EXECUTIVE)
SECOND_EXECUTIVE = _account("executive-2", Role.EXECUTIVE)
AUDITOR = _account("auditor", Role.AUDITOR)
ACCOUNTS = (ADMIN, MANAGER, ANALYST, EXECUTIVE, SECOND_EXECUTIVE, AUDITOR)


def make_people(session: Session, *, now: datetime) -> dict[Account, User]:
    """All accounts, through the same doors as anywhere: the first administrator's link, then invitations."""
    token = first_administrator(session, email=ADMIN.email, name=ADMIN.name, now=now)
    administrator = redeem_link(session, token, ADMIN.password, now=now)
    people = {ADMIN: administrator}
    for account in ACCOUNTS[1:]:
        invited = create_user(
            session, email=account.email, name=account.name, role=account.role, actor=administrator, now=now
        )
        token = make_link(session, invited, actor=administrator, now=now)
        people[account] = redeem_link(session, token, account.password, now=now)
    return people
