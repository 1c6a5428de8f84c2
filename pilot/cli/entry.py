"""From arguments to a command, and from errors to exit codes: the one place that knows both."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from pilot import __version__
from pilot.cli.console import Console, phrase
from pilot.cli.context import Context
from pilot.cli.errors import DiskIsFull, SystemRefused
from pilot.database import is_disk_full
from pilot.errors import PilotError
from pilot.jobs.messages import message_of
from pilot.settings import load_settings
from pilot.upkeep.errors import DatabaseUnreachable
from pilot.words import ENGLISH, N_, Message, speaking

DONE, REFUSED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

# Each command with the file of its group (loaded only when asked for: some need the engine) and what it is for.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("installation", N_("make an installation: home, database, network, first administrator")),
    "upgrade": ("installation", N_("bring an installation to this version: backup, migrate, check")),
    "user": ("users", N_("people: list, add, role, link, deactivate, reactivate")),
    "key": ("keys", N_("API keys: list, add, rotate, revoke; the key of bundles")),
    "import": ("imports", N_("take a file in: regions, stores, customers or receipts")),
    "drain": ("drain", N_("take the receipts that wait in the inbox to the lake, by hand")),
    "days": ("days", N_("the derived days that reports read: status, rebuild, drop")),
    "watch": ("watch", N_("take receipt files in as they arrive in a folder")),
    "mapping": ("mappings", N_("column mappings: guess, save, show, list")),
    "plan": ("plans", N_("pilots and their plans: list, show, new, edit, submit, cosign, approve, amend, start")),
    "draw": ("draws", N_("draw a stage, or show a specimen draw before the seal")),
    "calibrate": ("calibrate", N_("replay a plan on the past in a file: false alarms, coverage, power")),
    "report": ("reports", N_("significance reports: make, list, show")),
    "analyze": ("analyze", N_("a report from a plan and a table, without an installation")),
    "decide": ("reports", N_("an executive's decision on a report")),
    "assignment": ("assignments", N_("who gets what and why; replay a draw from its record")),
    "customer": ("customers", N_("forget a customer")),
    "audit": ("log", N_("the append-only log: list, verify, head")),
    "serve": ("serving", N_("start the web server")),
    "worker": ("serving", N_("start the worker that does the long work")),
    "backup": ("backups", N_("back the installation up while it runs")),
    "restore": ("backups", N_("bring a backup back into an empty home")),
    "demo": ("demo", N_("the whole loop on real households, then the pages")),
    "simulate-network": ("simulate", N_("a made-up network of any size: stores, customers, receipts")),
}


def run(arguments: Sequence[str] | None = None) -> int:
    """Parse, do, and turn what happened into an exit code. Help and refusals speak the installation's language."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with speaking(_language(given)):
            return _run(given)
    except SystemExit as ended:  # argparse has said what is wrong, or shown the help
        return WRONG_USAGE if ended.code else DONE


def build_parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the group of the command in ``given`` is loaded and described in full."""
    parser = argparse.ArgumentParser(prog="pilot", description=phrase(N_("Test & learn for loyalty programs.")))
    parser.add_argument("--version", action="version", version=f"pilot {__version__}")
    commands = parser.add_subparsers(dest="command", metavar=phrase(N_("command")), required=True)
    chosen = next((word for word in given if word in COMMANDS), None)
    for name, (group, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=phrase(purpose), description=phrase(purpose))
        if name == chosen:
            import_module(f"pilot.cli.{group}").configure(name, command)
    return parser


def _run(given: Sequence[str]) -> int:
    options = build_parser(given).parse_args(given)
    console = Console(is_json=getattr(options, "json", False))
    try:
        return _do(options, Context(options, load_settings(options.home), console))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        message = message_of(error) or _of_the_system(error)
        if message is None:
            raise  # a mistake of ours: the trace is what helps
        console.refuse(message)
        return REFUSED


def _of_the_system(error: Exception) -> Message | None:
    """What disk, rights and database say, as a message; None for anything else."""
    is_full = is_disk_full(error)
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        refused = DiskIsFull if is_full else SystemRefused
        return refused(problem=(error.strerror or str(error)).lower() + place).message
    if isinstance(error, DBAPIError):
        unreachable = DiskIsFull if is_full else DatabaseUnreachable
        return unreachable(problem=str(error.orig).strip().splitlines()[0].rstrip(".")).message
    return None


def _language(given: Sequence[str]) -> str:
    """The language of the installation that is meant, known before anything else is read."""
    home = argparse.ArgumentParser(prog="pilot", add_help=False, allow_abbrev=False)
    home.add_argument("--home", type=Path, nargs="?")
    try:
        return load_settings(home.parse_known_args(given)[0].home).language
    except PilotError:  # settings that cannot be read are refused when the command needs them
        return ENGLISH


def _do(options: argparse.Namespace, context: Context) -> int:
    try:
        code: int | None = options.do(context)
    finally:
        context.close()
    return code or DONE
