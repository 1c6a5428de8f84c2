"""What the weekly digest says to each person, and putting it into the outbox on Monday morning."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit.service import record
from pilot.database import Database
from pilot.evidence.model import FrozenReport
from pilot.governance import messages
from pilot.governance.inbox import inbox
from pilot.governance.model import Choice, Decision
from pilot.network.model import Network
from pilot.notices.digest import due_week, has_digest, post_digest
from pilot.notices.kinds import TITLES, NoticeKind
from pilot.notices.letters import Letter, Line, Part
from pilot.notices.preferences import wants_mail
from pilot.planning.lifecycle import ENDED, in_words
from pilot.planning.model import Pilot, PilotState
from pilot.planning.queries import pilots
from pilot.words import N_, Message

WEEK = timedelta(days=7)
_WAITS = Message("digest_waits", N_("What waits for you"))
_DECIDED = Message("digest_decided", N_("What was decided"))
_UNDER_WAY = Message("digest_under_way", N_("Pilots under way"))
_ONE_WAITS = N_("{pilot}: {act} (since {since:date})")
_ONE_IN_STAGE = N_("{pilot}: {state}; stage {stage} ends on {day:date}")
_ONE = N_("{pilot}: {state}")


def post_digests(database: Database, *, done: str | None = None) -> str | None:
    """Where a week's digest is due, put one for each person who wants it into the outbox; the week, when all are in.

    ``done``: the week that this worker has seen to already.
    """
    now = database.settings.now()
    with database.reading() as session:
        due = due_week(now, _timezone(session))
        if due is None or due[0] == done:
            return done
        week, since = due
        people = [person for person in _readers(session, since) if not has_digest(session, person.id, week)]
        letters = [(person, digest(session, person, now=now)) for person in people]
    with database.unit_of_work() as session:
        sent = [
            person.id for person, letter in letters if letter and post_digest(session, person.id, week, letter, at=now)
        ]
        if sent:
            record(session, actor="system", verb="digest.posted", subject_kind="installation", subject=week,
                   details={"people": len(sent)}, at=now)  # fmt: skip
    return week


def digest(session: Session, person: User, *, now: datetime) -> Letter | None:
    """The person's week; None where nothing waits, nothing was decided and no pilot is under way."""
    parts = (
        Part(_waiting(session, person, now), _WAITS),
        Part(_decided(session, now), _DECIDED),
        Part(_under_way(session), _UNDER_WAY),
    )
    said = tuple(part for part in parts if part.lines)
    return Letter(TITLES[NoticeKind.DIGEST], said) if said else None


def _waiting(session: Session, person: User, now: datetime) -> tuple[Line, ...]:
    lines = []
    for item in inbox(session, person, now=now):
        values = {"pilot": item.pilot_name, "act": item.message, "since": item.since.date().isoformat()}
        lines.append(Line(Message("digest_waiting", _ONE_WAITS, values), f"/pilots/{item.pilot}"))
    return tuple(lines)


def _decided(session: Session, now: datetime) -> tuple[Line, ...]:
    """Decisions of the last seven days that took effect, the oldest first."""
    wanted = (
        select(Decision, FrozenReport.stage_number, Pilot, User.name)
        .join(FrozenReport, FrozenReport.id == Decision.report_id)
        .join(Pilot, Pilot.id == FrozenReport.pilot_id)
        .join(User, User.id == Decision.user_id)
        .where(Decision.takes_effect, Decision.at > now - WEEK, Decision.at <= now)
        .order_by(Decision.id)
    )
    return tuple(
        Line(
            messages.decided(
                Choice(decision.choice), takes_effect=True, pilot=pilot.name, stage=stage, who=who,
                reason=decision.reason, regions=decision.regions or (),
            ),
            f"/pilots/{pilot.code}/decision",
        )
        for decision, stage, pilot, who in session.execute(wanted)
    )  # fmt: skip


def _under_way(session: Session) -> tuple[Line, ...]:
    lines = []
    for pilot in pilots(session):
        state = PilotState(pilot.state)
        if state in ENDED or state is PilotState.DRAFT:
            continue
        stage = pilot.current_stage
        values = {"pilot": pilot.name, "state": in_words(state)}
        message = Message("digest_pilot", _ONE, values)
        if stage is not None and stage.is_under_way:
            values |= {"stage": stage.number, "day": stage.ends_on.isoformat()}
            message = Message("digest_pilot_in_stage", _ONE_IN_STAGE, values)
        lines.append(Line(message, f"/pilots/{pilot.code}"))
    return tuple(lines)


def _readers(session: Session, since: datetime) -> list[User]:
    """Who was there when the digest fell due, and wants it."""
    there = select(User).where(User.is_active, User.created_at <= since).order_by(User.id)
    return [person for person in session.scalars(there) if wants_mail(session, person.id, NoticeKind.DIGEST)]


def _timezone(session: Session) -> str:
    found = session.scalars(select(Network)).first()
    return found.timezone if found else "UTC"
