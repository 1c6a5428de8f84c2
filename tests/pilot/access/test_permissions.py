"""The table of permissions: who may do what on whose objects."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from pilot.access.model import ApiKey, Role, User
from pilot.access.permissions import (
    ACTS,
    KeyMayNot,
    MayNot,
    Permission,
    Reach,
    Scope,
    may,
    may_key,
    reach,
    require,
    require_key,
)


@dataclass(frozen=True, slots=True)
class Thing:
    owner_id: int | None


def person(role: Role, *, id: int = 1, is_active: bool = True) -> User:  # noqa: A002 - the entity's own name
    return User(id=id, name="Somebody", email="somebody@example.org", role=role, is_active=is_active)


def a_key(*, stores: list[str], scopes: list[str]) -> ApiKey:
    return ApiKey(code="till", scopes=scopes, store_codes=stores, created_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_manager_edits_own_pilots_only() -> None:
    manager = person(Role.MANAGER, id=7)
    assert may(manager, Permission.PILOT_EDIT, Thing(owner_id=7))
    assert not may(manager, Permission.PILOT_EDIT, Thing(owner_id=8))


def test_nobody_cosigns_approves_or_decides_on_their_own() -> None:
    for role, permission in (
        (Role.ANALYST, Permission.PLAN_COSIGN),
        (Role.EXECUTIVE, Permission.PLAN_APPROVE),
        (Role.EXECUTIVE, Permission.DECISION_MAKE),
    ):
        assert may(person(role, id=1), permission, Thing(owner_id=2))
        assert not may(person(role, id=1), permission, Thing(owner_id=1))


def test_without_an_object_the_question_is_whether_the_role_holds_it_at_all() -> None:
    assert may(person(Role.MANAGER), Permission.PILOT_EDIT)
    assert not may(person(Role.AUDITOR), Permission.PILOT_EDIT)


def test_a_deactivated_person_may_nothing() -> None:
    gone = person(Role.ADMIN, is_active=False)
    assert not any(may(gone, permission) for permission in Permission)


def test_the_one_who_keeps_the_people_does_not_decide_on_pilots() -> None:
    pilots = {Permission.PLAN_COSIGN, Permission.PLAN_APPROVE, Permission.DECISION_MAKE, Permission.PILOT_EDIT}
    assert not any(may(person(Role.ADMIN), permission) for permission in pilots)
    assert [role for role in Role if reach(role, Permission.USER_MANAGE)] == [Role.ADMIN]


def test_an_auditor_only_looks() -> None:
    held = {permission for permission in Permission if reach(Role.AUDITOR, permission)}
    assert all(p.endswith((".view", ".look_up")) or p in (Permission.ACCOUNT, Permission.HOME) for p in held)


def test_every_permission_is_held_by_somebody() -> None:
    assert [p for p in Permission if not any(reach(role, p) for role in Role)] == []


def test_a_refusal_names_the_person_the_role_and_the_act() -> None:
    with pytest.raises(MayNot, match=r"Somebody \(auditor\) may not do this: manage people"):
        require(person(Role.AUDITOR), Permission.USER_MANAGE)


def test_an_object_without_an_owner_is_nobodys_own() -> None:
    assert reach(Role.MANAGER, Permission.JOB_VIEW) is Reach.OWN
    assert not may(person(Role.MANAGER), Permission.JOB_VIEW, Thing(owner_id=None))


def test_a_key_acts_in_its_stores_and_scopes() -> None:
    key = a_key(stores=["S1"], scopes=[Scope.ASSIGNMENTS_READ])
    assert may_key(key, Scope.ASSIGNMENTS_READ, "S1")
    assert not may_key(key, Scope.ASSIGNMENTS_READ, "S2")
    assert not may_key(key, Scope.ASSIGNMENTS_READ)
    with pytest.raises(KeyMayNot, match="S2"):
        require_key(key, Scope.ASSIGNMENTS_READ, "S2")


def test_a_key_without_a_list_of_stores_is_for_all_and_one_without_scope_for_nothing() -> None:
    assert may_key(a_key(stores=[], scopes=[Scope.ASSIGNMENTS_READ]), Scope.ASSIGNMENTS_READ, "S9")
    assert not may_key(a_key(stores=[], scopes=[]), Scope.ASSIGNMENTS_READ, "S9")


def test_every_permission_has_words_for_a_refusal() -> None:
    assert set(ACTS) == set(Permission)
