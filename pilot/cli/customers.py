"""``pilot customer``: what the law asks for."""

import argparse

from pilot.access.permissions import Permission
from pilot.cli.context import Context
from pilot.cli.verbs import Verbs
from pilot.network.service import forget_customer
from pilot.words import N_


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    verbs = Verbs(command)
    forget = verbs.add("forget", N_("erase who a customer is, everywhere but in sums"), forget_one, acts=True)
    forget.add_argument("customer", metavar="ID")


def forget_one(context: Context) -> None:
    from pilot.outcomes.inbox.erasing import erase_in_inbox, tell_unread  # loads the engine: not for --help

    with context.database.reading() as session:
        context.actor(session, Permission.CUSTOMER_FORGET)
    unread = erase_in_inbox(context.settings, context.options.customer)
    with context.acting(Permission.CUSTOMER_FORGET) as (session, actor):
        key = forget_customer(session, context.options.customer, actor=actor, now=context.now)
        told = tell_unread(session, unread, key, actor=actor, now=context.now)
    console = context.console
    console.say(
        N_("Forgotten: id, attributes, contact hash, and what the inbox, findings, quarantine and staging held.")
    )
    console.say(
        N_("What remains is the number {key}, which leads to nobody. Backups from before still hold the rest."), key=key
    )
    for message in told:
        console.say(message.template, **message.values)
    console.answer({"customer_key": key, "batches_not_searched": list(unread)})
