"""What people see of programs."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload

from pilot.errors import NotFound
from pilot.programs.model import Offer, Program, Variant
from pilot.words import N_


def program(session: Session, code: str) -> Program:
    """The program with its variants and offers; ``NotFound`` where there is none."""
    found = session.scalar(_loaded().where(Program.code == code))
    if found is None:
        raise NotFound(kind=N_("program"), name=code)
    return found


def programs(session: Session) -> list[Program]:
    """All programs with their variants and offers, by code."""
    return list(session.scalars(_loaded().order_by(Program.code)))


def offer(session: Session, code: str) -> Offer:
    """One offer by its code; ``NotFound`` where there is none."""
    found = session.scalar(select(Offer).where(Offer.code == code))
    if found is None:
        raise NotFound(kind=N_("offer"), name=code)
    return found


def _loaded() -> Select[Program]:
    return select(Program).options(selectinload(Program.variants).selectinload(Variant.offers))
