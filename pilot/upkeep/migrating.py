"""Schemas come to be by migrations only: bring an installation to the head, say where it stands.

An installation has two databases, the business one and the inbox of receipts: two files on SQLite, the same database on
PostgreSQL. One chain of revisions serves both; each revision does its own target's work, each target has a version
table of its own. What is said of "the database" here holds for both.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

import pilot.access.model
import pilot.assignment.model
import pilot.audit.model
import pilot.evidence.model
import pilot.governance.model
import pilot.imports.model
import pilot.jobs.model
import pilot.network.model
import pilot.notices.model
import pilot.outcomes.inbox.model
import pilot.planning.calendar_model
import pilot.planning.model
import pilot.planning.wizard_model
import pilot.programs.model  # noqa: F401 - the metadata is whole only when every room's entities are imported
from pilot.database import Base, Database, make_engine
from pilot.errors import Misconfigured
from pilot.outcomes.inbox.database import InboxBase
from pilot.words import N_


class SchemaBehind(Misconfigured):
    code = "schema_behind"
    template = N_("The database is at revision {found}, this version needs {wanted}. Run “pilot upgrade”.")


class SchemaAhead(Misconfigured):
    code = "schema_ahead"
    template = N_("The database is at revision {found}, which this version does not know. Install a newer version.")


class Target(StrEnum):
    """Which of the two databases a run of the migrations is for."""

    BUSINESS = "business"
    INBOX = "inbox"


VERSION_TABLES = {Target.BUSINESS: "alembic_version", Target.INBOX: "alembic_version_inbox"}
METADATA = {Target.BUSINESS: Base.metadata, Target.INBOX: InboxBase.metadata}
_BEFORE_THE_INBOX = "0003"  # what an installation without an inbox has of the inbox's part of the chain


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring both databases to ``revision``; on PostgreSQL the schema of the settings is made first."""
    for target in Target:
        _run(database, target, "upgrade", revision)


def downgrade(database: Database, revision: str) -> None:
    for target in reversed(Target):
        if _current(database, target) is not None:
            _run(database, target, "downgrade", revision)


def head() -> str:
    """The newest revision that this code knows."""
    with as_file(files("pilot.dbmigrations")) as folder:
        found = ScriptDirectory(str(folder)).get_current_head()
    if found is None:
        raise Misconfigured(reason=N_("there is no migration"))
    return found


def current(database: Database) -> str | None:
    """The revision the installation is at, the older one of its two databases'; None for an empty one."""
    business = _current(database, Target.BUSINESS)
    return None if business is None else min(business, _current(database, Target.INBOX) or _BEFORE_THE_INBOX)


def require_head(database: Database) -> None:
    """Raise ``SchemaBehind`` or ``SchemaAhead`` unless both databases are at the head."""
    wanted = head()
    require_known(database)
    found = current(database)
    if found != wanted:
        raise SchemaBehind(found=found or "–", wanted=wanted)


def require_known(database: Database) -> None:
    """Raise ``SchemaAhead`` where one of the two databases is at a revision that this code does not have."""
    with as_file(files("pilot.dbmigrations")) as folder:
        known = {script.revision for script in ScriptDirectory(str(folder)).walk_revisions()}
    for target in Target:
        revision = _current(database, target)
        if revision is not None and revision not in known:
            raise SchemaAhead(found=revision)


def differences(database: Database) -> list[object]:
    """What the schemas lack or have too much beside the entities; empty when both agree."""
    found: list[object] = []
    for target in Target:
        with _engine(database, target) as engine, engine.connect() as connection:
            options = {
                "include_object": included(target),
                "compare_type": True,
                "version_table": VERSION_TABLES[target],
            }
            found += compare_metadata(MigrationContext.configure(connection, opts=options), METADATA[target])
    return found


def is_ours(table: str) -> bool:
    """Whether a table holds rows of the installation, business or inbox (the job queue keeps its own)."""
    return not table.startswith(("huey", "alembic_version"))


def included(target: Target) -> Callable[[object, str | None, str, bool, object], bool]:
    """Alembic's filter that shows only the tables of ``target``: those of the inbox are called ``inbox_…``."""

    def include(_object: object, name: str | None, kind: str, _reflected: bool, _compare: object) -> bool:
        is_of_target = name is not None and is_ours(name) and name.startswith("inbox_") == (target is Target.INBOX)
        return kind != "table" or is_of_target

    return include


def has_inbox(database: Database) -> bool:
    """Whether the inbox has its tables; not yet where an installation waits for its upgrade."""
    return (_current(database, Target.INBOX) or _BEFORE_THE_INBOX) > _BEFORE_THE_INBOX


def inbox_file(database: Database) -> Path | None:
    """The file of the inbox on SQLite; None on PostgreSQL, where it is part of the one database."""
    url = make_url(database.settings.inbox_url)
    return Path(str(url.database)) if url.drivername == "sqlite" else None


def _current(database: Database, target: Target) -> str | None:
    inbox = inbox_file(database)
    if target is Target.INBOX and inbox is not None and not inbox.exists():
        return None  # looking must not make the file
    with _engine(database, target) as engine, engine.connect() as connection:
        options = {"version_table": VERSION_TABLES[target]}
        return MigrationContext.configure(connection, opts=options).get_current_revision()


def _run(database: Database, target: Target, verb: str, revision: str) -> None:
    schema = database.settings.database_schema
    with (
        as_file(files("pilot.dbmigrations")) as folder,
        _engine(database, target) as engine,
        engine.connect() as connection,
    ):
        if schema and connection.dialect.name == "postgresql":
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            connection.commit()
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        config.attributes["target"] = target
        getattr(command, verb)(config, revision)
        connection.commit()


@contextmanager
def _engine(database: Database, target: Target) -> Iterator[Engine]:
    """The engine of one of the databases; on PostgreSQL both are the same."""
    if target is Target.BUSINESS or inbox_file(database) is None:
        yield database.engine
        return
    engine = make_engine(database.settings.model_copy(update={"database_url": database.settings.inbox_url}))
    try:
        yield engine
    finally:
        engine.dispose()
