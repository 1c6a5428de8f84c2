"""``pilot days``: the derived days from which reports read; look at them, make them anew, or drop them."""

import argparse

from pilot.access.permissions import Permission
from pilot.audit.service import record
from pilot.cli.context import Context
from pilot.cli.verbs import Verbs
from pilot.words import N_


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    verbs = Verbs(command)
    verbs.add("status", N_("how far the days are, and how big"), status)
    verbs.add(
        "rebuild", N_("make the days anew from the receipts; reports read receipts meanwhile"), rebuild, acts=True
    )
    verbs.add("drop", N_("empty the days; reports read receipts until they are rebuilt"), drop, acts=True)


def status(context: Context) -> None:
    """What the tables hold, what they lack, and what they take."""
    from pilot.outcomes.days.service import Days
    from pilot.outcomes.lake import Lake

    console, lake = context.console, Lake(context.settings)
    days = Days(lake)
    through, lag, latest = days.through(), days.lag(), lake.version()
    sizes = days.sizes()
    if days.is_dropped():
        console.say(N_("The days are dropped: reports read receipts. “pilot days rebuild” makes them anew."))
    elif through is None:
        console.say(N_("There are no days yet: reports read receipts. “pilot days rebuild” makes them."))
    elif lag.commits:
        console.say(
            N_("The days lack {commits:,} deliveries, the first of {since}: reports read receipts until they are in."),
            commits=lag.commits,
            since=f"{lag.since:%Y-%m-%d %H:%M}Z",
        )
    else:
        console.say(N_("The days hold everything up to lake version {version}."), version=latest)
    header = [N_("Table"), N_("Rows"), N_("Files"), N_("Megabytes")]
    rows = [(size.name, f"{size.rows:,}", f"{size.files:,}", f"{size.size_bytes / 1_000_000:,.1f}") for size in sizes]
    console.table(header, rows)
    console.say(N_("A day that came in several deliveries has a row of each, so rebuilt days have fewer rows."))
    console.answer(
        {
            "through": through,
            "lake_version": latest,
            "commits_behind": lag.commits,
            "behind_since": lag.since,
            "is_dropped": days.is_dropped(),
            "tables": [
                {"name": size.name, "rows": size.rows, "files": size.files, "bytes": size.size_bytes} for size in sizes
            ],
        }
    )


def rebuild(context: Context) -> None:
    from pilot.outcomes.days.service import Days
    from pilot.outcomes.lake import Lake

    console = context.console
    _written_down(context, "days.rebuilt")
    with console.progress(N_("Making days of receipts")) as bar:
        through = Days(Lake(context.settings)).rebuild(bar)
    console.say(N_("The days hold everything up to lake version {version}."), version=through)
    console.answer({"through": through})


def drop(context: Context) -> None:
    from pilot.evidence.state import StageState
    from pilot.outcomes.days.service import Days
    from pilot.outcomes.lake import Lake

    _written_down(context, "days.dropped")
    lake = Lake(context.settings)
    days = Days(lake)
    days.drop()
    StageState(lake, days).drop()
    context.console.say(N_("The days are dropped. Reports read receipts, and give the same numbers."))
    context.console.answer({"dropped": True})


def _written_down(context: Context, verb: str) -> None:
    """Who changes what reports read, known before it is changed; doing it twice changes nothing more."""
    with context.acting(Permission.NETWORK_IMPORT) as (session, actor):
        record(session, actor=actor.email, verb=verb, subject_kind="installation", subject="days", details={},
               at=context.now)  # fmt: skip
