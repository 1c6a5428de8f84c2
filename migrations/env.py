"""Run migrations on the connection that ``pilot.upkeep.migrating`` hands over, for the target it names."""

from alembic import context
from sqlalchemy import text
from sqlalchemy.engine import Connection

from pilot.upkeep.migrating import METADATA, VERSION_TABLES, Target, included

connection: Connection = context.config.attributes["connection"]
target: Target = context.config.attributes["target"]
if connection.dialect.name == "postgresql":
    # A migration that cannot get its lock soon must fail rather than queue up behind readers.
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(7162005)"))
context.configure(
    connection=connection,
    target_metadata=METADATA[target],
    version_table=VERSION_TABLES[target],
    include_object=included(target),
    compare_type=True,
    render_as_batch=False,
)
with context.begin_transaction():
    context.run_migrations()
