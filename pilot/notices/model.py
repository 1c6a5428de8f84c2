"""A message to one person, shown on their home page until read; sending by mail is a job."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from pilot.database import Base, Instant, document, instant, name, pk


class Notice(Base):
    """``message`` is a stored ``pilot.words.Message``; ``link`` is a path inside the product or empty."""

    __tablename__ = "notice"

    id: Mapped[pk]
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"), index=True)
    message: Mapped[document]
    link: Mapped[name]
    created_at: Mapped[instant]
    read_at: Mapped[datetime | None] = mapped_column(Instant)
