"""Pilots: all of them, and the tabs of one: plan, stages, assignment, history."""

import csv
import io
from typing import Any

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.access.queries import users
from pilot.assignment import queries as ledger
from pilot.assignment.service import balance_of
from pilot.errors import NotFound
from pilot.governance import queries as governance
from pilot.network import queries as network
from pilot.planning import queries
from pilot.planning.candidate_words import COVARIATES
from pilot.planning.model import Pilot, Stage
from pilot.planning.plan import Plan
from pilot.programs import queries as programs
from pilot.programs.mechanics import spec_of
from pilot.words import translate
from web import plan_view, plan_words
from web.auth import requires
from web.presenters import neutralised
from web.subjects import whole
from web.work import session

pages = Blueprint("pilots", __name__, url_prefix="/pilots")


@pages.get("/")
@requires(Permission.PILOT_VIEW)
def show_all() -> ResponseReturnValue:
    owners = {user.id: user.name for user in users(session())}
    return render_template("pilots/show_all.html", pilots=queries.pilots(session()), owners=owners)


@pages.get("/<pilot>")
@requires(Permission.PILOT_VIEW, of="pilot")
def show(pilot: Pilot) -> ResponseReturnValue:
    """The plan."""
    return plan_view.page(pilot)


@pages.get("/<pilot>/stages")
@requires(Permission.PILOT_VIEW, of="pilot")
def stages(pilot: Pilot) -> ResponseReturnValue:
    """The stage board with its next step."""
    return plan_view.board(pilot)


@pages.get("/<pilot>/assignment")
@requires(Permission.PILOT_VIEW, of="pilot")
def assignment(pilot: Pilot) -> ResponseReturnValue:
    """Who was drawn into what, how alike the arms were, and the hash to check it by."""
    drawn = [stage for stage in pilot.stages if ledger.draw_of(session(), pilot, stage.number) is not None]
    wanted = whole(request.args.get("stage", ""))
    stage = next((one for one in drawn if one.number == wanted), drawn[-1] if drawn else None)
    more = _ledger_of(pilot, stage) if stage else {}
    return render_template(
        "pilots/assignment.html", pilot=pilot, tab="assignment", error=None, drawn=drawn, stage=stage, **more
    )


@pages.get("/<pilot>/assignment.csv")
@requires(Permission.PILOT_VIEW, of="pilot")
def ledger_csv(pilot: Pilot) -> ResponseReturnValue:
    """The ledger of one stage as a table."""
    draw = ledger.draw_of(session(), pilot, whole(request.args.get("stage", "")) or 1)
    if draw is None:
        raise NotFound(kind="draw", name=pilot.code)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["unit", "variant", "block"])
    writer.writerows([neutralised(cell) for cell in (e.unit_code, e.variant, e.block or "")] for e in draw.entries)
    return _file(text.getvalue(), "text/csv", f"{pilot.code}-stage-{draw.stage_number}.csv")


@pages.get("/<pilot>/assignment.json")
@requires(Permission.PILOT_VIEW, of="pilot")
def ledger_record(pilot: Pilot) -> ResponseReturnValue:
    """The draw's record: enough to draw again elsewhere and get the same ledger hash."""
    draw = ledger.draw_of(session(), pilot, whole(request.args.get("stage", "")) or 1)
    if draw is None:
        raise NotFound(kind="draw", name=pilot.code)
    return _file(draw.record, "application/json", f"{pilot.code}-stage-{draw.stage_number}.json")


@pages.get("/<pilot>/history")
@requires(Permission.PILOT_VIEW, of="pilot")
def history(pilot: Pilot) -> ResponseReturnValue:
    """Everything that happened to this pilot, newest first."""
    names = {user.email: user.name for user in users(session())}
    rows = [(row, names.get(row.actor, row.actor), _said(row.details)) for row in governance.history(session(), pilot)]
    return render_template("pilots/history.html", pilot=pilot, tab="history", error=None, rows=rows)


def _said(details: dict[str, Any]) -> dict[str, Any]:
    """The details that say something: without what is empty, and without the number of a first signature, 0."""
    empty = (None, "", [], {})
    return {key: value for key, value in details.items() if value not in empty and (key, value) != ("renewal", 0)}


def _ledger_of(pilot: Pilot, stage: Stage) -> dict[str, Any]:
    draw = ledger.draw_of(session(), pilot, stage.number)
    if draw is None:
        return {}
    names = {store.code: store.name for store in network.stores(session())}
    plan = queries.plan_of(session(), pilot, draw.plan_hash)
    return {
        "draw": draw,
        "terms": plan,
        "mechanic_titles": {offer.mechanic: spec_of(offer.mechanic).title for offer in plan.offers},
        "rows": _by_block(draw.entries, names),
        "counts": _counts(draw.entries),
        "variants": variant_names(plan),
        "balance": [
            (translate(COVARIATES[row.covariate]) if row.covariate in COVARIATES else row.covariate, row)
            for row in balance_of(session(), draw)
        ],
        "left_out": plan_words.by_reason(ledger.left_out(draw).items(), names),
        "n_homes": ledger.homes(session(), draw).num_rows,
    }


def variant_names(plan: Plan) -> dict[str, str]:
    """Variant code → its name in the program."""
    program = programs.program(session(), plan.program)
    return {variant.code: variant.name for variant in program.variants}


def _by_block(entries: list[Any], names: dict[str, str]) -> list[tuple[Any, str]]:
    ordered = sorted(entries, key=lambda entry: (entry.block or "", entry.variant != "control", entry.unit_code))
    return [(entry, names.get(entry.unit_code, "")) for entry in ordered]


def _counts(entries: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in entries:
        found[entry.variant] = found.get(entry.variant, 0) + 1
    return found


def _file(text: str, kind: str, name: str) -> Response:
    return Response(text, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
