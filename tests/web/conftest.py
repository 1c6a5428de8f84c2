"""What the page tests share: one small house built once, a copy of it for each test, and clients who are signed in."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pilot.access.api_keys import create_api_key
from pilot.access.permissions import Scope
from pilot.settings import Settings
from tests.web.house import PASSWORD, House, build_house
from web.app import create_app


@pytest.fixture(scope="session")
def built_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The house as it was built; nobody changes it."""
    house = build_house(tmp_path_factory.mktemp("house") / "home")
    with house.network.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    house.network.database.dispose()
    return house


@pytest.fixture
def house_settings(built_house: House, tmp_path: Path) -> Settings:
    """The settings of this test's own copy of the house."""
    home = tmp_path / "home"
    shutil.copytree(built_house.settings.home, home)
    return built_house.settings.model_copy(update={"home": home})


@pytest.fixture
def app(house_settings: Settings) -> Iterator[Flask]:
    """The application over the copy."""
    app = create_app(house_settings)
    yield app
    app.extensions["pilot_database"].dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Somebody who is not signed in."""
    return app.test_client()


@pytest.fixture
def as_person(app: Flask) -> Callable[[str], FlaskClient]:
    """``as_person("manager")``: a client who went through the sign-in page."""

    def sign_in(name: str) -> FlaskClient:
        client = app.test_client()
        answer = post(client, "/sign-in", {"email": f"{name}@example.org", "password": PASSWORD})
        assert answer.status_code == 302, answer.get_data(as_text=True)
        return client

    return sign_in


def post(client: FlaskClient, address: str, form: dict[str, object] | None = None, page: str | None = None):  # type: ignore[no-untyped-def] # werkzeug's response
    """Send a form the way a browser does: with the token of the page it came from."""
    text = client.get(page or address).get_data(as_text=True)
    if 'name="csrf-token"' not in text:
        text = client.get("/account/").get_data(as_text=True)
    token = text.split('name="csrf-token" content="', 1)[1].split('"', 1)[0]
    return client.post(address, data={"csrf_token": token, **(form or {})})


@pytest.fixture
def secret(app: Flask) -> str:
    """A key that may do everything that keys may do."""
    settings = app.config["PILOT_SETTINGS"]
    with app.extensions["pilot_database"].unit_of_work() as session:
        _key, secret = create_api_key(
            session, name="Everything", scopes=list(Scope), store_codes=[], expires_at=None, actor="system",
            now=settings.wall_clock(),
        )  # fmt: skip
    return secret
