"""Who reaches which route on whose object: tried on the running application, route by route, as a table.

``python -m tests.web.access_table`` writes ``access_table.txt``; a change of it is a change of who may do what.
"""

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import update
from werkzeug.routing import Rule as Route

from pilot.access.api_keys import create_api_key
from pilot.access.model import Role, User
from pilot.access.permissions import Scope
from pilot.database import Database
from pilot.imports.model import ImportRun, QuarantinedRow
from pilot.jobs.model import JobRun, JobState
from pilot.notices.kinds import EVENTS
from pilot.notices.webhooks import add_webhook, try_webhook
from pilot.planning.calendar_model import CalendarEvent, EventKind
from pilot.planning.model import Pilot
from pilot.programs.model import Program
from pilot.words import Message
from tests.web.house import AT_GATE, build_house
from web.app import create_app
from web.auth import PUBLIC, KeyRule, Rule, rule_of

TABLE = Path(__file__).with_name("access_table.txt")
ROLES = [role.value for role in Role]
OWNED = {"pilot": (Pilot, "owner_id"), "program": (Program, "owner_id"), "job": (JobRun, "created_by_id")}


@dataclass(frozen=True, slots=True)
class Line:
    """One route: per role whether its own and somebody else's object is reached (``-``: the route has no object)."""

    route: str
    reached: dict[str, tuple[bool, bool | None]]

    def __str__(self) -> str:
        cells = [f"{role}={_mark(own)}/{_mark(other)}" for role, (own, other) in self.reached.items()]
        return f"{self.route:<62} {' '.join(cells)}"


def table(app: Flask) -> Iterator[Line]:
    """Try every route that asks for a permission, with every role, on an own and on somebody else's object."""
    database: Database = app.extensions["pilot_database"]
    names = _objects(database)
    people = _people(database)
    app.config["WTF_CSRF_ENABLED"] = False
    for route in _routes(app):
        rule = rule_of(app.view_functions[route.endpoint])
        app.view_functions[route.endpoint] = _reached(rule)
    for route in sorted(_routes(app), key=lambda r: (r.rule, _method(r))):
        rule = rule_of(app.view_functions[route.endpoint])
        assert isinstance(rule, Rule)
        reached: dict[str, tuple[bool, bool | None]] = {}
        for role, person in people.items():
            tries = []
            for owner in (person, people["manager" if role != "manager" else "admin"]):
                if rule.of in OWNED:
                    _give(database, rule.of or "", owner)
                tries.append(_try(app, route, person, names))
            reached[role] = (tries[0], tries[1] if rule.of in OWNED else None)
        yield Line(f"{_method(route)} {route.rule}", reached)


def _routes(app: Flask) -> list[Route]:
    return [r for r in app.url_map.iter_rules() if r.endpoint not in PUBLIC and not _is_api(app, r)]


def _is_api(app: Flask, route: Route) -> bool:
    return isinstance(rule_of(app.view_functions[route.endpoint]), KeyRule)


def _method(route: Route) -> str:
    return "POST" if "POST" in (route.methods or ()) and "GET" not in (route.methods or ()) else "GET"


def _reached(rule: Any) -> Any:
    def view(**_arguments: Any) -> str:
        return "reached"

    view.rule = rule  # type: ignore[attr-defined] # the label that the guard reads
    return view


def _try(app: Flask, route: Route, person: User, names: dict[str, str]) -> bool:
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = f"{person.id}:{person.session_version}"
    with app.test_request_context():
        address = app.url_map.bind("localhost").build(route.endpoint, _arguments(route, names))
    answer = client.open(address, method=_method(route))
    assert answer.status_code in (200, 403), (address, answer.status_code, answer.text)
    return answer.status_code == 200


def _arguments(route: Route, names: dict[str, str]) -> dict[str, Any]:
    known: dict[str, Any] = {
        "stage": 1,
        "chapter": "money",
        "step": "brief",
        "kind": "search",
        "notice": 1,
        "deputy": 1,
        "variant": "points",
        "mechanic": "tier_card",
        "token": "x",
        "name": "permutation",
        **names,
    }
    return {name: known[name] for name in route.arguments}


def _people(database: Database) -> dict[str, User]:
    with database.reading() as session:
        people = {role: session.query(User).filter(User.email == f"{role}@example.org").one() for role in ROLES}
        session.expunge_all()
        return people


def _give(database: Database, kind: str, owner: User) -> None:
    entity, column = OWNED[kind]
    with database.unit_of_work() as session:
        session.execute(update(entity).values({column: owner.id}))


def _objects(database: Database) -> dict[str, str]:
    """One object of every kind that an address can name."""
    with database.unit_of_work() as session:
        admin = session.query(User).filter(User.email == "admin@example.org").one()
        now = admin.created_at
        run = session.query(ImportRun).first()
        assert run is not None
        row = QuarantinedRow.parked(
            run.kind, run.batch_id, 2, "store", {}, Message("missing", "missing"), now, run_id=run.id
        )
        job = JobRun(
            code=f"job-{secrets.token_hex(4)}", kind="look.take", state=JobState.QUEUED, done=0, total=0,
            message=None, arguments={"pilot": AT_GATE, "stage": 1}, result=None, created_by_id=admin.id,
            created_at=now, finished_at=None,
        )  # fmt: skip
        session.add_all([row, job])
        key, _secret = create_api_key(
            session,
            name="Tills",
            scopes=[Scope.ASSIGNMENTS_READ],
            store_codes=[],
            expires_at=None,
            actor=admin,
            now=now,
        )
        hook, _hook_secret = add_webhook(
            session, name="Chat", url="https://hooks.example.org/1", events=EVENTS, actor=admin, now=now
        )
        delivery = try_webhook(session, hook, actor=admin, now=now)
        event = CalendarEvent(
            kind=EventKind.HOLIDAY, name="A feast", first_day=now.date(), last_day=now.date(), places=[],
            created_by_id=admin.id, created_at=now,
        )  # fmt: skip
        session.add(event)
        session.flush()
        return {
            "event": str(event.id), "pilot": AT_GATE, "program": "card", "offer": "card.points.all",
            "report": f"{AT_GATE}-1-1",
            "segment": "young", "run": run.batch_id, "row": str(row.id), "job": job.code,
            "user": str(admin.id), "key": key.code, "webhook": hook.code, "delivery": delivery.code,
        }  # fmt: skip


def _mark(reached: bool | None) -> str:
    return "-" if reached is None else "yes" if reached else "no"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        house = build_house(Path(folder) / "home")
        TABLE.write_text("\n".join(str(line) for line in table(create_app(house.settings))) + "\n", "utf-8")
