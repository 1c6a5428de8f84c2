"""``pilot audit``: read the append-only log, verify its chain, print its head."""

import argparse

from pilot.audit import queries, service
from pilot.cli.console import phrase
from pilot.cli.context import Context, at_least_one
from pilot.cli.verbs import Verbs
from pilot.words import N_, translate


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    verbs = Verbs(command)
    show = verbs.add("list", N_("who did what, newest first"), show_entries)
    show.add_argument("--limit", type=at_least_one, default=50, metavar="N")
    verify = verbs.add("verify", N_("find a changed, missing or cut-off entry"), verify_log)
    head = phrase(N_("the head printed in a report (count:hash:seal): was the log cut back behind it?"))
    verify.add_argument("--head", metavar="HEAD", help=head)
    verbs.add("head", N_("the sealed head: number of entries, last hash, seal"), show_head)


def show_entries(context: Context) -> None:
    with context.database.reading() as session:
        entries = queries.entries(session, limit=context.options.limit)
        rows = [(e.seq, f"{e.at:%Y-%m-%d %H:%M:%S}Z", e.actor, e.verb, e.subject_kind, e.subject) for e in entries]
        context.console.table([N_("No."), N_("At"), N_("Who"), N_("Did"), N_("To"), N_("Which")], rows)
        fields = ("seq", "at", "actor", "verb", "subject_kind", "subject", "text", "previous_hash", "hash")
        context.console.answer([{field: getattr(entry, field) for field in fields} for entry in entries])


def verify_log(context: Context) -> int:
    """Exit code 0 where the log is whole, 1 where it is not; every finding is named."""
    with context.database.reading() as session:
        found = service.verify(session, context.options.head)
    console = context.console
    console.answer({"ok": found.ok, "count": found.count, "findings": [m.to_dict() for m in found.findings]})
    if found.ok:
        console.say(
            N_("The log is whole: {count:,} entries, each follows the one before, the head is sealed."),
            count=found.count,
        )
        return 0
    console.say(N_("The log is not what was written ({count:,} entries read):"), count=found.count)
    for message in found.findings:
        console.say("  {finding}", finding=translate(message))
    console.say(N_("Next: keep a copy of the database as it is, and compare with a backup from before."))
    return 1


def show_head(context: Context) -> None:
    with context.database.reading() as session:
        head = service.head(session)
    context.console.say("{head}", head=head)
    context.console.answer({"count": head.count, "hash": head.hash, "seal": head.seal, "head": str(head)})
