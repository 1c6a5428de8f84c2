"""``pilot plan``: pilots and their plans, from the first draft to the start of a stage."""

import argparse
import json
import secrets
from pathlib import Path
from typing import Any

from pilot.access.permissions import Permission
from pilot.assignment.exclusions import excluding
from pilot.cli.console import phrase
from pilot.cli.context import Context, read_json
from pilot.cli.presenters import Figures
from pilot.cli.verbs import Verbs
from pilot.governance import service as governance
from pilot.network.queries import network
from pilot.outcomes.lake import Lake
from pilot.planning import service as planning
from pilot.planning.designer import Visible, smallest_effect
from pilot.planning.lifecycle import PilotState
from pilot.planning.model import Pilot
from pilot.planning.queries import draft_plan
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.queries import pilots as all_pilots
from pilot.programs.queries import program as program_by_code
from pilot.words import N_, translate

ENTROPY_BYTES = 32


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    verbs = Verbs(command)
    verbs.add("list", N_("all pilots, the newest first"), show_all)
    verbs.add("show", N_("a pilot's plan as JSON"), show).add_argument("pilot")
    verbs.add("check", N_("the smallest effect that each stage can see"), check).add_argument("pilot")
    new = verbs.add("new", N_("a new draft"), make, acts=True)
    new.add_argument("pilot", metavar="CODE")
    new.add_argument("--name", required=True)
    new.add_argument("--program", required=True, metavar="CODE")
    new.add_argument("--document", type=Path, metavar="FILE.json", help=phrase(N_("what is known of the plan already")))
    edit = verbs.add("edit", N_("replace the draft by a JSON document"), change, acts=True)
    edit.add_argument("pilot")
    edit.add_argument("document", type=Path, metavar="FILE.json")
    verbs.add("submit", N_("hand the draft in; an analyst co-signs next"), submit, acts=True).add_argument("pilot")
    verbs.add("cosign", N_("an analyst's signature on the submitted text"), cosign, acts=True).add_argument("pilot")
    approve = verbs.add("approve", N_("an executive's approval: seals the plan and makes the seeds"), seal, acts=True)
    approve.add_argument("pilot")
    back = verbs.add("send-back", N_("return a submitted plan to its author"), send_back, acts=True)
    back.add_argument("pilot")
    back.add_argument("--reason", required=True)
    amend = verbs.add("amend", N_("change a sealed plan visibly; voids its approvals"), change_sealed, acts=True)
    amend.add_argument("pilot")
    amend.add_argument("document", type=Path, metavar="FILE.json")
    amend.add_argument("--reason", required=True)
    start = verbs.add("start", N_("start a drawn stage"), start_stage, acts=True)
    start.add_argument("pilot")
    start.add_argument("stage", type=int)


def show_all(context: Context) -> None:
    with context.database.reading() as session:
        found = all_pilots(session)
        context.console.table([N_("Pilot"), N_("Name"), N_("State")], [(p.code, p.name, p.state) for p in found])
        context.console.answer([{"pilot": p.code, "name": p.name, "state": str(p.state)} for p in found])


def show(context: Context) -> None:
    with context.database.reading() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        document = {"pilot": pilot.code, "name": pilot.name, "state": str(pilot.state), "plan": pilot.plan}
        context.console.say("{plan}", plan=json.dumps(pilot.plan, indent=2, ensure_ascii=False))
        context.console.answer({**document, "plan_hash": pilot.plan_hash})


def check(context: Context) -> None:
    console, lake = context.console, Lake(context.settings)
    with context.database.reading() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        plan, excluded = draft_plan(pilot), excluding(session, pilot)
        figures = Figures(context.settings.language, network(session).currency)
        seen = [smallest_effect(session, lake, plan, n, excluded=excluded(n)) for n in (s.number for s in plan.stages)]
    for visible in seen:
        _say_visible(context, visible, figures)
    console.answer([_visible_document(visible) for visible in seen])


def make(context: Context) -> None:
    options = context.options
    with context.acting(Permission.PILOT_CREATE) as (session, actor):
        pilot = planning.create_pilot(
            session,
            code=options.pilot,
            name=options.name,
            program=program_by_code(session, options.program),
            document=read_json(options.document) if options.document else None,
            actor=actor,
            now=context.now,
        )
    _done(context, pilot, N_("The draft {pilot} is there. Next: “pilot plan edit {pilot} FILE.json”, then “submit”."))


def change(context: Context) -> None:
    document = read_json(context.options.document)
    with context.database.unit_of_work() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        actor = context.actor(session, Permission.PILOT_EDIT, pilot)
        planning.edit_draft(session, pilot, document=document, actor=actor, now=context.now)
    _done(context, pilot, N_("The draft {pilot} is changed. Next: “pilot plan check {pilot}”, then “submit”."))


