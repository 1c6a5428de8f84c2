"""Who must sign what: the policy in plain words, a dry run, deputies, and what changed."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission
from pilot.access.queries import users
from pilot.errors import PilotError
from pilot.governance import deputies, needed
from pilot.governance.model import PolicyVersion
from pilot.governance.needed import DryRun
from pilot.governance.policy import AS_DELIVERED, RISKS, SCOPES
from pilot.outcomes.lake import Lake
from pilot.planning import queries as planning
from pilot.planning.amendments import difference
from pilot.words import translate
from web import forms, policy_form, subjects
from web.auth import actor, requires
from web.errors import status_of
from web.shared import currency
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("policy", __name__, url_prefix="/policy")


@pages.get("/")
@requires(Permission.POLICY_VIEW)
def show() -> ResponseReturnValue:
    """The policy, and whom a pilot, or a made-up stage, would need."""
    try:
        return _page(dry_run=_dry_run())
    except PilotError as error:
        return _page(error=translate(error.message)), status_of(type(error))


@pages.post("/")
@requires(Permission.POLICY_EDIT)
def change() -> ResponseReturnValue:
    """Another policy, from now on in force, with its reason."""
    try:
        needed.change_policy(
            session(),
            policy_form.read(),
            reason=forms.text("reason", _("Reason"), required=False),
            instead_of=forms.text("instead_of", _("Policy")),
            actor=actor(),
            now=settings().now(),
        )
    except PilotError as error:
        roll_back()
        return _page(error=translate(error.message)), status_of(type(error))
    flash(_("The policy is changed. It counts for every signature, start and decision from now on."), "success")
    return redirect(url_for("policy.show"))


@pages.post("/deputies")
@requires(Permission.POLICY_EDIT)
def appoint() -> ResponseReturnValue:
    """Somebody who may sign and decide in another's place for some days."""
    try:
        deputies.appoint(
            session(),
            user=_person("user"),
            deputy=_person("deputy"),
            first_day=forms.day("first_day", _("From")),
            last_day=forms.day("last_day", _("Until")),
            actor=actor(),
            now=settings().now(),
        )
    except PilotError as error:
        roll_back()
        return _page(error=translate(error.message)), status_of(type(error))
    flash(_("The deputy is appointed."), "success")
    return redirect(url_for("policy.show"))


@pages.post("/deputies/<int:deputy>/end")
@requires(Permission.POLICY_EDIT)
def end_deputy(deputy: int) -> ResponseReturnValue:
    """The deputy stands in no longer."""
    deputies.end(session(), deputies.deputy_by_id(session(), deputy), actor=actor(), now=settings().now())
    flash(_("The deputy stands in no longer. What they signed stays signed."), "success")
    return redirect(url_for("policy.show"))


def _person(name: str) -> User:
    found: User = subjects.load(session(), "user", request.form.get(name, ""))
    return found


def _page(**more: Any) -> str:
    policy = needed.policy_in_force(session())
    people = users(session())
    page: dict[str, Any] = {
        "policy": policy,
        "currency": currency(),
        "form": policy_form.shown(policy),
        "scopes": policy_form.scopes(),
        "risks": policy_form.risks(),
        "mechanics": policy_form.mechanics(),
        "scope_names": {scope: translate(name) for scope, name in SCOPES.items()},
        "risk_names": {risk: translate(name) for risk, name in RISKS.items()},
        "versions": _versions(session()),
        "deputies": deputies.deputies(session()),
        "people": [(str(one.id), one.name) for one in people if one.is_active],
        "signers": [(str(one.id), one.name) for one in people if one.is_active and one.role in deputies.HAVE_DEPUTIES],
        "names": {one.id: one.name for one in people},
        "today": planning.business_day(session(), settings().now()),
        "pilots": [(one.code, one.name) for one in planning.pilots(session()) if not one.is_ended],
        "asked": request.args,
        "error": None,
        "dry_run": None,
    }
    return render_template("policy/show.html", **(page | more))


def _dry_run() -> DryRun | None:
    """Whom the chosen pilot's coming stage, or the made-up one, would need; None where nothing was asked."""
    code = request.args.get("pilot", "")
    if code:
        pilot = planning.pilot(session(), code)
        return needed.dry_run_of(session(), pilot, lake=Lake(settings()), now=settings().now())
    if "scope" not in request.args:
        return None
    found = needed.made_up(needed.policy_in_force(session()), *policy_form.question())
    return needed.dry_run(session(), found, pilot=None, now=settings().now())


def _versions(opened: Session) -> list[tuple[PolicyVersion, list[str]]]:
    """Each change with the parts of the policy that it changed, the latest first: against the version before it, the
    first against the policy as it is delivered."""
    found = list(needed.policy_versions(opened))
    before = [*(one.text for one in found[1:]), AS_DELIVERED.text()]
    return [(one, [row.path for row in difference(old, one.text)]) for one, old in zip(found, before, strict=False)]
