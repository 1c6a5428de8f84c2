"""The objects that an address can name: how each kind is found by its code."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import ApiKey, User
from pilot.errors import NotFound
from pilot.evidence.model import FrozenReport
from pilot.imports.model import ColumnMapping, ImportRun, QuarantinedRow
from pilot.jobs.model import JobRun
from pilot.network.model import Segment, Store
from pilot.notices.model import Delivery, Webhook
from pilot.planning.calendar_model import CalendarEvent
from pilot.planning.model import Pilot
from pilot.programs.model import Offer, Program

Find = Callable[[Session, str], Any]


def whole(text: str) -> int | None:
    """The whole number that an address or a form names; None for anything that no database could hold."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _by(column: Any) -> Find:
    return lambda session, name: session.scalars(select(column.class_).where(column == name)).one_or_none()


def _by_id(entity: type[Any]) -> Find:
    def find(session: Session, name: str) -> Any:
        number = whole(str(name))
        return None if number is None else session.get(entity, number)

    return find


FINDERS: dict[str, Find] = {
    "pilot": _by(Pilot.code),
    "event": _by_id(CalendarEvent),
    "program": _by(Program.code),
    "offer": _by(Offer.code),
    "report": _by(FrozenReport.code),
    "segment": _by(Segment.code),
    "store": _by(Store.code),
    "run": _by(ImportRun.batch_id),
    "mapping": _by(ColumnMapping.code),
    "row": _by_id(QuarantinedRow),
    "job": _by(JobRun.code),
    "user": _by_id(User),
    "key": _by(ApiKey.code),
    "webhook": _by(Webhook.code),
    "delivery": _by(Delivery.code),
}


def load(session: Session, kind: str, name: str) -> Any:
    """The ``kind`` named ``name``; ``NotFound`` where there is none."""
    found = FINDERS[kind](session, name)
    if found is None:
        raise NotFound(kind=kind, name=name)
    return found
