"""A program, its variants, and one offer per segment (or one for all) inside each variant."""

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from pilot.database import Base, code, document, instant, name, pk, text

CONTROL = "control"


class Program(Base):
    __tablename__ = "program"

    id: Mapped[pk]
    code: Mapped[code]
    name: Mapped[name]
    description: Mapped[text]
    owner_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[instant]
    variants: Mapped[list["Variant"]] = relationship(back_populates="program", order_by="Variant.position")

    def variant(self, code: str) -> "Variant":
        """The variant named ``code``; ``KeyError`` where there is none."""
        return {v.code: v for v in self.variants}[code]


class Variant(Base):
    """What a unit receives. Every program has exactly one with the code ``control``, without offers."""

    __tablename__ = "variant"
    __table_args__ = (UniqueConstraint("program_id", "code"),)

    id: Mapped[pk]
    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"))
    code: Mapped[str] = mapped_column(String(120))
    name: Mapped[name]
    position: Mapped[int]
    program: Mapped[Program] = relationship(back_populates="variants")
    offers: Mapped[list["Offer"]] = relationship(back_populates="variant", order_by="Offer.id")

    @property
    def is_control(self) -> bool:
        return self.code == CONTROL


class Offer(Base):
    """A mechanic with typed terms and enrolment conditions (``mechanics.py``) for one segment, or for all (None)."""

    __tablename__ = "offer"
    __table_args__ = (UniqueConstraint("variant_id", "segment_code"),)

    id: Mapped[pk]
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    code: Mapped[code]
    name: Mapped[name]
    segment_code: Mapped[str | None] = mapped_column(String(120))
    mechanic: Mapped[str] = mapped_column(String(40))
    terms: Mapped[document]
    enrolment: Mapped[document]
    variant: Mapped[Variant] = relationship(back_populates="offers")
