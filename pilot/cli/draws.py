"""``pilot draw``: the binding draw of a stage; before the seal a specimen that binds nobody."""

import argparse

from pilot.access.permissions import Permission
from pilot.assignment.queries import assignment_of
from pilot.assignment.service import specimen
from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.governance import service as governance
from pilot.outcomes.lake import Lake
from pilot.planning.queries import pilot as pilot_by_code
from pilot.words import N_


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command, acts=True)
    command.add_argument("pilot")
    command.add_argument("stage", type=int)
    words = phrase(N_("before the seal: a draw from these words, to see what a draw looks like"))
    command.add_argument("--specimen", metavar="WORDS", help=words)
    command.set_defaults(do=draw)


def draw(context: Context) -> None:
    options, console, lake = context.options, context.console, Lake(context.settings)
    if options.specimen is not None:
        show_specimen(context, lake)
        return
    with context.database.reading() as session:
        pilot = pilot_by_code(session, options.pilot)
        actor = context.actor(session, Permission.STAGE_DRAW, pilot)
        prepared = governance.prepare_draw(session, pilot, options.stage, lake=lake, actor=actor, now=context.now)
    with context.acting(Permission.STAGE_DRAW) as (session, actor):
        pilot = pilot_by_code(session, options.pilot)
        drawn = governance.draw(session, pilot, prepared, actor=actor, now=context.now)
        rows = assignment_of(session, drawn)
    console.table([N_("Unit"), N_("Variant")], list(rows.items()))
    console.say(N_("Drawn. Ledger hash: {hash}"), hash=drawn.ledger_hash)
    console.say(
        N_("Next: “pilot plan start {pilot} {stage}” on or before its first day."),
        pilot=pilot.code,
        stage=options.stage,
    )
    console.answer(
        {
            "pilot": pilot.code,
            "stage": options.stage,
            "plan_hash": drawn.plan_hash,
            "ledger_hash": drawn.ledger_hash,
            "lake_version": drawn.lake_version,
            "rows": rows,
        }
    )


def show_specimen(context: Context, lake: Lake) -> None:
    options, console = context.options, context.console
    with context.database.reading() as session:
        pilot = pilot_by_code(session, options.pilot)
        context.actor(session, Permission.STAGE_DRAW, pilot)
        shown = specimen(session, pilot, options.stage, lake=lake, seed_text=options.specimen)
    rows = {row.unit: row.variant for row in shown.replayed.rows}
    console.table([N_("Unit"), N_("Variant")], list(rows.items()))
    console.say(
        N_("SPECIMEN from the words “{words}”: it binds nobody. The binding draw follows the seal."),
        words=shown.seed_text,
    )
    console.answer(
        {"pilot": options.pilot, "stage": options.stage, "specimen": True, "seed_text": shown.seed_text, "rows": rows}
    )
