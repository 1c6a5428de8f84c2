"""What the weekly digest says to whom, and that each person gets one of a week."""

from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select

from pilot.access.model import User
from pilot.database import Database
from pilot.evidence.queries import latest_report
from pilot.governance import service as governance
from pilot.governance.model import Choice
from pilot.jobs.digests import digest, post_digests
from pilot.notices.kinds import NoticeKind
from pilot.notices.letters import Letter
from pilot.notices.model import Delivery
from pilot.notices.preferences import unsubscribe
from pilot.words import translate
from tests.pilot.evidence.small_network import SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END, Point, installation

MONDAY = date(2026, 3, 30)


def said(letter: Letter | None) -> dict[str, list[str]]:
    """The letter's lines by heading."""
    assert letter is not None
    return {
        translate(part.heading) if part.heading else "": [translate(line.message) for line in part.lines]
        for part in letter.parts
    }


def stop(network: SmallNetwork) -> None:
    for who in ("executive", "second"):

        def act(session, pilot) -> None:  # type: ignore[no-untyped-def]
            report = latest_report(session, pilot, 1)
            actor, now = network.person(who), day_at(MONDAY)  # noqa: B023 - called at once
            governance.decide(session, report, Choice.STOP, reason="Too dear.", actor=actor, now=now)

        network.act(act)


def on(network: SmallNetwork, day: date) -> Database:
    return Database(network.database.settings.model_copy(update={"fixed_now": day_at(day)}))


def receivers(database: Database) -> list[str]:
    with database.reading() as session:
        wanted = select(User.email).join(Delivery, Delivery.user_id == User.id)
        return sorted(
            email.split("@")[0] for email in session.scalars(wanted.where(Delivery.kind == NoticeKind.DIGEST))
        )


def test_the_digest_says_what_waits_what_was_decided_and_what_is_under_way(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        now = day_at(MONDAY)
        with network.database.reading() as session:
            executive = said(digest(session, network.person("executive"), now=now))
            manager = said(digest(session, network.person("manager"), now=now))
        assert executive["What waits for you"] == ["Points card: Decide on the report on stage 1 (since Mar 30, 2026)"]
        under_way = ["Points card: at its gate; stage 1 ends on Mar 29, 2026"]
        assert executive["Pilots under way"] == manager["Pilots under way"] == under_way
        assert "What waits for you" not in manager
        stop(network)
        with network.database.reading() as session:
            after = said(digest(session, network.person("executive"), now=now + timedelta(days=6)))
            later = digest(session, network.person("executive"), now=now + timedelta(days=7))
        assert list(after) == ["What was decided"]
        assert "Too dear." in after["What was decided"][0]
        assert later is None, "nothing waits, nothing new was decided, nothing is under way"


def test_everybody_gets_one_on_monday_and_nobody_two(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        with network.database.unit_of_work() as session:
            unsubscribe(session, network.person("second"), NoticeKind.DIGEST, now=day_at(END))
        sunday = on(network, MONDAY - timedelta(days=1))
        assert post_digests(sunday) is None
        monday = on(network, MONDAY)
        assert post_digests(monday) == "2026-W14"
        everybody = ["admin", "analyst", "executive", "manager"]
        assert receivers(monday) == everybody
        assert post_digests(monday, done="2026-W14") == "2026-W14"
        assert post_digests(monday) == "2026-W14", "another worker"
        assert receivers(monday) == everybody
        next_monday = on(network, MONDAY + timedelta(days=7))
        assert post_digests(next_monday, done="2026-W14") == "2026-W15"
        assert receivers(next_monday) == sorted(everybody * 2)
        for database in (sunday, monday, next_monday):
            database.dispose()


def test_who_came_after_it_fell_due_waits_for_the_next(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        with network.database.unit_of_work() as session:
            session.get_one(User, network.person("analyst").id).created_at = day_at(MONDAY)
        monday = on(network, MONDAY)
        post_digests(monday)
        assert "analyst" not in receivers(monday)
        monday.dispose()
