"""The verbs of programs: create one, give it variants, give a variant its offers."""

import re
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit import service as audit
from pilot.network.model import Segment
from pilot.programs.enrolment import read_enrolment
from pilot.programs.errors import (
    CodeTaken,
    ControlHasNoOffer,
    InvalidCode,
    NameMissing,
    OneForAllOrOnePerSegment,
    UnknownSegment,
)
from pilot.programs.mechanics import read_terms, spec_of
from pilot.programs.model import CONTROL, Offer, Program, Variant
from pilot.words import N_, Message, translate

_CODE = re.compile(r"[a-z][a-z0-9_-]{0,35}")
# Named in the language of who makes the program, as people name the others.
_CONTROL_NAME = Message("control_name", N_("Control: nothing changes"))


def create_program(
    session: Session, *, code: str, name: str, description: str = "", actor: User, now: datetime
) -> Program:
    """A new program of ``actor``, with its variant ``control``."""
    check_code(code, name)
    if session.scalar(select(Program.id).where(Program.code == code)) is not None:
        raise CodeTaken(name=code)
    program = Program(code=code, name=name, description=description, owner_id=actor.id, created_at=now)
    program.variants.append(Variant(code=CONTROL, name=translate(_CONTROL_NAME), position=0))
    session.add(program)
    flush_new(session, code)
    _record(session, "program.create", program, {"name": name, "description": description}, actor, now)
    return program


def add_variant(session: Session, program: Program, *, code: str, name: str, actor: User, now: datetime) -> Variant:
    """One more variant, after those the program has."""
    check_code(code, name)
    _lock(session, program)
    if any(variant.code == code for variant in program.variants):
        raise CodeTaken(name=code)
    variant = Variant(code=code, name=name, position=len(program.variants))
    program.variants.append(variant)
    session.flush()
    _record(session, "program.add_variant", program, {"variant": code, "name": name}, actor, now)
    return variant


def set_offer(
    session: Session,
    variant: Variant,
    *,
    name: str,
    mechanic: str,
    terms: dict[str, Any],
    enrolment: dict[str, Any] | None = None,
    segment_code: str | None = None,
    actor: User,
    now: datetime,
) -> Offer:
    """Give ``variant`` its offer for one segment, or for all (None), in place of the one it has there.

    A sealed plan holds its offers in its own text: a change here reaches a running pilot by an amendment only.
    """
    _lock(session, variant.program, variant)
    if variant.is_control:
        raise ControlHasNoOffer()
    code = f"{variant.program.code}.{variant.code}.{segment_code or 'all'}"
    if not name.strip():
        raise NameMissing(code=code)
    _check_segment(session, segment_code)
    for other in variant.offers:
        if (other.segment_code is None) != (segment_code is None):
            raise OneForAllOrOnePerSegment(variant=variant.code, other=other.name)
    mechanic = spec_of(mechanic).mechanic.value
    typed_terms = read_terms(mechanic, terms).to_document()
    typed_enrolment = read_enrolment(enrolment or {}).to_document()
    offer = next((o for o in variant.offers if o.segment_code == segment_code), None)
    if offer is None:
        offer = Offer(code=code, segment_code=segment_code)
        variant.offers.append(offer)
    offer.name, offer.mechanic, offer.terms, offer.enrolment = name, mechanic, typed_terms, typed_enrolment
    session.flush()
    details = {"offer": code, "name": name, "mechanic": mechanic, "terms": typed_terms, "enrolment": typed_enrolment}
    _record(session, "program.set_offer", variant.program, details, actor, now)
    return offer


def remove_offer(session: Session, offer: Offer, *, actor: User, now: datetime) -> None:
    """Take an offer away; plans that were submitted with it keep it in their text."""
    program = offer.variant.program
    offer.variant.offers.remove(offer)
    session.delete(offer)
    session.flush()
    _record(session, "program.remove_offer", program, {"offer": offer.code}, actor, now)


def flush_new(session: Session, code: str) -> None:
    """Write what is new under ``code``; ``CodeTaken`` when somebody else has taken the code at the same moment."""
    try:
        session.flush()
    except IntegrityError as error:
        raise CodeTaken(name=code) from error


def check_code(code: str, name: str) -> None:
    """``InvalidCode`` or ``NameMissing``, for what people name: programs, variants, pilots."""
    if not _CODE.fullmatch(code):
        raise InvalidCode(name=code)
    if not name.strip():
        raise NameMissing(code=code)


def _lock(session: Session, *things: Program | Variant) -> None:
    """Hold them until the transaction ends and see them as they are: of two who change at once, the second waits."""
    session.flush()
    for thing in things:
        session.refresh(thing, with_for_update=True)


def _check_segment(session: Session, segment_code: str | None) -> None:
    if segment_code is None:
        return
    known = session.scalars(select(Segment.code).order_by(Segment.position)).all()
    if segment_code not in known:
        raise UnknownSegment(segment=segment_code, known=", ".join(known) or "–")


def _record(session: Session, verb: str, program: Program, details: dict[str, Any], actor: User, now: datetime) -> None:
    audit.record(
        session, actor=actor.email, verb=verb, subject_kind="program", subject=program.code, details=details, at=now
    )
