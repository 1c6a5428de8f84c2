"""``pilot key``: API keys of tills and systems, by the wall clock as tills live; the secret is printed once."""

import argparse
from datetime import timedelta

from pilot.access import api_keys
from pilot.access.model import ApiKey
from pilot.access.permissions import Scope
from pilot.access.queries import api_keys as all_keys
from pilot.access.queries import key_by_code
from pilot.assignment.signing import key_id, public_key
from pilot.cli.console import phrase
from pilot.cli.context import Context
from pilot.cli.users import ACTOR
from pilot.cli.verbs import Verbs
from pilot.network.queries import store_by_code
from pilot.words import N_


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    verbs = Verbs(command)
    verbs.add("list", N_("all keys, newest first"), show_all)
    add = verbs.add("add", N_("make a key; prints the secret once"), make)
    add.add_argument("name")
    add.add_argument("--scope", action="append", choices=[str(scope) for scope in Scope], default=None)
    add.add_argument("--store", action="append", default=[], metavar="CODE", help=phrase(N_("only these stores")))
    add.add_argument("--days", type=int, metavar="N", help=phrase(N_("ends after N days (default: until revoked)")))
    for verb, purpose, do in (
        ("rotate", N_("a successor; the old key works for another day"), rotate),
        ("revoke", N_("end a key at once"), revoke),
    ):
        verbs.add(verb, purpose, do).add_argument("code")
    verbs.add("bundle", N_("the public key with which tills check their bundles"), show_bundle_key)


def show_all(context: Context) -> None:
    with context.database.reading() as session:
        keys = all_keys(session)
        live = {True: phrase(N_("live")), False: phrase(N_("ended"))}
        rows = [
            (
                key.code,
                ", ".join(key.scopes),
                ", ".join(key.store_codes) or phrase(N_("all stores")),
                live[_is_live(context, key)],
            )
            for key in keys
        ]
        context.console.table([N_("Key"), N_("Scopes"), N_("Stores"), N_("State")], rows)
        context.console.answer([_document(context, key) for key in keys])


def make(context: Context) -> None:
    options, now = context.options, context.settings.wall_clock()
    with context.database.unit_of_work() as session:
        stores = [store_by_code(session, code).code for code in options.store]
        key, secret = api_keys.create_api_key(
            session,
            name=options.name,
            scopes=[Scope(scope) for scope in options.scope or [Scope.ASSIGNMENTS_READ]],
            store_codes=stores,
            expires_at=now + timedelta(days=options.days) if options.days else None,
            actor=ACTOR,
            now=now,
        )
    _show_secret(context, key, secret)


def rotate(context: Context) -> None:
    with context.database.unit_of_work() as session:
        old = key_by_code(session, context.options.code)
        key, secret = api_keys.rotate_api_key(session, old, actor=ACTOR, now=context.settings.wall_clock())
    context.console.say(N_("{old} works for another 24 hours."), old=old.code)
    _show_secret(context, key, secret)


def revoke(context: Context) -> None:
    with context.database.unit_of_work() as session:
        old = key_by_code(session, context.options.code)
        key = api_keys.revoke_api_key(session, old, actor=ACTOR, now=context.settings.wall_clock())
    context.console.say(N_("{key} has ended."), key=key.code)
    context.console.answer(_document(context, key))


def show_bundle_key(context: Context) -> None:
    """Made on first use, as the first bundle would make it."""
    public = public_key(context.settings)
    context.console.say(N_("Bundles are signed by key {id}. Give tills its public half by hand:"), id=key_id(public))
    context.console.say("  {key}", key=public.hex())
    context.console.answer({"algorithm": "Ed25519", "id": key_id(public), "key": public.hex()})


def _show_secret(context: Context, key: ApiKey, secret: str) -> None:
    context.console.say(
        N_("The secret of {key}, shown this once (send it as “Authorization: Bearer …”):"), key=key.code
    )
    context.console.say("  {secret}", secret=secret)
    context.console.answer({**_document(context, key), "secret": secret})


def _is_live(context: Context, key: ApiKey) -> bool:
    return api_keys.is_live(key, context.settings.wall_clock())


def _document(context: Context, key: ApiKey) -> dict[str, object]:
    return {
        "code": key.code,
        "name": key.name,
        "scopes": key.scopes,
        "stores": key.store_codes,
        "expires_at": key.expires_at,
        "is_live": _is_live(context, key),
    }
