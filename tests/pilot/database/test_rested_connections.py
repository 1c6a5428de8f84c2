"""Connections that rested: asked before they are used again on PostgreSQL, replaced where the server is gone."""

import pytest
from sqlalchemy import text

from pilot import database as databases
from pilot.database import Database


def backend(database: Database) -> int:
    with database.engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def end(database: Database, process: int) -> None:
    """As a restart of the server would."""
    other = Database(database.settings)
    try:
        with other.engine.connect() as connection:
            assert connection.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process}).scalar()
    finally:
        other.dispose()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_connection_whose_server_restarted_while_it_rested_is_replaced(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_REST_SECONDS", -1.0)
    before = backend(database)
    assert backend(database) == before
    end(database, before)
    assert backend(database) != before


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_connection_in_steady_use_is_not_asked(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    before, asked = backend(database), []
    monkeypatch.setattr(database.engine.dialect, "do_ping", asked.append)
    assert backend(database) == before
    assert asked == []
    monkeypatch.setattr(databases, "_REST_SECONDS", -1.0)
    assert backend(database) == before
    assert len(asked) == 1
