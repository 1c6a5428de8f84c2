"""A frozen report: inserted once, complete, never touched again (triggers see to it)."""

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, code, digest, instant, name, pk, text


class FrozenReport(Base):
    """One look: what was known, by which plan, ledger, lake version and code; ``document`` is its JSON text."""

    __tablename__ = "frozen_report"
    __table_args__ = (UniqueConstraint("pilot_id", "stage_number", "look"),)

    id: Mapped[pk]
    code: Mapped[code]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    stage_number: Mapped[int]
    look: Mapped[int]
    recommendation: Mapped[str] = mapped_column(String(20))
    plan_hash: Mapped[digest]
    ledger_hash: Mapped[digest]
    lake_version: Mapped[int] = mapped_column(BigInteger)
    code_version: Mapped[name]
    audit_head: Mapped[name]
    document: Mapped[text]
    hash: Mapped[digest]
    created_by: Mapped[name]
    created_at: Mapped[instant]
