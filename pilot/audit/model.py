"""An entry of the log and the sealed head. Entries are inserted once and never touched (triggers see to it)."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, digest, instant, name, text


class AuditEntry(Base):
    """One change of state. ``hash`` covers ``previous_hash`` and the canonical ``text`` of all the other fields."""

    __tablename__ = "audit_entry"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[instant]
    actor: Mapped[name]
    verb: Mapped[name]
    subject_kind: Mapped[name]
    subject: Mapped[str] = mapped_column(String(300), index=True)
    text: Mapped[text]
    previous_hash: Mapped[digest]
    hash: Mapped[digest]


class AuditHead(Base):
    """How many entries there are and the last hash, sealed by HMAC with the key in the keys directory. One row."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]
    hash: Mapped[digest]
    seal: Mapped[digest]
