"""The verbs of the network: set it up, name segments, forget a customer."""

import re
import zoneinfo
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit.service import record
from pilot.imports.model import ImportKind, ImportRun
from pilot.network.erasing import erase_traces
from pilot.network.errors import (
    CutoffOutOfRange,
    SegmentCodeRefused,
    SettingsInUse,
    UnknownCurrency,
    UnknownTimeZone,
)
from pilot.network.model import Network, Segment, SurveyAnswer
from pilot.network.queries import customer_by_external_id, segment_by_code
from pilot.network.segments import require_rule
from pilot.words import N_, Message

_LATEST_CUTOFF = 12


def set_up_network(
    session: Session,
    *,
    name: str,
    currency: str,
    timezone: str,
    cutoff_hour: int,
    actor: User,
    now: datetime,
) -> Network:
    """Set or change the network's settings; once receipts are in, only the name can change."""
    from babel.numbers import list_currencies

    if currency not in list_currencies():
        raise UnknownCurrency(currency=currency[:80])
    if timezone not in zoneinfo.available_timezones():
        raise UnknownTimeZone(timezone=timezone[:80])
    if not 0 <= cutoff_hour <= _LATEST_CUTOFF:
        raise CutoffOutOfRange(hour=cutoff_hour)
    wanted: dict[str, Any] = {"currency": currency, "timezone": timezone, "cutoff_hour": cutoff_hour}
    network = session.scalar(select(Network))
    if network is None:
        network = Network(name=name, updated_at=now, **wanted)
        session.add(network)
    else:
        _require_unused(session, network, wanted)
        network.name, network.updated_at = name, now
        for setting, value in wanted.items():
            setattr(network, setting, value)
    session.flush()
    details = {"name": name, **wanted}
    record(
        session,
        actor=actor.email,
        verb="network.set_up",
        subject_kind="network",
        subject="network",
        details=details,
        at=now,
    )
    return network


def save_segment(
    session: Session, code: str, *, name: str, position: int, rule: dict[str, Any], actor: User, now: datetime
) -> Segment:
    """Make or change the segment ``code``. A customer belongs to the first segment, by position, whose rule fits."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", code):
        raise SegmentCodeRefused(segment=code[:80])
    require_rule(code, rule)
    segment = session.scalar(select(Segment).where(Segment.code == code)) or Segment(code=code)
    segment.name, segment.position, segment.rule = name, position, rule
    session.add(segment)
    session.flush()
    details = {"name": name, "position": position, "rule": rule}
    record(
        session, actor=actor.email, verb="segment.saved", subject_kind="segment", subject=code, details=details, at=now
    )
    return segment


def delete_segment(session: Session, code: str, *, actor: User, now: datetime) -> None:
    """Remove a segment; sealed plans keep the rule they were sealed with."""
    session.delete(segment_by_code(session, code))
    session.flush()
    record(session, actor=actor.email, verb="segment.deleted", subject_kind="segment", subject=code, details={}, at=now)


def forget_customer(session: Session, external_id: str, *, actor: User, now: datetime) -> int:
    """Erase who a customer is: id, attributes, contact hash, survey answers, and every trace of the id in what imports
    left behind.

    The integer key stays, with nothing that leads to it, so that sums already reported stay true. Staged imports that
    hold the id are discarded and must be staged again without it. Returns the key. Raises ``NotFound``.
    """
    customer = customer_by_external_id(session, external_id)
    erase_traces(session, external_id, actor=actor, now=now)
    session.execute(delete(SurveyAnswer).where(SurveyAnswer.customer_key == customer.customer_key))
    customer.external_id, customer.contact_hash, customer.home_store_id = None, None, None
    customer.attributes, customer.is_profile_complete, customer.forgotten_at = {}, False, now
    session.flush()
    key = customer.customer_key
    record(
        session,
        actor=actor.email,
        verb="customer.forgotten",
        subject_kind="customer",
        subject=str(key),
        details={},
        at=now,
    )
    return key


def _require_unused(session: Session, network: Network, wanted: dict[str, Any]) -> None:
    published = select(func.count()).where(ImportRun.kind == ImportKind.RECEIPTS, ImportRun.published_at.is_not(None))
    if not session.scalar(published):
        return
    labels = {"currency": N_("The currency"), "timezone": N_("The time zone"), "cutoff_hour": N_("The cut-off hour")}
    for setting, value in wanted.items():
        if getattr(network, setting) != value:
            raise SettingsInUse(setting=Message(f"{setting}_label", labels[setting]))
