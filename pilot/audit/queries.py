"""Reading the log: a page of entries, newest first, or the history of one thing."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.audit.model import AuditEntry


def count_entries(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(AuditEntry)) or 0


def entries(session: Session, *, limit: int = 50, offset: int = 0, actor: str | None = None) -> Sequence[AuditEntry]:
    """Entries newest first; ``actor`` keeps one person's."""
    wanted = select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(limit).offset(offset)
    return session.scalars(wanted if actor is None else wanted.where(AuditEntry.actor == actor)).all()


def history_of(session: Session, subject_kind: str, subject: str) -> Sequence[AuditEntry]:
    """Everything that happened to one thing, oldest first."""
    wanted = select(AuditEntry).where(AuditEntry.subject_kind == subject_kind, AuditEntry.subject == subject)
    return session.scalars(wanted.order_by(AuditEntry.seq)).all()
