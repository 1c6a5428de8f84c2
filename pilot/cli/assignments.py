"""``pilot assignment``: who gets what and why; a draw's record, and the draw replayed from that record alone."""

import argparse
import json
from pathlib import Path

from pilot.assignment.errors import NotDrawn
from pilot.assignment.lookup import who_gets_what
from pilot.assignment.queries import draw_of
from pilot.assignment.record import Replayed, replay
from pilot.cli.console import phrase
from pilot.cli.context import Context
from pilot.cli.errors import UnreadableFile
from pilot.cli.verbs import Verbs
from pilot.planning.queries import pilot as pilot_by_code
from pilot.words import N_, translate


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    verbs = Verbs(command)
    look_up = verbs.add("look-up", N_("what a customer gets in a store now, and why"), look_up_one)
    look_up.add_argument("--store", required=True, metavar="CODE")
    look_up.add_argument("--customer", metavar="ID", help=phrase(N_("their id (default: nobody recognised)")))
    record = verbs.add("record", N_("the JSON record of a draw: enough to draw again"), write_record)
    record.add_argument("pilot")
    record.add_argument("stage", type=int)
    record.add_argument("--out", type=Path, metavar="FILE")
    again = verbs.add("replay", N_("draw again from a record alone; needs no installation"), replay_record)
    again.add_argument("record", type=Path, metavar="FILE")
    again.add_argument("--expect", metavar="HASH", help=phrase(N_("the ledger hash that must come out")))


def look_up_one(context: Context) -> None:
    options, console = context.options, context.console
    with context.database.reading() as session:
        answer = who_gets_what(session, customer=options.customer, store=options.store, at=context.now)
    console.say("{reason}", reason=translate(answer.reason))
    if answer.variant:
        console.say(N_("Variant: {variant}"), variant=answer.variant)
    if answer.offer:
        console.say(N_("Offer: {offer}"), offer=json.dumps(answer.offer.model_dump(mode="json"), ensure_ascii=False))
    if answer.valid_until:
        console.say(N_("Valid until {day:date}"), day=answer.valid_until.isoformat())
    console.answer(answer.to_document())


def write_record(context: Context) -> None:
    options = context.options
    with context.database.reading() as session:
        draw = draw_of(session, pilot_by_code(session, options.pilot), options.stage)
        if draw is None:
            raise NotDrawn(stage=options.stage, pilot=options.pilot)
        if options.out is None:
            print(draw.record, file=context.console.out)
            return
        options.out.write_text(draw.record, "utf-8")
        console = context.console
        console.say(N_("The record is in {path}; its ledger hash is {hash}."), path=options.out, hash=draw.ledger_hash)
        console.say(
            N_("Next: “pilot assignment replay {path} --expect {hash}”, on any machine."),
            path=options.out,
            hash=draw.ledger_hash,
        )
        console.answer({"record": options.out, "ledger_hash": draw.ledger_hash})


def replay_record(context: Context) -> int:
    """Print the ledger, or with ``--expect`` only whether it is the same; exit code 1 where it is another."""
    options, console = context.options, context.console
    try:
        text = options.record.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise UnreadableFile(path=str(options.record), problem=phrase(N_("no such text file"))) from None
    drawn = replay(text)
    is_expected = options.expect in (None, drawn.ledger_hash)
    if options.expect is None:
        _show(context, drawn)
    else:
        console.say(N_("Ledger hash: {hash}"), hash=drawn.ledger_hash)
    console.answer(
        {
            "pilot": drawn.pilot,
            "stage": drawn.stage,
            "ledger_hash": drawn.ledger_hash,
            "is_expected": is_expected,
            "rows": [{"unit": row.unit, "variant": row.variant, "block": row.block} for row in drawn.rows],
        }
    )
    if is_expected and options.expect:
        console.say(N_("The record gives the expected ledger: drawn again, every unit came out the same."))
    if not is_expected:
        console.say(N_("This is not the expected ledger hash: the record or the ledger was changed."))
    return 0 if is_expected else 1


def _show(context: Context, drawn: Replayed) -> None:
    console = context.console
    header = [N_("Unit"), N_("Variant"), N_("Block")]
    console.table(header, [(row.unit, row.variant, row.block or "") for row in drawn.rows])
    console.say(N_("Ledger hash: {hash}"), hash=drawn.ledger_hash)
