"""The two doors of the database and the migrations that make it."""

from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from pilot.access.model import Role, User
from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.builders import a_user
from tests.conftest import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, settings: Settings) -> Database:
    if request.param == "sqlite":
        return Database(settings)
    server: PostgresServer = request.getfixturevalue("postgres")
    return Database(settings.model_copy(update={"database_url": server.new_database(migrated=False)}))


def test_upgrade_check_downgrade_upgrade(empty_database: Database) -> None:
    assert migrating.current(empty_database) is None
    migrating.upgrade(empty_database)
    assert migrating.current(empty_database) == migrating.head()
    assert migrating.differences(empty_database) == []
    migrating.downgrade(empty_database, "base")
    assert migrating.current(empty_database) is None
    migrating.upgrade(empty_database)
    assert migrating.differences(empty_database) == []
    empty_database.dispose()


def test_a_database_that_is_behind_is_named_with_what_to_run(settings: Settings) -> None:
    with pytest.raises(migrating.SchemaBehind, match="pilot upgrade"):
        migrating.require_head(Database(settings))


def test_a_unit_of_work_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(IntegrityError), database.unit_of_work() as session:
        session.add_all([a_user(session, Role.ANALYST), User(email="incomplete@example.org")])
    with database.reading() as session:
        assert session.scalars(select(User)).all() == []


def test_reading_never_commits(database: Database) -> None:
    with database.reading() as session:
        a_user(session, Role.ANALYST)
    with database.reading() as session:
        assert session.scalars(select(User)).all() == []


def test_instants_come_back_in_utc(database: Database) -> None:
    with database.unit_of_work() as session:
        made = a_user(session, Role.ANALYST).created_at
    with database.reading() as session:
        assert session.scalars(select(User.created_at)).all() == [made]


def test_a_schema_of_its_own_keeps_apart(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database(migrated=False)
    database = Database(Settings(home=tmp_path, database_url=url, database_schema="pilot_demo"))
    migrating.upgrade(database)
    with database.engine.connect() as connection:
        found = (
            connection.execute(text("SELECT schemaname FROM pg_tables WHERE tablename = 'audit_entry'")).scalars().all()
        )
    assert found == ["pilot_demo"]
    assert migrating.differences(database) == []
    database.dispose()
    postgres.drop(url)


def test_a_glimpse_begins_nothing_and_changes_no_later_transaction(database: Database) -> None:
    with database.unit_of_work() as session:
        a_user(session, Role.ANALYST)
    with database.glimpse() as cursor:
        for _ in range(2):
            cursor.execute("SELECT count(*) FROM app_user")
            assert cursor.fetchone()[0] == 1
        if database.engine.dialect.name == "postgresql":
            assert cursor.connection.info.transaction_status == 0  # idle
    with database.reading() as session:
        session.execute(text("DELETE FROM app_user"))  # taken back with its transaction, which has begun
    with database.reading() as session:
        assert len(session.scalars(select(User)).all()) == 1


def test_an_error_in_a_glimpse_leaves_the_connection_as_it_was(database: Database) -> None:
    with pytest.raises(database.engine.dialect.loaded_dbapi.Error), database.glimpse() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    with database.unit_of_work() as session:
        a_user(session, Role.ANALYST)
    with database.reading() as session:
        assert len(session.scalars(select(User)).all()) == 1
