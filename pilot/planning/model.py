"""A pilot with its plan, its stages, and every version of the plan that was ever submitted."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from pilot.database import Base, Instant, code, digest, document, instant, name, pk, text


class PilotState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    COSIGNED = "cosigned"
    SEALED = "sealed"
    DRAWN = "drawn"
    RUNNING = "running"
    AT_GATE = "at_gate"
    ROLLED_OUT = "rolled_out"
    STOPPED = "stopped"


class StageState(StrEnum):
    PLANNED = "planned"
    DRAWN = "drawn"
    RUNNING = "running"
    AT_GATE = "at_gate"
    EXTENDED = "extended"
    PASSED = "passed"
    STOPPED = "stopped"


class Pilot(Base):
    """The governed rollout. ``plan`` is the document being edited; the sealed text is in ``plan_hash``'s version."""

    __tablename__ = "pilot"

    id: Mapped[pk]
    code: Mapped[code]
    name: Mapped[name]
    owner_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"))
    state: Mapped[PilotState] = mapped_column(String(20))
    plan: Mapped[document]
    plan_hash: Mapped[str | None] = mapped_column(String(64))
    sealed_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[instant]
    stages: Mapped[list["Stage"]] = relationship(back_populates="pilot", order_by="Stage.number")


class PlanVersion(Base):
    """A submitted plan as canonical text, with its hash; an amendment carries its reason. Append-only."""

    __tablename__ = "plan_version"
    __table_args__ = (UniqueConstraint("pilot_id", "number"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    number: Mapped[int]
    text: Mapped[text]
    hash: Mapped[digest]
    reason: Mapped[str] = mapped_column(Text)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[instant]


class Stage(Base):
    """A step of the pilot at run time; what it is to do stands in the plan under the same number."""

    __tablename__ = "stage"
    __table_args__ = (UniqueConstraint("pilot_id", "number"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    number: Mapped[int]
    name: Mapped[name]
    state: Mapped[StageState] = mapped_column(String(20))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    looks_taken: Mapped[int]
    pilot: Mapped[Pilot] = relationship(back_populates="stages")
