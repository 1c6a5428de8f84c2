"""What the wizard keeps between its steps: an amendment that is being written, and designs that took long to find."""

from enum import StrEnum

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, digest, document, instant, pk


class AmendmentDraft(Base):
    """The change of a sealed plan as its author left it; gone when it is submitted or given up."""

    __tablename__ = "amendment_draft"

    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"), primary_key=True, autoincrement=False)
    plan: Mapped[document]
    edited_by_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    edited_at: Mapped[instant]


class StudyKind(StrEnum):
    """What was studied of a draft's stage: the designs it could have, or its replay on the past."""

    SEARCH = "search"
    REPLAY = "replay"


class DesignStudy(Base):
    """The last answer of each kind for a stage, with the hash of the draft that was asked about."""

    __tablename__ = "design_study"
    __table_args__ = (UniqueConstraint("pilot_id", "stage_number", "kind"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    stage_number: Mapped[int]
    kind: Mapped[StudyKind] = mapped_column(String(20))
    plan_hash: Mapped[digest]
    answer: Mapped[document]
    made_at: Mapped[instant]
