"""People: invited, changed, ended; links that work once; signing in, and the throttle on guessing."""

import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.access import errors, passwords, queries, service
from pilot.access.model import OneTimeLink, Role, SignInAttempt, User
from pilot.audit import service as audit
from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.keys import KeyMissing, key_path, read_key, read_or_make_key
from pilot.settings import Settings
from tests.builders import a_user
from tests.conftest import CHEAP_HASHER

PASSWORD = "correct horse battery"
PLACE = "192.0.2.1"


def with_password(session: Session, now: datetime, role: Role = Role.MANAGER) -> User:
    user = a_user(session, role)
    return service.redeem_link(session, service.make_link(session, user, actor="system", now=now), PASSWORD, now=now)


def fail(session: Session, email: str, now: datetime, *, address: str = PLACE) -> None:
    with pytest.raises(errors.SignInRefused):
        service.sign_in(session, email, "not the password", address=address, now=now)


def test_the_first_administrator_comes_in_by_a_link_and_only_once(session: Session, now: datetime) -> None:
    token = service.first_administrator(session, email="Admin@Example.org", name="An admin", now=now)
    with pytest.raises(errors.AdministratorExists):
        service.first_administrator(session, email="second@example.org", name="Second", now=now)
    service.redeem_link(session, token, PASSWORD, now=now)
    user = service.sign_in(session, "ADMIN@example.org ", PASSWORD, address=PLACE, now=now)
    assert (user.email, user.role) == ("admin@example.org", Role.ADMIN)


def test_a_link_works_once(session: Session, now: datetime) -> None:
    token = service.make_link(session, a_user(session, Role.ANALYST), actor="system", now=now)
    service.redeem_link(session, token, PASSWORD, now=now)
    with pytest.raises(errors.LinkNotValid):
        service.redeem_link(session, token, PASSWORD, now=now)


def test_a_link_ends_with_time_with_a_newer_one_and_with_the_person(session: Session, now: datetime) -> None:
    user = a_user(session, Role.ANALYST)
    old = service.make_link(session, user, actor="system", now=now)
    new = service.make_link(session, user, actor="system", now=now)
    with pytest.raises(errors.LinkNotValid):
        service.redeem_link(session, old, PASSWORD, now=now)
    with pytest.raises(errors.LinkNotValid):
        service.redeem_link(session, new, PASSWORD, now=now + timedelta(hours=48))
    service.deactivate(session, user, actor="system", now=now)
    with pytest.raises(errors.LinkNotValid):
        service.redeem_link(session, new, PASSWORD, now=now)


def test_a_weak_password_leaves_the_link_good(session: Session, now: datetime) -> None:
    user = a_user(session, Role.ANALYST, email="long.address@example.org")
    token = service.make_link(session, user, actor="system", now=now)
    for weak in ("short", "a" * 40, "Long.Address@example.org", "x1y2" * 100):
        with pytest.raises(errors.WeakPassword, match="12 to 256"):
            service.redeem_link(session, token, weak, now=now)
    service.redeem_link(session, token, PASSWORD, now=now)


def test_only_hashes_of_passwords_and_links_are_kept(session: Session, now: datetime) -> None:
    user = a_user(session, Role.ANALYST)
    token = service.make_link(session, user, actor="system", now=now)
    service.redeem_link(session, token, PASSWORD, now=now)
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$")
    assert token not in session.scalars(select(OneTimeLink.token_hash)).all()
    assert not any(token in text or PASSWORD in text for text in session.scalars(select(AuditEntry.text)))


def test_a_change_of_role_ends_open_sessions(session: Session, now: datetime) -> None:
    user = a_user(session, Role.ANALYST)
    before = user.session_version
    service.change_role(session, user, Role.MANAGER, actor="system", now=now)
    assert user.session_version == before + 1
    service.change_role(session, user, Role.MANAGER, actor="system", now=now)
    assert user.session_version == before + 1


