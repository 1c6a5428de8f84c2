"""What an import leaves behind: the mapping it used, the run, its findings, and the rows parked in quarantine."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, Instant, code, digest, document, instant, name, pk
from pilot.words import Message


class ImportKind(StrEnum):
    REGIONS = "regions"
    STORES = "stores"
    CUSTOMERS = "customers"
    RECEIPTS = "receipts"
    SURVEYS = "surveys"


class RunState(StrEnum):
    """``unchanged``: published, and every row was there already."""

    STAGED = "staged"
    PUBLISHED = "published"
    REFUSED = "refused"
    UNCHANGED = "unchanged"
    DISCARDED = "discarded"


class ColumnMapping(Base):
    """A saved mapping: our field → their column, with the file's dialect. Guessed, then corrected by a person."""

    __tablename__ = "column_mapping"

    id: Mapped[pk]
    code: Mapped[code]
    kind: Mapped[ImportKind] = mapped_column(String(20))
    definition: Mapped[document]
    updated_at: Mapped[instant]


class ImportRun(Base):
    """One file's way in. ``batch_id`` is what the lake's commit carries; counts are rows.

    Staged: ``n_new`` will go in, ``n_known`` are there already. Published: what really happened.
    """

    __tablename__ = "import_run"

    id: Mapped[pk]
    batch_id: Mapped[code]
    kind: Mapped[ImportKind] = mapped_column(String(20))
    state: Mapped[RunState] = mapped_column(String(20))
    filename: Mapped[name]
    file_hash: Mapped[digest]
    mapping: Mapped[document]
    n_rows: Mapped[int] = mapped_column(BigInteger)
    n_new: Mapped[int] = mapped_column(BigInteger)
    n_known: Mapped[int] = mapped_column(BigInteger)
    n_bad: Mapped[int] = mapped_column(BigInteger)
    n_quarantined: Mapped[int] = mapped_column(BigInteger)
    lake_version: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[name]
    staged_at: Mapped[instant]
    published_at: Mapped[datetime | None] = mapped_column(Instant)

    @property
    def is_published(self) -> bool:
        return self.state in (RunState.PUBLISHED, RunState.UNCHANGED)


class ImportFinding(Base):
    """A bad row by line, column, value (at most 80 characters, expires) and reason (a stored message)."""

    __tablename__ = "import_finding"

    id: Mapped[pk]
    run_id: Mapped[int] = mapped_column(ForeignKey("import_run.id"), index=True)
    line: Mapped[int] = mapped_column(BigInteger)
    column: Mapped[str] = mapped_column(String(200))
    value: Mapped[str] = mapped_column(String(80))
    reason: Mapped[document]


class QuarantineState(StrEnum):
    WAITING = "waiting"
    RELEASED = "released"
    DROPPED = "dropped"


class QuarantinedRow(Base):
    """A row that could not go in, parked with its reason until a person releases or drops it.

    It comes from a file (``run_id``; ``line`` in the file) or over HTTP (no run; ``key_code`` sent it, ``line`` is its
    index in the batch). ``row`` holds its texts by our field names (personal ones left out), ``field`` the one to
    correct; ``released_run_id`` the import that took the corrected row.
    """

    __tablename__ = "quarantined_row"
    __table_args__ = (Index("ix_quarantined_row_state_reason_code_store", "state", "reason_code", "store"),)

    id: Mapped[pk]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("import_run.id"), index=True)
    batch_id: Mapped[str] = mapped_column(String(120), index=True)
    key_code: Mapped[str | None] = mapped_column(String(120))
    kind: Mapped[ImportKind] = mapped_column(String(20))
    line: Mapped[int] = mapped_column(BigInteger)
    field: Mapped[str] = mapped_column(String(200))
    row: Mapped[document]
    reason: Mapped[document]
    reason_code: Mapped[str] = mapped_column(String(60))
    store: Mapped[str] = mapped_column(String(120))
    received_at: Mapped[instant]
    state: Mapped[QuarantineState] = mapped_column(String(20))
    released_run_id: Mapped[int | None] = mapped_column(ForeignKey("import_run.id"))
    decided_by: Mapped[str | None] = mapped_column(Text)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)

    @classmethod
    def parked(
        cls,
        kind: ImportKind,
        batch_id: str,
        line: int,
        field: str,
        row: dict[str, str],
        reason: Message,
        received_at: datetime,
        *,
        run_id: int | None = None,
        key_code: str | None = None,
    ) -> Self:
        """A row that waits from now on."""
        return cls(
            run_id=run_id,
            batch_id=batch_id,
            key_code=key_code,
            kind=kind,
            line=line,
            field=field[:200],
            row=row,
            reason=reason.to_dict(),
            reason_code=reason.code[:60],
            store=row.get("store", "")[:120],
            received_at=received_at,
            state=QuarantineState.WAITING,
        )
