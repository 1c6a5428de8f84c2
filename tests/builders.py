"""Builders that name only what matters to a test."""

from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy.orm import Session

from pilot.access.model import Role, User

_numbers = count(1)
# What customers keep when a made-up program ends.
WIND_DOWN = {"honour_until": "2035-12-31", "points": "redeemable", "tiers": "kept", "memberships": "run_out"}

# What a made-up plan's money is reckoned with: stores that earn so little on their sales that an offer must bring a
# great deal. Any design sees that much, so no executive is asked, and a test of something else is not held up.
THIN_MARGIN = {"margin_share": "0.06"}


def a_user(session: Session, role: Role, *, email: str | None = None, at: datetime | None = None) -> User:
    """A person with ``role`` and no password; the e-mail is made up where it does not matter."""
    user = User(
        email=email or f"{role}-{next(_numbers)}@example.org",
        name=f"A {role}",
        role=role,
        password_hash=None,
        is_active=True,
        session_version=1,
        language="",
        created_at=at or datetime(2026, 1, 5, 8, tzinfo=UTC),
    )
    session.add(user)
    session.flush()
    return user


# For tests that take the fixture ``database`` and ask it nothing that a neighbour does not ask on both databases.
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
