"""Who may do what to which object: one table, role → permission → reach.

``OWN`` means objects that the person owns, ``OTHERS`` those of somebody else (nobody approves their own plan), ``ANY``
both. Without an object the question is whether the role holds the permission at all (may the menu show it).
"""

from enum import StrEnum
from typing import Protocol

from pilot.access.model import ApiKey, Role, User
from pilot.errors import NotPermitted
from pilot.words import N_, Message


class Permission(StrEnum):
    """An act, named ``thing.verb``."""

    ACCOUNT = "account"
    HOME = "home"
    NETWORK_VIEW = "network.view"
    NETWORK_EDIT = "network.edit"
    NETWORK_IMPORT = "network.import"
    QUARANTINE_EDIT = "quarantine.edit"
    SEGMENT_EDIT = "segment.edit"
    CUSTOMER_FORGET = "customer.forget"
    PROGRAM_VIEW = "program.view"
    PROGRAM_CREATE = "program.create"
    PROGRAM_EDIT = "program.edit"
    CALENDAR_EDIT = "calendar.edit"
    PILOT_VIEW = "pilot.view"
    PILOT_CREATE = "pilot.create"
    PILOT_EDIT = "pilot.edit"
    PILOT_SUBMIT = "pilot.submit"
    PILOT_AMEND = "pilot.amend"
    PLAN_COSIGN = "plan.cosign"
    PLAN_APPROVE = "plan.approve"
    PLAN_SEND_BACK = "plan.send_back"
    STAGE_DRAW = "stage.draw"
    STAGE_START = "stage.start"
    REPORT_MAKE = "report.make"
    DECISION_MAKE = "decision.make"
    ASSIGNMENT_LOOK_UP = "assignment.look_up"
    JOB_VIEW = "job.view"
    USER_MANAGE = "user.manage"
    KEY_MANAGE = "key.manage"
    WEBHOOK_MANAGE = "webhook.manage"
    AUDIT_VIEW = "audit.view"
    POLICY_VIEW = "policy.view"
    POLICY_EDIT = "policy.edit"


ACTS: dict[Permission, Message] = {
    permission: Message(f"act_{permission.name.lower()}", template)
    for permission, template in {
        Permission.ACCOUNT: N_("change one's own account"),
        Permission.HOME: N_("see the home page"),
        Permission.NETWORK_VIEW: N_("see the stores"),
        Permission.NETWORK_EDIT: N_("change the network's settings"),
        Permission.NETWORK_IMPORT: N_("import files"),
        Permission.QUARANTINE_EDIT: N_("correct or drop parked rows"),
        Permission.SEGMENT_EDIT: N_("change segments"),
        Permission.CUSTOMER_FORGET: N_("forget a customer"),
        Permission.PROGRAM_VIEW: N_("see programs"),
        Permission.PROGRAM_CREATE: N_("make a program"),
        Permission.PROGRAM_EDIT: N_("change this program"),
        Permission.CALENDAR_EDIT: N_("change the calendar"),
        Permission.PILOT_VIEW: N_("see pilots"),
        Permission.PILOT_CREATE: N_("draft a pilot"),
        Permission.PILOT_EDIT: N_("change this pilot"),
        Permission.PILOT_SUBMIT: N_("submit this plan"),
        Permission.PILOT_AMEND: N_("amend this plan"),
        Permission.PLAN_COSIGN: N_("co-sign this plan"),
        Permission.PLAN_APPROVE: N_("approve this plan"),
        Permission.PLAN_SEND_BACK: N_("send this plan back"),
        Permission.STAGE_DRAW: N_("draw this stage"),
        Permission.STAGE_START: N_("start this stage"),
        Permission.REPORT_MAKE: N_("make a report"),
        Permission.DECISION_MAKE: N_("decide on this report"),
        Permission.ASSIGNMENT_LOOK_UP: N_("look up who gets what"),
        Permission.JOB_VIEW: N_("see this piece of work"),
        Permission.USER_MANAGE: N_("manage people"),
        Permission.KEY_MANAGE: N_("manage keys"),
        Permission.WEBHOOK_MANAGE: N_("manage mail and webhooks"),
        Permission.AUDIT_VIEW: N_("read the audit log"),
        Permission.POLICY_VIEW: N_("see who signs what"),
        Permission.POLICY_EDIT: N_("change who signs what"),
    }.items()
}


class Reach(StrEnum):
    """On whose objects a permission holds."""

    OWN = "own"
    OTHERS = "others"
    ANY = "any"


class Scope(StrEnum):
    """What an API key may ask for."""

    ASSIGNMENTS_READ = "assignments:read"
    BUNDLE_READ = "bundle:read"
    RECEIPTS_WRITE = "receipts:write"


SCOPES: dict[Scope, Message] = {
    scope: Message(f"scope_{scope.name.lower()}", template)
    for scope, template in {
        Scope.ASSIGNMENTS_READ: N_("ask who gets what"),
        Scope.BUNDLE_READ: N_("fetch the bundle with which a till answers offline"),
        Scope.RECEIPTS_WRITE: N_("send receipts and see what became of them"),
    }.items()
}


class Owned(Protocol):
    """What a permission asks of an object: whose it is. Entities of the rooms above satisfy it."""

    @property
    def owner_id(self) -> int | None: ...


