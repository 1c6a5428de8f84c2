"""The demonstration plays the whole loop: what it leaves behind, and that it repeats to the last digit."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.access.service import sign_in
from pilot.assignment.exclusions import excluding
from pilot.assignment.queries import assignment_of, draw_of, homes
from pilot.audit.service import verify
from pilot.database import Database
from pilot.demo.build import CLOCK, build_demo
from pilot.demo.home import fresh_home
from pilot.demo.households import load_baskets, load_segments
from pilot.demo.people import ACCOUNTS
from pilot.demo.plans import CARD, CLUB_PILOT, POINTS_PILOT, SERVICE_PILOT
from pilot.demo.result import DemoResult
from pilot.demo.seeds import DEMO, demo_entropy
from pilot.demo.show import table_lines
from pilot.demo.stores import Before, before_the_pilot
from pilot.demo.truth import truth, world_moments
from pilot.demo.worlds import Copies, household_code, injected, receipts, store_code
from pilot.evidence.document import read_document
from pilot.evidence.model import FrozenReport
from pilot.network.model import Customer, Store
from pilot.outcomes.lake import Lake
from pilot.planning.metrics import library_metric
from pilot.planning.model import PilotState, StageState
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.service import submit
from pilot.planning.submission import check_submission
from pilot.settings import Settings, load_settings, save_settings
from pilot.words import Message
from tests.conftest import PostgresServer

pytestmark = pytest.mark.slow  # each build plays a year

KEYS = [
    "pilot",
    "stage",
    "n_stores",
    "rows",
    "recommendation",
    "ledger_hash",
    "plan_hash",
    "lake_version",
    "audit_head",
]
ROW_KEYS = ["metric", "variant", "effect", "interval", "p_value", "method", "n_units", "truth"]


class Built:
    """A demonstration that was built once for this file."""

    def __init__(self, home: Path) -> None:
        self.steps: list[tuple[int, int, str]] = []
        self.result: DemoResult = build_demo(Settings(home=home, database_url=None), demo_entropy(), self.hear)
        self.settings = load_settings(home)
        self.database = Database(self.settings)

    def author(self, session: Session) -> User:
        """The manager who wrote the pilots."""
        return session.scalars(select(User).where(User.role == Role.MANAGER)).one()

    def hear(self, done: int, total: int, what: Message) -> None:
        self.steps.append((done, total, str(what)))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("demo") / "home")


@pytest.fixture(scope="module")
def worlds() -> tuple[Before, Copies]:
    before = before_the_pilot(load_baskets(), DEMO, "before")
    return before, injected(before, load_segments(), DEMO, "injection")


def test_it_leaves_one_pilot_at_its_gate_one_running_and_one_draft(built: Built) -> None:
    with built.database.reading() as session:
        at_gate, running, draft = (pilot_by_code(session, c) for c in (POINTS_PILOT, SERVICE_PILOT, CLUB_PILOT))
        assert (at_gate.state, at_gate.stage(1).state) == (PilotState.AT_GATE, StageState.AT_GATE)
        assert (running.state, running.stage(1).state) == (PilotState.RUNNING, StageState.RUNNING)
        assert (draft.state, draft.stages) == (PilotState.DRAFT, [])


def test_the_draft_can_be_submitted_as_it_stands(built: Built) -> None:
    with built.database.reading() as session:
        draft, manager = pilot_by_code(session, CLUB_PILOT), built.author(session)
        checked = check_submission(session, draft, lake=Lake(built.settings), excluded=excluding(session, draft))
        submit(session, draft, checked=checked, actor=manager, now=built.settings.now())
        assert draft.state == PilotState.SUBMITTED


def test_every_role_can_sign_in_and_two_executives_can(built: Built) -> None:
    roles = []
    with built.database.unit_of_work() as session:
        for account in built.result.accounts:
            now = built.settings.now()
            roles.append(sign_in(session, account.email, account.password, address="127.0.0.1", now=now).role)
    assert set(roles) == set(Role)
    assert roles.count(Role.EXECUTIVE) == 2


def test_the_clock_stands_at_2_january_2018_by_a_setting_of_the_home(built: Built) -> None:
    assert built.settings.demo
    assert built.settings.now() == CLOCK
    assert CLOCK.date().isoformat() == "2018-01-02"


def test_the_json_document_has_the_promised_keys_and_every_digit(built: Built) -> None:
    document = json.loads(built.result.to_json())
    assert list(document) == KEYS
    assert [list(row) for row in document["rows"]] == [ROW_KEYS] * len(document["rows"])
    assert [row["effect"] for row in document["rows"]] == [row.effect for row in built.result.rows]
    assert document["n_stores"] == 92


def test_the_ledger_s_home_list_is_that_of_the_worlds(built: Built, worlds: tuple[Before, Copies]) -> None:
    before, _ = worlds
    with built.database.reading() as session:
        draw = draw_of(session, pilot_by_code(session, POINTS_PILOT), 1)
        assert draw is not None
        drawn = assignment_of(session, draw)
        stores = dict(session.execute(select(Store.id, Store.code)).all())
        customers = dict(session.execute(select(Customer.customer_key, Customer.external_id)).all())
        frozen = {customers[r["customer_key"]]: stores[r["store_id"]] for r in homes(session, draw).to_pylist()}
    known = {household_code(h): store_code(home) for h, home in before.listed().items()}
    assert frozen == {household: home for household, home in known.items() if home in drawn}


def test_the_report_s_moments_are_those_of_the_worlds_and_its_truths_their_difference(
    built: Built, worlds: tuple[Before, Copies]
) -> None:
    before, copies = worlds
    nobody, everybody = receipts(before), receipts(before, copies=copies, treated=before.eligible)
    with built.database.reading() as session:
        report = read_document(session.scalars(select(FrozenReport.document)).one())
        draw = draw_of(session, pilot_by_code(session, POINTS_PILOT), 1)
        assert draw is not None
        drawn = assignment_of(session, draw)
    for code, rows in report.moments.items():
        metric = library_metric(code).metric
        untreated, treated = (world_moments(before, world, metric) for world in (nobody, everybody))
        for row in rows:
            expected = (treated if drawn[row["unit"]] == CARD else untreated)[row["unit"]]
            assert row == {name: getattr(expected, name) for name in row}
        assert report.truth(code, CARD) == truth(metric, treated=treated, untreated=untreated, drawn=drawn)


def test_the_printed_table_says_which_interval_misses_its_truth(built: Built) -> None:
    lines = table_lines(built.result)
    for row, line in zip(built.result.rows, lines[1:], strict=False):
        assert line.startswith(str(library_metric(row.metric).title))
        assert line.endswith("holds the truth" if row.covers_truth else "misses the truth")
    assert sum("demo-2017" in line for line in lines) == len(ACCOUNTS)


def test_the_log_verifies_and_progress_named_every_step(built: Built) -> None:
    with built.database.reading() as session:
        assert verify(session, None).ok
    assert [done for done, _, _ in built.steps] == list(range(built.steps[0][1]))


def test_a_second_run_replaces_the_first_and_gives_the_same_to_the_last_digit(tmp_path: Path, built: Built) -> None:
    home = tmp_path / "again"
    save_settings(home, {"demo": True})
    (home / "of the old one").touch()
    again = build_demo(Settings(home=home, database_url=None), demo_entropy())
    assert _without_seal(again) == _without_seal(built.result)
    assert not (home / "of the old one").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_postgresql_gives_the_same_to_the_last_digit_twice(
    tmp_path: Path, built: Built, postgres: PostgresServer
) -> None:
    url = postgres.new_database(migrated=False)
    settings = Settings(home=tmp_path / "home", database_url=url)
    assert _without_seal(build_demo(settings, demo_entropy())) == _without_seal(built.result)
    assert load_settings(tmp_path / "home").database_schema == "pilot_demo"
    with fresh_home(settings, clock=CLOCK):  # its own schema is dropped and may be made again
        pass
    postgres.drop(url)


def _without_seal(result: DemoResult) -> dict[str, object]:
    """The document; the audit head's last part is keyed with each home's own key."""
    document = result.to_document()
    return document | {"audit_head": document["audit_head"].rsplit(":", 1)[0]}
