"""API keys: shown once, kept as a hash, with an end and a rotation that leaves no till in the dark."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from pilot.access import errors, queries
from pilot.access.api_keys import (
    ROTATION_GRACE,
    authenticate_key,
    create_api_key,
    is_live,
    revoke_api_key,
    rotate_api_key,
)
from pilot.access.model import ApiKey
from pilot.access.permissions import Scope


def a_key(session: Session, now: datetime, *, ends: datetime | None = None) -> tuple[ApiKey, str]:
    return create_api_key(
        session,
        name="Tills north",
        scopes=[Scope.ASSIGNMENTS_READ],
        store_codes=["S2", "S1"],
        expires_at=ends,
        actor="system",
        now=now,
    )


def test_the_secret_opens_and_is_not_kept(session: Session, now: datetime) -> None:
    key, secret = a_key(session, now)
    assert authenticate_key(session, secret, now=now) is key
    assert secret not in (key.key_hash, key.code)
    assert (key.code, key.store_codes) == ("tills-north", ["S1", "S2"])


@pytest.mark.parametrize("wrong", ["", ".", "tills-north", "tills-north.", "tills-north.guess", "nobody.guess"])
def test_a_wrong_secret_is_refused(session: Session, now: datetime, wrong: str) -> None:
    a_key(session, now)
    with pytest.raises(errors.KeyRefused):
        authenticate_key(session, wrong, now=now)


def test_a_key_ends_when_it_expires_or_is_revoked(session: Session, now: datetime) -> None:
    key, secret = a_key(session, now, ends=now + timedelta(days=1))
    with pytest.raises(errors.KeyRefused):
        authenticate_key(session, secret, now=now + timedelta(days=1))
    revoke_api_key(session, key, actor="system", now=now)
    with pytest.raises(errors.KeyRefused):
        authenticate_key(session, secret, now=now)


def test_a_rotated_key_works_beside_its_successor_for_a_day(session: Session, now: datetime) -> None:
    old, old_secret = a_key(session, now)
    new, new_secret = rotate_api_key(session, old, actor="system", now=now)
    assert authenticate_key(session, old_secret, now=now + timedelta(hours=23)) is old
    assert authenticate_key(session, new_secret, now=now + timedelta(hours=25)) is new
    assert not is_live(old, now + ROTATION_GRACE)
    assert (new.code, new.scopes, new.store_codes) == ("tills-north-2", old.scopes, old.store_codes)


def test_an_ended_key_is_not_rotated(session: Session, now: datetime) -> None:
    key, _ = a_key(session, now)
    revoke_api_key(session, key, actor="system", now=now)
    with pytest.raises(errors.KeyIsRevoked):
        rotate_api_key(session, key, actor="system", now=now)


def test_a_key_needs_a_scope_and_a_name(session: Session, now: datetime) -> None:
    for name, scopes, error in (
        ("Till", [], errors.KeyWithoutScope),
        (" ", [Scope.ASSIGNMENTS_READ], errors.NameNeeded),
    ):
        with pytest.raises(error):
            create_api_key(session, name=name, scopes=scopes, store_codes=[], expires_at=None, actor="system", now=now)


def test_keys_are_found_by_code(session: Session, now: datetime) -> None:
    key, _ = a_key(session, now)
    assert queries.key_by_code(session, "tills-north") is key
    assert list(queries.api_keys(session)) == [key]
    with pytest.raises(queries.NoSuchKey):
        queries.key_by_code(session, "other")
