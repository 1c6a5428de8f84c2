"""The retailer's chain: its settings, regions, stores, customers and segments."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from pilot.database import Base, Instant, code, document, instant, name, pk


class Network(Base):
    """One row: currency (ISO 4217), time zone and the hour at which a business day ends (0–12, local)."""

    __tablename__ = "network"

    id: Mapped[pk]
    name: Mapped[name]
    currency: Mapped[str] = mapped_column(String(3))
    timezone: Mapped[str] = mapped_column(String(64))
    cutoff_hour: Mapped[int]
    updated_at: Mapped[instant]


class Region(Base):
    __tablename__ = "region"

    id: Mapped[pk]
    code: Mapped[code]
    name: Mapped[name]


class Store(Base):
    """A shop. ``id`` is given in sorted order of codes under the write lock; the lake holds this integer."""

    __tablename__ = "store"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[code]
    name: Mapped[name]
    region_id: Mapped[int] = mapped_column(ForeignKey("region.id"))
    timezone: Mapped[str | None] = mapped_column(String(64))
    opened_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    region: Mapped[Region] = relationship(lazy="joined")


class Customer(Base):
    """A pseudonymous person. ``customer_key`` is given in sorted order of external ids; forgetting empties the rest."""

    __tablename__ = "customer"

    customer_key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    external_id: Mapped[str | None] = mapped_column(String(120), unique=True)
    home_store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)
    contact_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    is_profile_complete: Mapped[bool]
    forgotten_at: Mapped[datetime | None] = mapped_column(Instant)


class SurveyAnswer(Base):
    """What a customer said on a day: share of wallet (parts per million), and a referral, paid or not; None: not said.

    It goes when its customer is forgotten.
    """

    __tablename__ = "survey_answer"

    customer_key: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("customer.customer_key"), primary_key=True, autoincrement=False
    )
    asked_on: Mapped[date] = mapped_column(primary_key=True, index=True)
    share_of_wallet_ppm: Mapped[int | None]
    referred: Mapped[bool | None]
    referral_paid: Mapped[bool | None]


class Segment(Base):
    """A named rule over customer attributes (``segments.py``). By position, the first that fits is the customer's."""

    __tablename__ = "segment"

    id: Mapped[pk]
    code: Mapped[code]
    name: Mapped[name]
    position: Mapped[int]
    rule: Mapped[document]
