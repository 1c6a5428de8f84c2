"""A long piece of work as people see it: how far it is, and what came of it. And the worker's heartbeat."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, Instant, code, document, instant, pk


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class JobKind(StrEnum):
    STAGE_IMPORT = "import.stage"
    PUBLISH_IMPORT = "import.publish"
    TAKE_LOOK = "look.take"
    COMPARE_KNOWN = "known.compare"
    SEARCH_DESIGNS = "design.search"
    REPLAY_DESIGN = "design.replay"
    EXPLORE = "report.explore"


class JobRun(Base):
    """``done`` of ``total`` steps; ``message`` is a stored message; ``result`` what the page needs to go on."""

    __tablename__ = "job_run"

    id: Mapped[pk]
    code: Mapped[code]
    kind: Mapped[JobKind] = mapped_column(String(40))
    state: Mapped[JobState] = mapped_column(String(20))
    done: Mapped[int]
    total: Mapped[int]
    message: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    arguments: Mapped[document]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[instant]
    finished_at: Mapped[datetime | None] = mapped_column(Instant)

    @property
    def owner_id(self) -> int | None:
        """Whose job it is (permissions ask for it)."""
        return self.created_by_id


class WorkerHeartbeat(Base):
    """When a worker was last alive; ``/readyz`` reads it."""

    __tablename__ = "worker_heartbeat"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    beat_at: Mapped[instant]
