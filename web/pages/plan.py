"""Working on a plan: edit the draft, submit, sign, send back, amend; what it could see; what a draw would look like."""

import os

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.assignment.exclusions import excluding, exclusions
from pilot.assignment.service import specimen
from pilot.errors import PilotError
from pilot.governance import service as governance
from pilot.network import queries as network
from pilot.outcomes.lake import Lake
from pilot.planning import queries, service
from pilot.planning.candidate_words import COVARIATES
from pilot.planning.designer import smallest_effect
from pilot.planning.lifecycle import PilotState
from pilot.planning.metrics import library_metric
from pilot.planning.model import Pilot
from pilot.planning.wizard import Step
from pilot.words import translate
from web import forms, plan_view
from web.auth import actor, requires
from web.errors import status_of
from web.plan_words import by_reason
from web.report_words import per_what
from web.words import _
from web.work import before_the_transaction, roll_back, session, settings

pages = Blueprint("plan", __name__, url_prefix="/pilots")

ENTROPY_BYTES = 32


@pages.get("/<pilot>/edit")
@requires(Permission.PILOT_EDIT, of="pilot")
def edit(pilot: Pilot) -> ResponseReturnValue:
    """To the wizard's first step."""
    return redirect(url_for("wizard.edit", pilot=pilot.code, step=Step.BRIEF))


@pages.get("/<pilot>/amend")
@requires(Permission.PILOT_AMEND, of="pilot")
def amend(pilot: Pilot) -> ResponseReturnValue:
    """To the wizard's first step, on a sealed plan."""
    return redirect(url_for("wizard.amend", pilot=pilot.code, step=Step.BRIEF))


@pages.post("/<pilot>/submit")
@requires(Permission.PILOT_SUBMIT, of="pilot")
def submit(pilot: Pilot) -> ResponseReturnValue:
    """Freeze the draft as a version and ask the analysts."""
    code = pilot.code
    try:
        with before_the_transaction() as reading:
            found = queries.pilot(reading, code)
            lake, excluded = Lake(settings()), excluding(reading, found)
            checked = service.check_submission(reading, found, lake=lake, excluded=excluded)
        pilot = queries.pilot(session(), code)
        service.submit(session(), pilot, checked=checked, actor=actor(), now=settings().now())
    except PilotError as error:
        return _refused_plan(code, error)
    flash(_("The plan is submitted. An analyst co-signs it next."), "success")
    return redirect(url_for("pilots.show", pilot=code))


@pages.post("/<pilot>/cosign")
@requires(Permission.PLAN_COSIGN, of="pilot")
def cosign(pilot: Pilot) -> ResponseReturnValue:
    """The analyst's signature."""
    code, reason = pilot.code, forms.text("reason", _("Remark"), required=False)
    try:
        read = forms.text("plan_hash", _("Plan"))
        governance.cosign(session(), pilot, reason=reason, read=read, actor=actor(), now=settings().now())
    except PilotError as error:
        return _refused_plan(code, error)
    if pilot.state == PilotState.COSIGNED:
        flash(_("You have co-signed the plan. An executive approves it next."), "success")
    else:
        flash(_("You have co-signed the plan."), "success")
    return redirect(url_for("pilots.show", pilot=code))


@pages.post("/<pilot>/approve")
@requires(Permission.PLAN_APPROVE, of="pilot")
def approve(pilot: Pilot) -> ResponseReturnValue:
    """The executive's approval: the plan is sealed, and the system makes the seed of the draw."""
    code, reason = pilot.code, forms.text("reason", _("Remark"), required=False)
    now, entropy = settings().now(), os.urandom(ENTROPY_BYTES)
    try:
        read = forms.text("plan_hash", _("Plan"))
        governance.approve_and_seal(session(), pilot, reason=reason, read=read, actor=actor(), now=now, entropy=entropy)
    except PilotError as error:
        return _refused_plan(code, error)
    if pilot.state == PilotState.COSIGNED:
        flash(_("You have approved the plan. It is sealed when everybody who is needed has."), "success")
    else:
        flash(_("The plan is sealed. Its first stage can be drawn."), "success")
    return redirect(url_for("pilots.show", pilot=code))


@pages.post("/<pilot>/accept-unproven")
@requires(Permission.PLAN_APPROVE, of="pilot")
def accept_unproven(pilot: Pilot) -> ResponseReturnValue:
    """An executive accepts by name that the draft cannot prove its break-even."""
    code = pilot.code
    try:
        plan_hash = forms.text("plan_hash", _("Plan"))
        reason = forms.text("reason", _("Reason"), required=False)
        governance.accept_unproven(
            session(), pilot, plan_hash=plan_hash, reason=reason, actor=actor(), now=settings().now()
        )
    except PilotError as error:
        return _refused_plan(code, error)
    flash(_("Your acceptance stands beside the plan. It can be submitted now."), "success")
    return redirect(url_for("pilots.show", pilot=code))


@pages.post("/<pilot>/send-back")
@requires(Permission.PLAN_SEND_BACK, of="pilot")
def send_back(pilot: Pilot) -> ResponseReturnValue:
    """Back to the author, with a reason."""
    code, reason = pilot.code, forms.text("reason", _("What should change"), required=False)
    try:
        read = forms.text("plan_hash", _("Plan"))
        governance.send_back_plan(session(), pilot, reason=reason, read=read, actor=actor(), now=settings().now())
    except PilotError as error:
        return _refused_plan(code, error)
    flash(_("The plan is back with its author."), "success")
    return redirect(url_for("pilots.show", pilot=code))


@pages.get("/<pilot>/visible/<int:stage>")
@requires(Permission.PILOT_VIEW, of="pilot")
def visible(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """The smallest effect that a stage could see, as a part of the plan page."""
    plan = queries.draft_plan(pilot)
    excluded = exclusions(session(), pilot, stage)
    found = smallest_effect(session(), Lake(settings()), plan, stage, excluded=excluded)
    metric = library_metric(found.metric)
    names = {store.code: store.name for store in network.stores(session())}
    return render_template(
        "pilots/_seen.html",
        pilot=pilot,
        found=found,
        metric=translate(metric.title),
        unit=metric.metric.unit.value,
        per=per_what(found.metric),
        left_out=by_reason(found.left_out, names),
        is_open=pilot.state in (PilotState.DRAFT, PilotState.SUBMITTED, PilotState.COSIGNED),
    )


@pages.get("/<pilot>/specimen/<int:stage>")
@requires(Permission.PILOT_VIEW, of="pilot")
def specimen_draw(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """A draw that binds nobody, from words that are shown."""
    text = request.args.get("words", "").strip()[:80] or _("specimen")
    found = specimen(session(), pilot, stage, lake=Lake(settings()), seed_text=text)
    names = {store.code: store.name for store in network.stores(session())}
    rows = sorted(found.replayed.rows, key=lambda row: (row.block or "", row.variant != "control", row.unit))
    balance = [
        (translate(COVARIATES[row.covariate]) if row.covariate in COVARIATES else row.covariate, row)
        for row in found.balance
    ]
    return render_template("pilots/_specimen.html", found=found, rows=rows, names=names, balance=balance)


def _refused_plan(code: str, error: PilotError) -> ResponseReturnValue:
    roll_back()
    return plan_view.page(queries.pilot(session(), code), translate(error.message)), status_of(type(error))
