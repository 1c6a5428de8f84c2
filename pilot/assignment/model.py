"""The ledger: a draw's record, the unit rows that follow from it, and the frozen list of home stores. Append-only."""

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from pilot.database import Base, digest, instant, name, pk


class SealedSeed(Base):
    """The binding seed of one stage, made by the system at the moment of sealing, once per plan hash."""

    __tablename__ = "sealed_seed"
    __table_args__ = (UniqueConstraint("pilot_id", "stage_number", "plan_hash"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    stage_number: Mapped[int]
    plan_hash: Mapped[digest]
    seed: Mapped[str] = mapped_column(String(64))
    sealed_at: Mapped[instant]


class Draw(Base):
    """One draw. ``record`` is its canonical JSON: mechanism, candidates, covariates, seed (``record.py``)."""

    __tablename__ = "draw"
    __table_args__ = (UniqueConstraint("pilot_id", "stage_number", "plan_hash"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    stage_number: Mapped[int]
    plan_hash: Mapped[digest]
    record: Mapped[str] = mapped_column(Text, deferred=True)  # long, and a look-up at a till rarely needs it
    ledger_hash: Mapped[digest]
    lake_version: Mapped[int] = mapped_column(BigInteger)
    drawn_by: Mapped[name]
    drawn_at: Mapped[instant]
    entries: Mapped[list["LedgerEntry"]] = relationship(order_by="LedgerEntry.unit_code")


class LedgerEntry(Base):
    """A unit's variant. Under ``bernoulli_hash`` units have no rows: the record alone answers."""

    __tablename__ = "ledger_entry"
    __table_args__ = (UniqueConstraint("draw_id", "unit_code"),)

    id: Mapped[pk]
    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"))
    unit_code: Mapped[str] = mapped_column(String(120))
    variant: Mapped[str] = mapped_column(String(120))
    block: Mapped[str | None] = mapped_column(String(300))


class HomeEntry(Base):
    """A listed customer's home store, frozen before the stage from receipts of the draw's lake version."""

    __tablename__ = "home_entry"

    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"), primary_key=True)
    customer_key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    store_id: Mapped[int]
