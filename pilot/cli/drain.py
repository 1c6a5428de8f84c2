"""``pilot drain``: take what waits in the inbox to the lake, now and by hand."""

import argparse
from typing import TYPE_CHECKING

from pilot.access.permissions import Permission
from pilot.audit.service import record
from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.words import N_

if TYPE_CHECKING:
    from pilot.outcomes.inbox.database import InboxDatabase


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command, may_act=True)
    retry = phrase(N_("try batches again that were set aside because they broke alone"))
    command.add_argument("--retry", action="store_true", help=retry)
    command.set_defaults(do=drain)


def drain(context: Context) -> None:
    """Round after round until nothing waits; a worker that drains meanwhile is waited for."""
    from pilot.outcomes.inbox.database import InboxDatabase
    from pilot.outcomes.inbox.rounds import empty, keep_lake
    from pilot.outcomes.lake import Lake

    console, database = context.console, context.database
    inbox, lake = InboxDatabase(database.settings), Lake(database.settings)
    try:
        again = _retry(context, inbox) if context.options.retry else 0
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


def _retry(context: Context, inbox: "InboxDatabase") -> int:
    """Let what was set aside wait again, in somebody's name."""
    from pilot.outcomes.inbox.rounds import try_again

    with context.acting(Permission.QUARANTINE_EDIT):
        pass  # refused before anything is moved; the drain's own lock is never waited for inside a unit of work
    again = try_again(context.database, inbox)
    with context.acting(Permission.QUARANTINE_EDIT) as (session, actor):
        details = {"batches": again}
        record(session, actor=actor.email, verb="receipts.tried_again", subject_kind="installation", subject="inbox",
               details=details, at=context.now)  # fmt: skip
    return again
