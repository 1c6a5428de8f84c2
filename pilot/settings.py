"""Settings: from the environment (``PILOT_…``), then from ``settings.json`` in the home; the clock is here too."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

SETTINGS_FILE = "settings.json"


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
    json_logs: bool = True

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the business database."""
        if self.database_url is None:
            return f"sqlite:///{self.home / 'pilot.db'}"
        for prefix in ("postgresql://", "postgres://"):
            if self.database_url.startswith(prefix):
                return "postgresql+psycopg://" + self.database_url.removeprefix(prefix)
        return self.database_url

    @property
    def keys_dir(self) -> Path:
        return self.keys_path or self.home / "keys"

    @property
    def lake_dir(self) -> Path:
        return self.home / "lake"

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
    """Read the environment, then the home's ``settings.json``; the environment wins."""
    found = home or (Path(os.environ["PILOT_HOME"]) if "PILOT_HOME" in os.environ else None)
    base = Settings(home=found) if found else Settings()
    file = base.home / SETTINGS_FILE
    stored: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    wanted = {k: v for k, v in stored.items() if f"PILOT_{k.upper()}" not in os.environ}
    return Settings(**{**wanted, "home": base.home.absolute()})


def save_settings(home: Path, values: dict[str, Any]) -> None:
    """Write ``settings.json`` in ``home``; values are the JSON forms of ``Settings`` fields."""
    home.mkdir(parents=True, exist_ok=True)
    (home / SETTINGS_FILE).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", "utf-8")
