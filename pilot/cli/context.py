"""What every command gets: its options, the settings, the console, and the database when it asks for it."""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Owned, Permission
from pilot.access.queries import user_by_email
from pilot.cli.console import Console, phrase
from pilot.cli.errors import NobodyNamed, NoInstallation, UnreadableFile
from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from pilot.upkeep.recording import record_restore
from pilot.words import N_

_AS = "PILOT_AS"


@dataclass(slots=True)
class Context:
    """One run of one command."""

    options: argparse.Namespace
    settings: Settings
    console: Console
    _database: Database | None = None

    @property
    def database(self) -> Database:
        """The business database, at this version's schema. ``NoInstallation`` or ``SchemaBehind`` otherwise."""
        if self._database is None:
            is_file = self.settings.url.startswith("sqlite")
            if is_file and not (self.settings.home / "pilot.db").is_file():
                raise NoInstallation(home=str(self.settings.home))
            self._database = Database(self.settings)
            if migrating.current(self._database) is None:
                raise NoInstallation(home=str(self.settings.home))
            migrating.require_head(self._database)
            record_restore(self._database)
        return self._database

    @property
    def now(self) -> datetime:
        return self.settings.now()

    def actor(self, session: Session, permission: Permission, obj: Owned | None = None) -> User:
        """The person in whose name the command acts (``--as``), who must hold the permission, or stand in for one."""
        from pilot.governance.deputies import require_acting  # who only asks for help waits for no plan

        if self.options.actor is None:
            raise NobodyNamed()
        user = user_by_email(session, self.options.actor)
        require_acting(session, user, permission, obj, now=self.now)
        return user

    @contextmanager
    def acting(self, permission: Permission) -> Iterator[tuple[Session, User]]:
        """One unit of work in the name of ``--as``, who must hold ``permission`` on something."""
        with self.database.unit_of_work() as session:
            yield session, self.actor(session, permission)

    def close(self) -> None:
        if self._database is not None:
            self._database.dispose()


def add_common(
    parser: argparse.ArgumentParser, *, acts: bool = False, may_act: bool = False, is_json: bool = True
) -> None:
    """The options that commands share: ``--home``, ``--json``, and for acts ``--as`` (``may_act``: optional)."""
    parser.add_argument("--home", type=Path, metavar="DIR", help=phrase(N_("the installation (else PILOT_HOME)")))
    if is_json:
        parser.add_argument("--json", action="store_true", help=phrase(N_("one JSON document on stdout, for programs")))
    if acts or may_act:
        known = os.environ.get(_AS)
        parser.add_argument(
            "--as",
            dest="actor",
            metavar="EMAIL",
            default=known,
            required=acts and known is None,
            help=phrase(N_("in whose name (else PILOT_AS)")),
        )


def at_least_one(text: str) -> int:
    """A whole number from 1, for argparse, which names the option."""
    return whole_number(text, 1, 1_000_000)


def whole_number(text: str, first: int, last: int) -> int:
    """A number between ``first`` and ``last``, for argparse."""
    if not (text.isascii() and text.isdigit() and first <= int(text) <= last):
        expected = phrase(N_("a whole number from {first} to {last} is expected"), first=first, last=last)
        raise argparse.ArgumentTypeError(expected)
    return int(text)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; ``UnreadableFile`` says what is wrong with it."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise UnreadableFile(path=str(path), problem=phrase(N_("not a text in UTF-8"))) from None
    except OSError as error:
        raise UnreadableFile(path=str(path), problem=(error.strerror or "").lower()) from None
    except ValueError as error:
        raise UnreadableFile(path=str(path), problem=phrase(N_("not JSON ({detail})"), detail=error)) from None
    if not isinstance(found, dict):
        raise UnreadableFile(path=str(path), problem=phrase(N_("a JSON object is expected")))
    return found
