"""``pilot user``: the people of an installation. Run by whoever runs the machine, so the log names “cli”."""

import argparse

from pilot.access import service
from pilot.access.model import Role, User
from pilot.access.queries import user_by_email, users
from pilot.cli.console import phrase
from pilot.cli.context import Context
from pilot.cli.verbs import Verbs
from pilot.words import N_

ACTOR = "cli"
_ROLES = [str(role) for role in Role]


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    verbs = Verbs(command)
    verbs.add("list", N_("everybody with their role"), show_all)
    add = verbs.add("add", N_("invite a person; prints the link that sets the password"), invite)
    add.add_argument("email")
    add.add_argument("--name", required=True, help=phrase(N_("first and last name")))
    add.add_argument("--role", required=True, choices=_ROLES)
    role = verbs.add("role", N_("give a person another role; their sessions end"), change_role)
    role.add_argument("email")
    role.add_argument("role", choices=_ROLES)
    for verb, purpose, do in (
        ("link", N_("a new link that sets the password; earlier ones end"), renew_link),
        ("deactivate", N_("end a person's access"), deactivate),
        ("reactivate", N_("let a person sign in again"), reactivate),
    ):
        verbs.add(verb, purpose, do).add_argument("email")


def show_all(context: Context) -> None:
    with context.database.reading() as session:
        people = users(session)
        rows = [(p.email, p.name, p.role, phrase(N_("active")) if p.is_active else phrase(N_("ended"))) for p in people]
        context.console.table([N_("E-mail"), N_("Name"), N_("Role"), N_("Access")], rows)
        context.console.answer([_document(user) for user in people])


def invite(context: Context) -> None:
    options = context.options
    with context.database.unit_of_work() as session:
        user = service.create_user(
            session, email=options.email, name=options.name, role=Role(options.role), actor=ACTOR, now=context.now
        )
        token = service.make_link(session, user, actor=ACTOR, now=context.now)
        link = service.link_address(session, token)
    context.console.say(N_("{name} is invited as {role}."), name=user.name, role=user.role)
    _show_link(context, user, link)


def change_role(context: Context) -> None:
    with context.database.unit_of_work() as session:
        user = user_by_email(session, context.options.email)
        service.change_role(session, user, Role(context.options.role), actor=ACTOR, now=context.now)
    context.console.say(N_("{email} is {role} now; open sessions have ended."), email=user.email, role=user.role)
    context.console.answer(_document(user))


def renew_link(context: Context) -> None:
    with context.database.unit_of_work() as session:
        user = user_by_email(session, context.options.email)
        link = service.link_address(session, service.make_link(session, user, actor=ACTOR, now=context.now))
    _show_link(context, user, link)


def deactivate(context: Context) -> None:
    with context.database.unit_of_work() as session:
        user = service.deactivate(session, user_by_email(session, context.options.email), actor=ACTOR, now=context.now)
    context.console.say(N_("{email} can no longer sign in."), email=user.email)
    context.console.answer(_document(user))


def reactivate(context: Context) -> None:
    with context.database.unit_of_work() as session:
        user = service.reactivate(session, user_by_email(session, context.options.email), actor=ACTOR, now=context.now)
    context.console.say(N_("{email} can sign in again. “pilot user link” resets the password."), email=user.email)
    context.console.answer(_document(user))


def _show_link(context: Context, user: User, link: str) -> None:
    hours = context.settings.link_hours
    context.console.say(N_("Send them this link; it sets the password once, within {hours} hours:"), hours=hours)
    context.console.say("  {link}", link=link)
    context.console.answer({**_document(user), "link": link})


def _document(user: User) -> dict[str, object]:
    return {"email": user.email, "name": user.name, "role": str(user.role), "is_active": user.is_active}
