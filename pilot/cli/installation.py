"""``pilot init`` and ``pilot upgrade``: from an empty folder to an installation, and from version to version."""

import argparse
from pathlib import Path

from pilot.access.queries import user_by_email
from pilot.access.service import first_administrator, link_address
from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.cli.errors import InstallationExists, NoInstallation
from pilot.database import Database
from pilot.network.service import set_up_network
from pilot.upkeep import migrating, upgrading
from pilot.words import N_


def configure(name: str, command: argparse.ArgumentParser) -> None:
    if name == "upgrade":
        add_common(command)
        command.add_argument(
            "--backup", type=Path, metavar="DIR", help=phrase(N_("where the backup goes (new folder)"))
        )
        command.set_defaults(do=upgrade)
        return
    add_common(command)
    command.add_argument("--name", required=True, help=phrase(N_("the network's name")))
    command.add_argument("--currency", required=True, help=phrase(N_("ISO code, such as EUR")))
    command.add_argument("--timezone", required=True, help=phrase(N_("IANA name, such as Europe/Helsinki")))
    hour = phrase(N_("hour at which a business day ends, 0 to 12 (default 0: midnight)"))
    command.add_argument("--cutoff-hour", type=int, default=0, metavar="H", help=hour)
    command.add_argument("--admin", required=True, metavar="EMAIL", help=phrase(N_("the first administrator")))
    command.add_argument("--admin-name", metavar="NAME", help=phrase(N_("their name (default: the e-mail address)")))
    command.set_defaults(do=init)


def init(context: Context) -> None:
    """Home, database at the head, network, first administrator; the link that lets them in is printed once."""
    options, console, settings = context.options, context.console, context.settings
    database = Database(settings)
    try:
        if migrating.current(database) is not None:
            raise InstallationExists(home=str(settings.home))
        migrating.upgrade(database)
        link = _first_steps(context, database)
    finally:
        database.dispose()
    console.say(N_("The installation is ready in {home}."), home=settings.home)
    console.say(
        N_("{email} sets a password here, once, within {hours} hours:"), email=options.admin, hours=settings.link_hours
    )
    console.say("  {link}", link=link)
    console.say(N_("Next: “pilot serve” and “pilot worker”, then open the link; or “pilot import regions FILE”."))
    console.answer({"home": settings.home, "revision": migrating.head(), "link": link})


def _first_steps(context: Context, database: Database) -> str:
    """Network and administrator, or an empty database again where one of them is refused. Returns the link."""
    options, now = context.options, context.now
    try:
        with database.unit_of_work() as session:
            name = options.admin_name or options.admin
            token = first_administrator(session, email=options.admin, name=name, now=now)
            set_up_network(
                session,
                name=options.name,
                currency=options.currency,
                timezone=options.timezone,
                cutoff_hour=options.cutoff_hour,
                actor=user_by_email(session, options.admin),
                now=now,
            )
            return link_address(session, token)
    except BaseException:
        migrating.downgrade(database, "base")
        raise


def upgrade(context: Context) -> None:
    """Backup → migrate → check; an installation at the head is only checked."""
    console, settings = context.console, context.settings
    if settings.url.startswith("sqlite") and not (settings.home / "pilot.db").is_file():
        raise NoInstallation(home=str(settings.home))
    database = Database(settings)
    try:
        with console.progress(N_("Backing up")) as bar:
            done = upgrading.upgrade(
                database,
                now=settings.wall_clock(),
                target=context.options.backup,
                announce=lambda path: console.say(N_("The backup is in {path} (without keys)."), path=path),
                progress=bar,
            )
    finally:
        database.dispose()
    if done.before == done.after:
        console.say(N_("The database is at {revision} already, and right."), revision=done.after)
    else:
        console.say(N_("Upgraded from {before} to {after}."), before=done.before or "–", after=done.after)
        console.say(N_("Next: start “pilot serve” and “pilot worker” again."))
    console.answer({"before": done.before, "after": done.after, "backup": done.backup})
