"""Settings: from the environment (``PILOT_…``), then from ``settings.json`` in the home; the clock is here too."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pilot.errors import Misconfigured
from pilot.words import N_

SETTINGS_FILE = "settings.json"
_MAIL = ("console:", "smtp://", "smtps://")
_DATABASES = ("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite:///")


class SettingsUnreadable(Misconfigured):
    """Neither a guess nor a default: an installation that reads its settings wrongly writes in the wrong place."""

    code = "settings_unreadable"
    template = N_("The settings cannot be read ({where}): {problem}. Correct them and start again.")


class Settings(BaseSettings):
    """Where things live and how this installation behaves. Paths follow ``home`` unless they are named."""

    model_config = SettingsConfigDict(env_prefix="PILOT_", frozen=True, extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".local" / "share" / "pilot")
    database_url: str | None = None
    database_schema: str | None = None
    keys_path: Path | None = Field(default=None, validation_alias="PILOT_KEYS_DIR")
    fixed_now: datetime | None = None
    demo: bool = False
    language: str = "en"
    upload_limit_mb: int = 256
    findings_keep_days: int = 90
    session_hours: int = 12
    link_hours: int = 48
    public_url: str = "http://127.0.0.1:8000"
    mail_url: str = "console:"
    mail_from: str = "Pilot <pilot@localhost>"
    webhook_allow_private: bool = False
    json_logs: bool = True
    lake_url: str | None = None
    engine: str = "duckdb"
    engine_memory_mb: int = Field(default=1024, ge=128)
    inbox_limit: int = Field(default=1_000_000, ge=1)
    inbox_alarm_minutes: int = Field(default=15, ge=1)
    drain_seconds: float = Field(default=5.0, gt=0)

    @field_validator("database_url")
    @classmethod
    def _is_a_database_we_know(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(_DATABASES):
            raise ValueError("begins with postgresql:// (or leave it out for SQLite)")
        return url

    @field_validator("mail_url")
    @classmethod
    def _is_a_way_to_send_mail(cls, url: str) -> str:
        if not url.startswith(_MAIL):
            raise ValueError("begins with smtp:// or smtps:// (or is console: for mail on standard error)")
        return url

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the business database."""
        if self.database_url is None:
            return f"sqlite:///{self.home / 'pilot.db'}"
        for prefix in ("postgresql://", "postgres://"):
            if self.database_url.startswith(prefix):
                return "postgresql+psycopg://" + self.database_url.removeprefix(prefix)
        return self.database_url

    @field_validator("lake_url")
    @classmethod
    def _is_an_object_store(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith("s3://"):
            raise ValueError("begins with s3:// (or leave it out for a folder in the home)")
        return url

    @field_validator("engine")
    @classmethod
    def _is_an_engine_we_know(cls, engine: str) -> str:
        if engine != "duckdb" and not engine.startswith(("spark://", "local[")):
            raise ValueError("duckdb, or the address of a Spark master such as spark://host:7077")
        return engine

    @property
    def keys_dir(self) -> Path:
        return self.keys_path or self.home / "keys"

    @property
    def lake_dir(self) -> Path:
        return self.home / "lake"

    @property
    def inbox_url(self) -> str:
        """The SQLAlchemy URL of the inbox: a file of its own beside SQLite, the same server on PostgreSQL."""
        return f"sqlite:///{self.home / 'inbox.db'}" if self.url.startswith("sqlite") else self.url

    @property
    def lake_root(self) -> str:
        """Where the lake is: a folder in the home, or what ``PILOT_LAKE_URL`` names (``s3://bucket/prefix``)."""
        return self.lake_url or str(self.lake_dir)

    @property
    def spill_dir(self) -> Path:
        """Where the engine puts what does not fit into its memory."""
        return self.home / "spill"

    @property
    def staging_dir(self) -> Path:
        return self.home / "staging"

    @property
    def locks_dir(self) -> Path:
        return self.home / "locks"

    @property
    def queue_file(self) -> Path:
        return self.home / "queue.db"

    def now(self) -> datetime:
        """The instant in UTC; a demonstration's clock stands still at ``fixed_now``."""
        return self.fixed_now or datetime.now(UTC)

    def wall_clock(self) -> datetime:
        """The real instant, also in a demonstration: heartbeats, throttles, sessions and job times need it."""
        return datetime.now(UTC)


def load_settings(home: Path | None = None) -> Settings:
    """Read the environment, then the home's ``settings.json``; the environment wins. ``SettingsUnreadable``."""
    found = home or (Path(os.environ["PILOT_HOME"]) if "PILOT_HOME" in os.environ else None)
    base = _settings("PILOT_…", {"home": found} if found else {})
    file = base.home / SETTINGS_FILE
    stored = _stored(file) if file.is_file() else {}
    wanted = {k: v for k, v in stored.items() if f"PILOT_{k.upper()}" not in os.environ}
    return _settings(str(file), {**wanted, "home": base.home.absolute()})


def _stored(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsUnreadable(where=str(file), problem=str(error)) from None
    if not isinstance(found, dict):
        raise SettingsUnreadable(where=str(file), problem=type(found).__name__)
    return found


def _settings(where: str, values: dict[str, Any]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(map(str, first["loc"]))
        raise SettingsUnreadable(where=where, problem=f"{name}: {first['msg']}") from None


def save_settings(home: Path, values: dict[str, Any]) -> None:
    """Write ``settings.json`` in ``home``; values are the JSON forms of ``Settings`` fields."""
    home.mkdir(parents=True, exist_ok=True)
    (home / SETTINGS_FILE).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", "utf-8")