def test_the_last_administrator_stays(session: Session, now: datetime) -> None:
    admin = a_user(session, Role.ADMIN)
    with pytest.raises(errors.LastAdministrator):
        service.deactivate(session, admin, actor=admin, now=now)
    with pytest.raises(errors.LastAdministrator):
        service.change_role(session, admin, Role.AUDITOR, actor=admin, now=now)
    a_user(session, Role.ADMIN)
    service.deactivate(session, admin, actor=admin, now=now)
    assert not admin.is_active


def test_a_deactivated_person_cannot_sign_in_until_reactivated(session: Session, now: datetime) -> None:
    user = with_password(session, now)
    service.deactivate(session, user, actor="system", now=now)
    with pytest.raises(errors.SignInRefused):
        service.sign_in(session, user.email, PASSWORD, address=PLACE, now=now)
    service.reactivate(session, user, actor="system", now=now)
    assert service.sign_in(session, user.email, PASSWORD, address=PLACE, now=now) is user


def test_a_person_changes_the_password_knowing_the_present_one(session: Session, now: datetime) -> None:
    user = with_password(session, now)
    with pytest.raises(errors.WrongPassword):
        service.change_password(session, user, present="guess", password="another long one", now=now)
    service.change_password(session, user, present=PASSWORD, password="another long one", now=now)
    assert service.sign_in(session, user.email, "another long one", address=PLACE, now=now) is user


def test_five_failures_from_one_place_close_the_door_for_a_while(session: Session, now: datetime) -> None:
    user = with_password(session, now)
    for _ in range(5):
        fail(session, user.email, now)
    with pytest.raises(errors.TooManyAttempts, match="15 minutes"):
        service.sign_in(session, user.email, PASSWORD, address=PLACE, now=now)
    later = now + timedelta(minutes=15)
    assert service.sign_in(session, user.email, PASSWORD, address=PLACE, now=later) is user


def test_the_person_still_gets_in_from_elsewhere_until_many_places_guess(session: Session, now: datetime) -> None:
    user = with_password(session, now)
    for guess in range(19):
        fail(session, user.email, now, address=f"198.51.100.{guess}")
    assert service.sign_in(session, user.email, PASSWORD, address=PLACE, now=now) is user
    for guess in range(20):
        fail(session, user.email, now, address=f"198.51.100.{guess}")
    with pytest.raises(errors.TooManyAttempts):
        service.sign_in(session, user.email, PASSWORD, address=PLACE, now=now)


def test_one_place_that_tries_many_people_is_stopped(session: Session, now: datetime) -> None:
    for guess in range(50):
        fail(session, f"person{guess}@example.org", now)
    with pytest.raises(errors.TooManyAttempts):
        service.sign_in(session, "somebody.else@example.org", PASSWORD, address=PLACE, now=now)


def test_attempts_are_kept_as_keyed_hashes_and_not_longer_than_they_count(session: Session, now: datetime) -> None:
    fail(session, "person@example.org", now)
    keys = session.scalars(select(SignInAttempt.key)).all()
    assert len(keys) == 3
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in keys)
    fail(session, "other@example.org", now + timedelta(minutes=16))
    assert session.scalar(select(func.count()).select_from(SignInAttempt)) == 3


def test_a_refused_sign_in_counts_when_the_edge_commits(database: Database, now: datetime) -> None:
    for _ in range(5):
        with database.unit_of_work() as session:
            fail(session, "person@example.org", now)
    with database.unit_of_work() as session, pytest.raises(errors.TooManyAttempts):
        service.sign_in(session, "person@example.org", PASSWORD, address=PLACE, now=now)


@pytest.mark.parametrize(
    "email", ["", "name", "a@b", "two words@example.org", "a@b.c\nBcc: x@y.z", "x" * 120 + "@a.bc"]
)
def test_what_is_no_address_is_refused(session: Session, now: datetime, email: str) -> None:
    with pytest.raises(errors.EmailNotValid):
        service.create_user(session, email=email, name="N", role=Role.ADMIN, actor="system", now=now)


