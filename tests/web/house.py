"""A small installation with people who can sign in and pilots in every state, for the tests of pages and journeys."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from pilot.access import service as access
from pilot.access.model import Role, User
from pilot.database import Database
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at

PASSWORD = "a long enough sentence"
GATE_DAY = START + timedelta(days=29)
LATER = START + timedelta(days=60)
# What the pages are about: a pilot at its gate, one that runs, one submitted, one still a draft.
AT_GATE, RUNNING, SUBMITTED, DRAFT = "points", "running", "submitted", "draft"


@dataclass(frozen=True, slots=True)
class House:
    """A home with everything in it; ``settings_on(day)`` is the same installation on another day."""

    network: SmallNetwork
    settings: Settings

    def settings_on(self, day: date) -> Settings:
        return self.settings.model_copy(update={"fixed_now": day_at(day)})


def build_house(home: Path, *, now: datetime | None = None, demo: bool = False) -> House:
    """Migrate a fresh SQLite home and play a pilot up to its gate, beside others in earlier states."""
    settings = Settings(home=home, fixed_now=now or day_at(GATE_DAY), json_logs=False, demo=demo)
    database = Database(settings)
    migrating.upgrade(database)
    files = home / "files"
    files.mkdir(parents=True)
    network = SmallNetwork(database, files, n_stores=32)
    network.set_up()
    add_people(network)
    network.draft(
        DRAFT, stages=[_stage(*network.stores[24:], starts_on=LATER)], alpha="0.5"
    )  # stores that no other pilot holds
    network.draft(SUBMITTED, stages=[_stage("all")])
    network.submit(SUBMITTED)
    network.draft(AT_GATE, segments=["young", "old"], stages=[_stage(*network.stores[:16]), _second_stage()])
    network.submit(AT_GATE)
    network.sign(AT_GATE)
    network.draw_and_start(code=AT_GATE)
    network.draft(RUNNING, stages=[_stage(*network.stores[16:24], weeks=12)], alpha="0.5")
    network.submit(RUNNING)
    network.sign(RUNNING)
    network.draw_and_start(code=RUNNING)
    network.run_to(START + timedelta(days=27), code=AT_GATE)
    network.look(code=AT_GATE)
    return House(network, settings)


def add_people(network: SmallNetwork) -> None:
    """Passwords for the people of the network, and the roles that it does not need itself."""
    at = day_at(START - timedelta(days=5))
    with network.database.unit_of_work() as session:
        for name, role in (("auditor", Role.AUDITOR), ("colleague", Role.MANAGER)):
            network.people[name] = access.create_user(
                session, email=f"{name}@example.org", name=f"A {name}", role=role, actor="system", now=at
            )
        for name, person in network.people.items():
            user = session.get_one(User, person.id)
            token = access.make_link(session, user, actor="system", now=at)
            access.redeem_link(session, token, PASSWORD, now=at)
            network.people[name] = user


def _stage(*units: str, weeks: int = 4, starts_on: date = START) -> dict[str, object]:
    gate = ["leading_metric", "guardrails", "no_alarm"]
    return {
        "number": 1,
        "name": "A few stores",
        "units": list(units),
        "starts_on": str(starts_on),
        "weeks": weeks,
        "gate": gate,
    }


def _second_stage() -> dict[str, object]:
    return {
        "number": 2,
        "name": "The whole network",
        "starts_on": str(LATER),
        "weeks": 4,
        "gate": ["no_alarm"],
        "is_network": True,
    }