class MayNot(NotPermitted):
    """The person's role does not hold the permission, or not on this object."""

    code = "may_not"
    template = N_("{who} ({role}) may not do this: {permission}. An administrator can say who may.")


class KeyLacksScope(NotPermitted):
    """The API key has not the scope, whatever the store."""

    code = "key_lacks_scope"
    template = N_("The key {key} may not do this: it lacks the scope “{scope}”. Ask for a key that has it.")


class KeyMayNot(NotPermitted):
    """The API key lacks the scope, or is not for this store."""

    code = "key_may_not"
    template = N_("The key {key} may not do this: {scope} in store “{store}”. Ask for a key that covers it.")


_EVERYBODY: dict[Permission, Reach] = {
    Permission.ACCOUNT: Reach.ANY,
    Permission.HOME: Reach.ANY,
    Permission.NETWORK_VIEW: Reach.ANY,
    Permission.PROGRAM_VIEW: Reach.ANY,
    Permission.PILOT_VIEW: Reach.ANY,
    Permission.ASSIGNMENT_LOOK_UP: Reach.ANY,
    Permission.POLICY_VIEW: Reach.ANY,
    Permission.JOB_VIEW: Reach.OWN,
}

_GRANTS: dict[Role, dict[Permission, Reach]] = {
    Role.MANAGER: _EVERYBODY
    | {
        Permission.CALENDAR_EDIT: Reach.ANY,
        Permission.PROGRAM_CREATE: Reach.ANY,
        Permission.PROGRAM_EDIT: Reach.OWN,
        Permission.PILOT_CREATE: Reach.ANY,
        Permission.PILOT_EDIT: Reach.OWN,
        Permission.PILOT_SUBMIT: Reach.OWN,
        Permission.PILOT_AMEND: Reach.OWN,
        Permission.STAGE_DRAW: Reach.OWN,
        Permission.STAGE_START: Reach.OWN,
        Permission.REPORT_MAKE: Reach.OWN,
    },
    Role.ANALYST: _EVERYBODY
    | {
        Permission.NETWORK_IMPORT: Reach.ANY,
        Permission.QUARANTINE_EDIT: Reach.ANY,
        Permission.SEGMENT_EDIT: Reach.ANY,
        Permission.CALENDAR_EDIT: Reach.ANY,
        Permission.PLAN_COSIGN: Reach.OTHERS,
        Permission.PLAN_SEND_BACK: Reach.OTHERS,
        Permission.STAGE_DRAW: Reach.ANY,
        Permission.STAGE_START: Reach.ANY,
        Permission.REPORT_MAKE: Reach.ANY,
    },
    Role.EXECUTIVE: _EVERYBODY
    | {
        Permission.PLAN_APPROVE: Reach.OTHERS,
        Permission.PLAN_SEND_BACK: Reach.OTHERS,
        Permission.DECISION_MAKE: Reach.OTHERS,
        Permission.AUDIT_VIEW: Reach.ANY,
    },
    Role.ADMIN: _EVERYBODY
    | {
        Permission.NETWORK_EDIT: Reach.ANY,
        Permission.NETWORK_IMPORT: Reach.ANY,
        Permission.QUARANTINE_EDIT: Reach.ANY,
        Permission.SEGMENT_EDIT: Reach.ANY,
        Permission.CALENDAR_EDIT: Reach.ANY,
        Permission.CUSTOMER_FORGET: Reach.ANY,
        Permission.JOB_VIEW: Reach.ANY,
        Permission.USER_MANAGE: Reach.ANY,
        Permission.KEY_MANAGE: Reach.ANY,
        Permission.WEBHOOK_MANAGE: Reach.ANY,
        Permission.AUDIT_VIEW: Reach.ANY,
        Permission.POLICY_EDIT: Reach.ANY,
    },
    Role.AUDITOR: _EVERYBODY | {Permission.AUDIT_VIEW: Reach.ANY},
}


def reach(role: Role, permission: Permission) -> Reach | None:
    """How far ``role`` holds ``permission``; None: not at all."""
    return _GRANTS[role].get(permission)


def may(user: User, permission: Permission, obj: Owned | None = None) -> bool:
    """Whether ``user`` holds ``permission`` on ``obj``; with no object, whether the role holds it on anything."""
    held = reach(Role(user.role), permission) if user.is_active else None
    if held is None:
        return False
    if obj is None or held is Reach.ANY:
        return True
    return (obj.owner_id == user.id) is (held is Reach.OWN)


def require(user: User, permission: Permission, obj: Owned | None = None) -> None:
    """Raise ``MayNot`` unless ``may``."""
    if not may(user, permission, obj):
        raise MayNot(who=user.name, role=str(user.role), permission=ACTS[permission])


def may_key(key: ApiKey, scope: Scope, store_code: str | None = None) -> bool:
    """Whether ``key`` has ``scope`` and is for the store; a key with no list of stores is for all of them."""
    covers_store = not key.store_codes or store_code in key.store_codes
    return scope in key.scopes and covers_store


def require_key(key: ApiKey, scope: Scope, store_code: str | None = None) -> None:
    """Raise ``KeyMayNot`` unless ``may_key``."""
    if not may_key(key, scope, store_code):
        raise KeyMayNot(key=key.code, scope=str(scope), store=store_code or "–")
