"""The demonstration plays the whole loop: what it leaves behind, and that it repeats to the last digit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from pilot.access.model import Role, User
from pilot.access.service import sign_in
from pilot.assignment.exclusions import excluding
from pilot.assignment.queries import assignment_of, draw_of, homes
from pilot.audit.service import verify
from pilot.database import Database
from pilot.demo.build import CLOCK, EXPECTED, build_demo, demo_before
from pilot.demo.home import fresh_home
from pilot.demo.people import ACCOUNTS
from pilot.demo.plans import CARD, CLUB
from pilot.demo.result import DemoResult
from pilot.demo.seeds import demo_entropy
from pilot.demo.show import table_lines
from pilot.demo.stories import CASHBACK, POINTS, STORIES, Stage
from pilot.demo.truth import truth, world_moments
from pilot.demo.worlds import household_code, store_code
from pilot.evidence.document import read_document
from pilot.evidence.model import FrozenReport
from pilot.network.model import Customer, Store
from pilot.outcomes.lake import Lake
from pilot.planning.errors import CannotProveBreakEven
from pilot.planning.metrics import library_metric
from pilot.planning.model import PilotState
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.service import submit
from pilot.planning.submission import check_submission
from pilot.settings import Settings, load_settings, save_settings
from pilot.words import Message
from tests.conftest import PostgresServer

pytestmark = pytest.mark.slow  # each build plays a year

KEYS = ["pilots", "lake_version", "audit_head"]
PILOT_KEYS = [
    "pilot", "stage", "look", "n_stores", "rows", "recommendation", "cause", "expected", "decided", "ledger_hash",
    "plan_hash",
]  # fmt: skip
ROW_KEYS = ["metric", "variant", "effect", "interval", "p_value", "method", "n_units", "truth", "leads"]


class Built:
    """A demonstration that was built once for this file."""

    def __init__(self, home: Path) -> None:
        self.steps: list[tuple[int, int, str]] = []
        self.result: DemoResult = build_demo(Settings(home=home, database_url=None), demo_entropy(), self.hear)
        self.settings = load_settings(home)
        self.database = Database(self.settings)

    def hear(self, done: int, total: int, what: Message) -> None:
        self.steps.append((done, total, str(what)))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("demo") / "home")


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage.set(demo_before())


def test_it_leaves_one_pilot_at_its_gate_three_decided_as_recommended_and_one_draft(built: Built) -> None:
    ends = {"stop": PilotState.STOPPED, "approve": PilotState.ROLLED_OUT, "extend": PilotState.RUNNING}
    with built.database.reading() as session:
        assert pilot_by_code(session, POINTS).state == PilotState.AT_GATE
        assert pilot_by_code(session, CLUB).state == PilotState.DRAFT
        for result in built.result.pilots[1:]:
            assert result.decided is not None
            assert pilot_by_code(session, result.pilot).state == ends[result.decided]


def test_the_pilot_made_to_earn_its_gate_does_and_the_others_end_as_told_or_say_so(built: Built) -> None:
    """Seeds and effects were fixed before the first draw; a story that chance had otherwise is printed as such."""
    results = {result.pilot: result for result in built.result.pilots}
    assert list(results) == [story.pilot for story in STORIES]
    assert {pilot: result.expected for pilot, result in results.items()} == EXPECTED
    lines = table_lines(built.result)
    otherwise = [result for result in results.values() if not result.is_as_told]
    assert sum("chance had it otherwise" in line for line in lines) == len(otherwise)


def test_the_pilot_that_loses_money_lifts_sales_beyond_doubt(built: Built) -> None:
    (total,) = [row for row in built.result.pilots[1].rows if row.leads]
    assert (built.result.pilots[1].pilot, total.metric) == (CASHBACK, "store_total")
    assert total.effect > 0
    assert total.p_value <= 0.05


def test_the_draft_cannot_be_submitted_since_it_cannot_prove_its_break_even(built: Built) -> None:
    with built.database.reading() as session:
        draft = pilot_by_code(session, CLUB)
        manager = session.scalars(select(User).where(User.role == Role.MANAGER)).one()
        checked = check_submission(session, draft, lake=Lake(built.settings), excluded=excluding(session, draft))
        assert checked.unproven
        with pytest.raises(CannotProveBreakEven):
            submit(session, draft, checked=checked, actor=manager, now=built.settings.now())


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
    assert [list(pilot) for pilot in document["pilots"]] == [PILOT_KEYS] * len(STORIES)
    for result, pilot in zip(built.result.pilots, document["pilots"], strict=True):
        assert [list(row) for row in pilot["rows"]] == [ROW_KEYS] * len(result.rows)
        assert [row["effect"] for row in pilot["rows"]] == [row.effect for row in result.rows]
    assert [pilot["n_stores"] for pilot in document["pilots"]] == [story.n_stores for story in STORIES]


def test_the_ledgers_home_lists_are_those_of_the_worlds(built: Built, stage: Stage) -> None:
    known = {household_code(h): store_code(home) for h, home in stage.before.listed().items()}
    with built.database.reading() as session:
        stores = dict(session.execute(select(Store.id, Store.code)).all())
        customers = dict(session.execute(select(Customer.customer_key, Customer.external_id)).all())
        for story in STORIES:
            draw = draw_of(session, pilot_by_code(session, story.pilot), 1)
            assert draw is not None
            drawn = assignment_of(session, draw)
            frozen = {customers[r["customer_key"]]: stores[r["store_id"]] for r in homes(session, draw).to_pylist()}
            assert frozen == {household: home for household, home in known.items() if home in drawn}


def test_the_reports_moments_are_those_of_the_worlds_and_their_truths_the_difference(
    built: Built, stage: Stage
) -> None:
    drawn = {result.pilot: drawn_of(built, result.pilot) for result in built.result.pilots}
    treated = {pilot: treated_of(stage, pilot, drawn[pilot]) for pilot in drawn}
    seen = stage.world(treated)
    everybody = stage.world({**treated, POINTS: stage.stores[POINTS]})
    nobody = stage.world({**treated, POINTS: ()})
    with built.database.reading() as session:
        text = session.scalars(select(FrozenReport.document).where(FrozenReport.code == f"{POINTS}-1-1")).one()
    report = read_document(text)
    for code, rows in report.moments.items():
        metric = library_metric(code).metric
        expected = world_moments(stage.before, seen, metric)
        assert rows
        for row in rows:
            assert row == {name: getattr(expected[row["unit"]], name) for name in row}
        worlds = {"treated": everybody, "untreated": nobody}
        both = {name: world_moments(stage.before, world, metric) for name, world in worlds.items()}
        assert report.truth(code, CARD) == truth(metric, **both, drawn=drawn[POINTS])


def drawn_of(built: Built, pilot: str) -> dict[str, str]:
    with built.database.reading() as session:
        draw = draw_of(session, pilot_by_code(session, pilot), 1)
        assert draw is not None
        return assignment_of(session, draw)


def treated_of(stage: Stage, pilot: str, drawn: dict[str, str]) -> list[int]:
    return [store for store in stage.stores[pilot] if drawn.get(store_code(store)) == CARD]


def test_the_printed_table_says_which_interval_misses_its_truth(built: Built) -> None:
    lines = table_lines(built.result)
    for result in built.result.pilots:
        (start,) = [n for n, line in enumerate(lines) if line.startswith(f"{result.name}, stage")]
        for row, line in zip(result.rows, lines[start + 3 :], strict=False):
            assert line.startswith(str(library_metric(row.metric).title))
            assert line.endswith("holds the truth" if row.covers_truth else "misses the truth")
    assert sum("demo-2017" in line for line in lines) == len(ACCOUNTS)


def test_a_story_that_chance_had_otherwise_is_printed_as_such(built: Built) -> None:
    result = built.result.pilots[0]
    changed = replace(built.result, pilots=(replace(result, recommendation="stop", cause="evidence"),))
    assert any("made to show “advance”: chance had it otherwise" in line for line in table_lines(changed))


def test_the_log_verifies_and_progress_named_every_step(built: Built) -> None:
    with built.database.reading() as session:
        assert verify(session, None).ok
    assert [done for done, _, _ in built.steps] == list(range(built.steps[0][1]))


def test_a_second_run_replaces_the_first_and_gives_the_same_to_the_last_digit(tmp_path: Path, built: Built) -> None:
    home = tmp_path / "again"
    save_settings(home, {"demo": True})
    (home / "of the old one").touch()
    again = build_demo(Settings(home=home, database_url=None), demo_entropy())
    assert _alike(again) == _alike(built.result)
    assert not (home / "of the old one").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_postgresql_gives_the_same_to_the_last_digit_twice(
    tmp_path: Path, built: Built, postgres: PostgresServer
) -> None:
    url = postgres.new_database(migrated=False)
    settings = Settings(home=tmp_path / "home", database_url=url)
    assert _alike(build_demo(settings, demo_entropy())) == _alike(built.result)
    assert load_settings(tmp_path / "home").database_schema == "pilot_demo"
    with fresh_home(settings, clock=CLOCK):  # its own schema is dropped and may be made again
        pass
    postgres.drop(url)


def _alike(result: DemoResult) -> dict[str, object]:
    """The document with the log's length for its head: reports quote the head, whose seal is keyed by the home."""
    document = result.to_document()
    return document | {"audit_head": document["audit_head"].split(":")[0]}
