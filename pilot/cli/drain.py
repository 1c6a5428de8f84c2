"""``pilot drain``: take what waits in the inbox to the lake, now and by hand."""

import argparse

from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.words import N_


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command)
    retry = phrase(N_("try batches again that were set aside because they broke alone"))
    command.add_argument("--retry", action="store_true", help=retry)
    command.set_defaults(do=drain)


def drain(context: Context) -> None:
    """Round after round until nothing waits; a worker that drains meanwhile is waited for."""
    from pilot.outcomes.inbox.database import InboxDatabase
    from pilot.outcomes.inbox.rounds import empty, keep_lake, try_again
    from pilot.outcomes.lake import Lake

    console, database = context.console, context.database
    inbox, lake = InboxDatabase(database.settings), Lake(database.settings)
    try:
        again = try_again(database, inbox) if context.options.retry else 0
        with console.progress(N_("Draining")):
            rounds = list(empty(database, inbox, lake, clock=database.settings.now))
        if rounds:
            keep_lake(lake)
    finally:
        inbox.dispose()
    if again:
        console.say(N_("{batches:,} batches that were set aside were tried again."), batches=again)
    if not rounds:
        console.say(N_("Nothing waits in the inbox."))
    else:
        console.say(
            N_("{batches:,} batches: {new:,} receipts are in the lake, {known:,} were known."),
            batches=sum(one.n_batches for one in rounds),
            new=sum(one.n_new for one in rounds),
            known=sum(one.n_known for one in rounds),
        )
    waiting = sum(one.n_quarantined for one in rounds)
    if waiting:
        console.say(N_("{rows:,} rows are in quarantine. Next: correct or drop them on its page."), rows=waiting)
    console.answer(
        {
            "batches": sum(one.n_batches for one in rounds),
            "new": sum(one.n_new for one in rounds),
            "known": sum(one.n_known for one in rounds),
            "quarantined": waiting,
            "lake_version": rounds[-1].lake_version if rounds else None,
        }
    )