def test_an_address_belongs_to_one_person(session: Session, now: datetime) -> None:
    service.create_user(session, email="A@example.org", name="A", role=Role.ADMIN, actor="system", now=now)
    with pytest.raises(errors.EmailTaken):
        service.create_user(session, email="a@Example.org", name="B", role=Role.ANALYST, actor="system", now=now)


def test_preferences_come_from_the_lists(session: Session, now: datetime) -> None:
    user = a_user(session, Role.ANALYST)
    service.change_preferences(session, language="fi", timezone="Europe/Helsinki", actor=user, now=now)
    assert (user.language, user.timezone) == ("fi", "Europe/Helsinki")
    service.change_preferences(session, language="", timezone=None, actor=user, now=now)
    assert (user.language, user.timezone) == ("", None)  # as the browser asks, where the network is
    with pytest.raises(errors.UnknownPreference, match="time zone"):
        service.change_preferences(session, language="fi", timezone="Mars/Base", actor=user, now=now)
    with pytest.raises(errors.UnknownPreference, match="language"):
        service.change_preferences(session, language="../x", timezone=None, actor=user, now=now)


def test_every_verb_leaves_one_entry_in_the_log(session: Session, now: datetime) -> None:
    admin = a_user(session, Role.ADMIN)
    user = service.create_user(session, email="n@example.org", name="N", role=Role.ANALYST, actor=admin, now=now)
    token = service.make_link(session, user, actor=admin, now=now)
    service.redeem_link(session, token, PASSWORD, now=now)
    service.sign_in(session, user.email, PASSWORD, address=PLACE, now=now)
    service.change_role(session, user, Role.MANAGER, actor=admin, now=now)
    service.deactivate(session, user, actor=admin, now=now)
    service.reactivate(session, user, actor=admin, now=now)
    verbs = session.scalars(select(AuditEntry.verb).order_by(AuditEntry.seq)).all()
    assert verbs == [
        "user.created",
        "user.link_made",
        "user.password_set",
        "user.signed_in",
        "user.role_changed",
        "user.deactivated",
        "user.reactivated",
    ]
    assert audit.verify(session).ok


def test_people_are_found_by_address_and_role(session: Session) -> None:
    user = a_user(session, Role.ANALYST, email="find@example.org")
    assert queries.user_by_email(session, " FIND@example.org") is user
    assert list(queries.people_with(session, Role.ANALYST)) == [user]
    with pytest.raises(queries.NoSuchPerson, match="user list"):
        queries.user_by_email(session, "nobody@example.org")


def test_a_key_file_is_private_and_the_same_for_whoever_comes_first(settings: Settings) -> None:
    program = (
        "import sys; from pathlib import Path; from pilot.keys import read_or_make_key;"
        "from pilot.settings import Settings;"
        "print(read_or_make_key(Settings(home=Path(sys.argv[1])), 'session').hex())"
    )
    command = [sys.executable, "-c", program, str(settings.home)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({process.communicate()[0] for process in processes}) == 1
    assert key_path(settings, "session").stat().st_mode & 0o777 == 0o600
    assert len(read_or_make_key(settings, "session")) == 32


def test_a_missing_key_is_asked_back_and_never_made_anew(settings: Settings) -> None:
    with pytest.raises(KeyMissing, match="Put it back"):
        read_key(settings, "audit")


def test_passwords_are_kept_at_the_strength_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    passwords._hasher.cache_clear()
    stored = passwords.hash_password(PASSWORD, unlike=())
    assert "m=65536,t=3,p=4" in stored
    assert passwords.is_password(stored, PASSWORD)
    assert not passwords.is_password(None, "nobody has this password")
    assert passwords.is_outdated(CHEAP_HASHER.hash(PASSWORD))
