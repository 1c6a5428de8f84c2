"""Audit, ledger and evidence are append-only: at the head of the migrations every guard is there, and works."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from pilot.database import Base, Database

APPEND_ONLY = (
    "acceptance",
    "answer",
    "approval",
    "audit_entry",
    "decision",
    "draw",
    "frozen_report",
    "home_entry",
    "ledger_entry",
    "plan_version",
    "policy_version",
    "sealed_seed",
    "stage_restriction",
)
ENTRY = (
    "INSERT INTO audit_entry (seq, at, actor, verb, subject_kind, subject, text, previous_hash, hash) "
    "VALUES (1, '2026-01-01 00:00:00', 'a', 'v', 'k', 's', '{}', 'p', 'h')"
)


def one_entry(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(ENTRY))


def test_the_guards_at_the_head_on_sqlite(sqlite_database: Database) -> None:
    with sqlite_database.engine.connect() as connection:
        found = connection.execute(
            text("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
        ).scalars()
        wanted = sorted(f"{table}_no_{act}" for table in APPEND_ONLY for act in ("delete", "replace", "update"))
        assert list(found) == wanted


def test_the_guards_at_the_head_on_postgresql(postgres_database: Database) -> None:
    statement = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O' ORDER BY tgname"
    with postgres_database.engine.connect() as connection:
        found = list(connection.execute(text(statement)).scalars())
    assert found == sorted(f"{table}_{guard}" for table in APPEND_ONLY for guard in ("append_only", "no_truncate"))


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry"])
def test_change_and_deletion_are_refused(database: Database, statement: str) -> None:
    one_entry(database)
    with pytest.raises(DatabaseError, match="append-only"), database.engine.begin() as connection:
        connection.execute(text(statement))


def test_truncation_is_refused(postgres_database: Database) -> None:
    one_entry(postgres_database)
    with pytest.raises(DatabaseError, match="append-only"), postgres_database.engine.begin() as connection:
        connection.execute(text("TRUNCATE audit_entry CASCADE"))


def test_insert_or_replace_is_refused_through_every_unique_key(sqlite_database: Database) -> None:
    one_entry(sqlite_database)
    with pytest.raises(DatabaseError, match="append-only"), sqlite_database.engine.begin() as connection:
        connection.execute(text(ENTRY.replace("INSERT", "INSERT OR REPLACE")))


def test_the_guard_against_replacement_knows_every_unique_key(sqlite_database: Database) -> None:
    """SQLite deletes through any unique key; each must stand in the trigger's condition."""
    with sqlite_database.engine.connect() as connection:
        for name in APPEND_ONLY:
            sql = connection.execute(
                text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": f"{name}_no_replace"}
            ).scalar_one()
            table = Base.metadata.tables[name]
            keys = [tuple(column.name for column in table.primary_key.columns)]
            keys += [
                tuple(c.name for c in k.columns) for k in table.constraints if type(k).__name__ == "UniqueConstraint"
            ]
            for key in keys:
                assert " AND ".join(f"{column} = NEW.{column}" for column in key) in sql, (name, key)