def submit(context: Context) -> None:
    with context.database.reading() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        context.actor(session, Permission.PILOT_SUBMIT, pilot)
        lake, excluded = Lake(context.settings), excluding(session, pilot)
        checked = planning.check_submission(session, pilot, lake=lake, excluded=excluded)
    with context.database.unit_of_work() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        actor = context.actor(session, Permission.PILOT_SUBMIT, pilot)
        planning.submit(session, pilot, checked=checked, actor=actor, now=context.now)
    _done(context, pilot, N_("{pilot} is submitted. Next: an analyst runs “pilot plan cosign {pilot}”."))


def cosign(context: Context) -> None:
    with context.acting(Permission.PLAN_COSIGN) as (session, actor):
        pilot = pilot_by_code(session, context.options.pilot)
        governance.cosign(session, pilot, actor=actor, now=context.now)
    waits = pilot.state == PilotState.SUBMITTED
    _done(
        context,
        pilot,
        N_("{pilot} is co-signed; another analyst has to co-sign it, too.")
        if waits
        else N_("{pilot} is co-signed. Next: an executive runs “pilot plan approve {pilot}”."),
    )


def seal(context: Context) -> None:
    """The binding seeds come from the operating system's randomness, here and nowhere else."""
    with context.acting(Permission.PLAN_APPROVE) as (session, actor):
        pilot = pilot_by_code(session, context.options.pilot)
        entropy = secrets.token_bytes(ENTROPY_BYTES)
        governance.approve_and_seal(session, pilot, actor=actor, now=context.now, entropy=entropy)
    waits = pilot.state == PilotState.COSIGNED
    _done(
        context,
        pilot,
        N_("{pilot} is approved; another executive has to approve it, too.")
        if waits
        else N_("{pilot} is sealed. Next: “pilot draw {pilot} 1”."),
    )


def send_back(context: Context) -> None:
    with context.acting(Permission.PLAN_SEND_BACK) as (session, actor):
        pilot = pilot_by_code(session, context.options.pilot)
        governance.send_back_plan(session, pilot, reason=context.options.reason, actor=actor, now=context.now)
    _done(context, pilot, N_("{pilot} is with its author again, with the reason."))


def change_sealed(context: Context) -> None:
    document = read_json(context.options.document)
    with context.database.reading() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        context.actor(session, Permission.PILOT_AMEND, pilot)
        lake, excluded = Lake(context.settings), excluding(session, pilot)
        checked = planning.check_amendment(session, pilot, document=document, lake=lake, excluded=excluded)
    with context.database.unit_of_work() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        actor = context.actor(session, Permission.PILOT_AMEND, pilot)
        planning.amend(
            session,
            pilot,
            document=document,
            reason=context.options.reason,
            checked=checked,
            actor=actor,
            now=context.now,
        )
    _done(context, pilot, N_("{pilot} is amended: it waits for a new co-signature and a new approval."))


def start_stage(context: Context) -> None:
    with context.database.unit_of_work() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        actor = context.actor(session, Permission.STAGE_START, pilot)
        governance.start_stage(session, pilot, context.options.stage, actor=actor, now=context.now)
    _done(context, pilot, N_("The stage of {pilot} is started. Next: import receipts; “pilot report make” at its end."))


def _done(context: Context, pilot: Pilot, template: str) -> None:
    context.console.say(template, pilot=pilot.code)
    context.console.answer({"pilot": pilot.code, "state": str(pilot.state), "plan_hash": pilot.plan_hash})


def _say_visible(context: Context, visible: Visible, figures: Figures) -> None:
    console = context.console
    if visible.effect is None:
        reason = translate(visible.refusal) if visible.refusal else ""
        console.say(N_("Stage {stage}: no smallest effect can be given. {reason}"), stage=visible.stage, reason=reason)
        return
    in_money = visible.effect_minor_per_week
    console.say(
        N_("Stage {stage}: sees {effect} ({relative}) of {metric} with power {power} on {units} units, level {level}."),
        stage=visible.stage,
        effect=figures.number(visible.effect) if in_money is None else figures.money(in_money),
        relative="–" if visible.relative is None else figures.share(visible.relative),
        metric=visible.metric,
        power=figures.share(visible.power),
        units=visible.n_units,
        level=figures.number(visible.level),
    )
    if visible.refusal:
        console.say("  {refusal}", refusal=translate(visible.refusal))


def _visible_document(visible: Visible) -> dict[str, Any]:
    fields = ("stage", "metric", "effect", "relative", "level", "power", "n_units", "smallest_p")
    document: dict[str, Any] = {field: getattr(visible, field) for field in fields}
    return document | {"refusal": visible.refusal.to_dict() if visible.refusal else None}
