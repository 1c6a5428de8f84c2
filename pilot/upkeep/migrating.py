"""Schemas come to be by migrations only: bring a database to the head, say where it stands."""

from importlib.resources import as_file, files

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import pilot.access.model
import pilot.assignment.model
import pilot.audit.model
import pilot.evidence.model
import pilot.governance.model
import pilot.imports.model
import pilot.jobs.model
import pilot.network.model
import pilot.notices.model
import pilot.planning.model
import pilot.programs.model  # noqa: F401 - the metadata is whole only when every room's entities are imported
from pilot.database import Base, Database
from pilot.errors import Misconfigured
from pilot.words import N_


class SchemaBehind(Misconfigured):
    code = "schema_behind"
    template = N_("The database is at revision {found}, this version needs {wanted}. Run “pilot upgrade”.")


class SchemaAhead(Misconfigured):
    code = "schema_ahead"
    template = N_("The database is at revision {found}, which this version does not know. Install a newer version.")


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to ``revision``; on PostgreSQL the schema of the settings is made first."""
    _run(database, "upgrade", revision)


def downgrade(database: Database, revision: str) -> None:
    _run(database, "downgrade", revision)


def head() -> str:
    """The newest revision that this code knows."""
    with as_file(files("pilot.dbmigrations")) as folder:
        found = ScriptDirectory(str(folder)).get_current_head()
    if found is None:
        raise Misconfigured(reason=N_("there is no migration"))
    return found


def current(database: Database) -> str | None:
    """The revision the database is at; None for an empty one."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_head(database: Database) -> None:
    """Raise ``SchemaBehind`` or ``SchemaAhead`` unless the database is at the head."""
    found, wanted = current(database), head()
    if found != wanted:
        require_known(found)
        raise SchemaBehind(found=found or "–", wanted=wanted)


def require_known(revision: str | None) -> None:
    """Raise ``SchemaAhead`` for a revision that this code does not have."""
    with as_file(files("pilot.dbmigrations")) as folder:
        known = {script.revision for script in ScriptDirectory(str(folder)).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaAhead(found=revision)


def differences(database: Database) -> list[object]:
    """What the database's schema lacks or has too much beside the entities; empty when both agree."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": include_object, "compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def include_object(_object: object, name: str | None, kind: str, _reflected: bool, _compare: object) -> bool:
    """Leave out tables that are not ours (the job queue keeps its own)."""
    return not (kind == "table" and name is not None and (name.startswith("huey") or name == "alembic_version"))


def _run(database: Database, verb: str, revision: str) -> None:
    schema = database.settings.database_schema
    with as_file(files("pilot.dbmigrations")) as folder, database.engine.connect() as connection:
        if schema and connection.dialect.name == "postgresql":
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            connection.commit()
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        getattr(command, verb)(config, revision)
        connection.commit()
