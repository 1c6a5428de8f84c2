"""Sign-offs on a plan and decisions on a frozen report. Append-only: an amended plan has another hash; they lapse."""

from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, digest, instant, pk


class ApprovalKind(StrEnum):
    COSIGN = "cosign"
    APPROVE = "approve"


class Choice(StrEnum):
    """What an executive chooses at a gate."""

    APPROVE = "approve"
    EXTEND = "extend"
    SEND_BACK = "send_back"
    STOP = "stop"


class Approval(Base):
    """A person's sign-off on exactly one plan text (by hash)."""

    __tablename__ = "approval"
    __table_args__ = (UniqueConstraint("pilot_id", "plan_hash", "kind", "user_id"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    plan_hash: Mapped[digest]
    kind: Mapped[ApprovalKind] = mapped_column(String(20))
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[instant]


class Decision(Base):
    """One executive's choice on one frozen report. It takes effect when as many agree as the rule demands.

    ``round`` counts how often the report came before the executives: it comes again when it was sent back and answered.
    Within a round an executive's latest choice counts.
    """

    __tablename__ = "decision"

    id: Mapped[pk]
    report_id: Mapped[int] = mapped_column(ForeignKey("frozen_report.id"), index=True)
    round: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    choice: Mapped[Choice] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    is_override: Mapped[bool]
    takes_effect: Mapped[bool]
    at: Mapped[instant]


class Answer(Base):
    """What the author answered when a report was sent back; it opens the next round of decisions."""

    __tablename__ = "answer"
    __table_args__ = (UniqueConstraint("report_id", "round"),)

    id: Mapped[pk]
    report_id: Mapped[int] = mapped_column(ForeignKey("frozen_report.id"))
    round: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[instant]
