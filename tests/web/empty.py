"""An installation with one administrator and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from flask.testing import FlaskClient

from pilot.access.service import first_administrator, redeem_link
from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.web.house import PASSWORD
from web.app import create_app


@contextmanager
def empty_client(home: Path) -> Iterator[FlaskClient]:
    """The administrator of a fresh installation, signed in."""
    settings = Settings(home=home, fixed_now=datetime(2026, 3, 2, 9, tzinfo=UTC), json_logs=False)
    database = Database(settings)
    migrating.upgrade(database)
    with database.unit_of_work() as session:
        token = first_administrator(session, email="admin@example.org", name="An admin", now=settings.now())
        user = redeem_link(session, token, PASSWORD, now=settings.now())
    app = create_app(settings)
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = f"{user.id}:{user.session_version}"
    yield client
    app.extensions["pilot_database"].dispose()
    database.dispose()
