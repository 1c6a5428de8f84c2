"""What happens in the network beside pilots: an event with its days and its places, as a row that people keep."""

from datetime import date
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, instant, name, pk
from pilot.words import N_, Message


class EventKind(StrEnum):
    """What kind of thing happens; a blackout alone refuses, the others warn."""

    HOLIDAY = "holiday"
    REFIT = "refit"
    COMPETITOR = "competitor"
    BLACKOUT = "blackout"
    OTHER = "other"


EVENT_KINDS: dict[EventKind, Message] = {
    EventKind.HOLIDAY: Message("event_holiday", N_("Holiday")),
    EventKind.REFIT: Message("event_refit", N_("Refit of a store")),
    EventKind.COMPETITOR: Message("event_competitor", N_("A competitor opens")),
    EventKind.BLACKOUT: Message("event_blackout", N_("Blackout: nothing is tried")),
    EventKind.OTHER: Message("event_other", N_("Something else")),
}


class CalendarEvent(Base):
    """``places`` are store codes and ``region:CODE``; empty: the whole network. Both days belong to it."""

    __tablename__ = "calendar_event"

    id: Mapped[pk]
    kind: Mapped[EventKind] = mapped_column(String(20))
    name: Mapped[name]
    first_day: Mapped[date] = mapped_column(index=True)
    last_day: Mapped[date] = mapped_column(index=True)
    places: Mapped[list[str]] = mapped_column(JSON)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[instant]

    def overlaps(self, first: date, last: date) -> bool:
        """Whether a day of the event lies from ``first`` to ``last``."""
        return self.first_day <= last and first <= self.last_day
