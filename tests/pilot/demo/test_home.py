"""A demonstration takes the place of an older one and of nothing else."""

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from pilot.demo.build import CLOCK
from pilot.demo.home import DatabaseInUse, HomeInUse, fresh_home
from pilot.settings import Settings, load_settings, save_settings
from tests.conftest import PostgresServer


def test_a_fresh_home_takes_the_place_of_an_older_demonstration(tmp_path: Path) -> None:
    home = tmp_path / "home"
    save_settings(home, {"demo": True})
    (home / "of the old one").touch()
    with fresh_home(Settings(home=home, database_url=None), clock=CLOCK) as fresh:
        (fresh.home / "of the new one").touch()
        assert (home / "of the old one").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert sorted(path.name for path in home.iterdir()) == ["of the new one", "settings.json"]
    assert load_settings(home).now() == CLOCK


def test_a_home_that_is_no_demonstration_is_refused_and_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "pilot.db"
    precious.write_text("precious")
    with pytest.raises(HomeInUse), fresh_home(Settings(home=tmp_path), clock=CLOCK):
        pass
    assert precious.read_text() == "precious"


def test_a_failed_build_leaves_the_old_home_where_it_was(tmp_path: Path) -> None:
    home = tmp_path / "home"
    save_settings(home, {"demo": True, "language": "fi"})
    with pytest.raises(RuntimeError), fresh_home(Settings(home=home, database_url=None), clock=CLOCK):
        raise RuntimeError
    assert json.loads((home / "settings.json").read_text())["language"] == "fi"


def test_a_database_that_holds_anything_else_is_refused(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database(migrated=False)
    settings = Settings(home=tmp_path / "home", database_url=url)
    engine = create_engine(settings.url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customers (id integer)"))
    engine.dispose()
    with pytest.raises(DatabaseInUse, match=r"public\.customers"), fresh_home(settings, clock=CLOCK):
        pass
    postgres.drop(url)
