"""Where the demonstration lives: a fresh home beside the old one, swapped in when complete; on PostgreSQL a schema."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import create_engine, text

from pilot.errors import Refused
from pilot.settings import SETTINGS_FILE, Settings, save_settings
from pilot.words import N_

SCHEMA = "pilot_demo"


class HomeInUse(Refused):
    """The demonstration would replace something that is not a demonstration."""

    code = "demo_home_in_use"
    template = N_("{home} holds something that is not a demonstration. Give another folder: PILOT_HOME=… or --home …")


class DatabaseInUse(Refused):
    """The demonstration drops and makes its schema, so it wants a database of its own."""

    code = "demo_database_in_use"
    template = N_(
        "The database holds other tables ({found}). The demonstration wants a database of its own: create an empty one "
        "and name it in PILOT_DATABASE_URL."
    )


@contextmanager
def fresh_home(settings: Settings, *, clock: datetime) -> Iterator[Settings]:
    """The settings of a new, empty home beside ``settings.home``; it takes that place when the block ends well.

    ``clock`` is where the demonstration's clock stands from then on. Raises ``HomeInUse`` and ``DatabaseInUse``.
    """
    _require_demo_or_nothing(settings.home)
    beside = settings.home.with_name(settings.home.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    is_postgres = not settings.url.startswith("sqlite")
    schema = SCHEMA if is_postgres else None
    if is_postgres:
        _drop_schema(settings)
    kept = {"demo": True, "fixed_now": clock.isoformat(), "database_schema": schema}
    save_settings(beside, {name: value for name, value in kept.items() if value is not None})
    yield settings.model_copy(update={"home": beside, "demo": True, "fixed_now": clock, "database_schema": schema})
    _swap(beside, settings.home)


def _require_demo_or_nothing(home: Path) -> None:
    if not home.exists() or not any(home.iterdir()):
        return
    file = home / SETTINGS_FILE
    if not file.is_file() or json.loads(file.read_text("utf-8")).get("demo") is not True:
        raise HomeInUse(home=str(home))


def _swap(beside: Path, home: Path) -> None:
    old = home.with_name(home.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if home.exists():
        home.rename(old)
    beside.rename(home)
    shutil.rmtree(old, ignore_errors=True)


def _drop_schema(settings: Settings) -> None:
    """Drop the demonstration's schema, if the database holds nothing else."""
    engine = create_engine(settings.url)
    try:
        with engine.begin() as connection:
            others = connection.scalars(_OTHER_TABLES, {"ours": SCHEMA}).all()
            if others:
                raise DatabaseInUse(found=", ".join(others[:3]) + ("…" if len(others) > 3 else ""))
            connection.execute(text(f'DROP SCHEMA IF EXISTS "{SCHEMA}" CASCADE'))
    finally:
        engine.dispose()


_OTHER_TABLES = text(
    "SELECT table_schema || '.' || table_name FROM information_schema.tables "
    "WHERE table_schema NOT IN ('pg_catalog', 'information_schema', :ours) ORDER BY 1"
)
