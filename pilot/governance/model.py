"""Sign-offs on a plan and decisions on a frozen report. Append-only: an amended plan has another hash; they lapse."""

from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, digest, instant, pk, text


class ApprovalKind(StrEnum):
    COSIGN = "cosign"
    APPROVE = "approve"


class Choice(StrEnum):
    """What an executive chooses at a gate."""

    APPROVE = "approve"
    APPROVE_SOME = "approve_some"
    EXTEND = "extend"
    SEND_BACK = "send_back"
    STOP = "stop"


class Approval(Base):
    """A person's sign-off on exactly one plan text (by hash). ``renewal`` counts how often they have signed it again.

    ``for_user_id`` is the person in whose place a deputy signed.
    """

    __tablename__ = "approval"
    __table_args__ = (UniqueConstraint("pilot_id", "plan_hash", "kind", "user_id", "renewal"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    plan_hash: Mapped[digest]
    kind: Mapped[ApprovalKind] = mapped_column(String(20))
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[instant]
    for_user_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id"))
    renewal: Mapped[int] = mapped_column(default=0)


class Decision(Base):
    """One executive's choice on one frozen report. It takes effect when as many agree as the rule demands.

    ``round`` counts how often the report came before the executives: it comes again when it was sent back and answered.
    Within a round an executive's latest choice counts. ``regions`` are those for which the next stage is approved;
    empty: for all. ``for_user_id`` is the person in whose place a deputy chose.
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
    for_user_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id"))
    regions: Mapped[list[str] | None] = mapped_column(JSON)

    @property
    def seat(self) -> int:
        """Whose word it is: the person's own, or that of the one whom they stand in for."""
        return self.for_user_id or self.user_id

    @property
    def said(self) -> tuple[str, ...]:
        """What was chosen, with the regions: only those who chose the very same agree."""
        return (str(self.choice), *(self.regions or ()))


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


class PolicyVersion(Base):
    """Who must approve what, as canonical text (``policy.Policy``), with the reason of the change. Append-only."""

    __tablename__ = "policy_version"
    __table_args__ = (UniqueConstraint("number"),)

    id: Mapped[pk]
    number: Mapped[int]
    text: Mapped[text]
    hash: Mapped[digest]
    reason: Mapped[str] = mapped_column(Text)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[instant]
