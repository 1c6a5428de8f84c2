"""What waits for whom, and for how much money."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pilot.access.model import User
from pilot.database import Database
from pilot.governance import service as governance
from pilot.governance.inbox import InboxItem, MoneyIs, Waiting, inbox
from pilot.governance.model import Choice
from pilot.governance.signing import draft_hash
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END, Point, installation
from tests.pilot.governance.test_deputies import appoint

ECONOMICS = {"margin_share": "0.30", "setup_minor": 200_000}


def waiting(network: SmallNetwork, name: str, on: Any = START - timedelta(days=3)) -> list[InboxItem]:
    with network.database.reading() as session:
        return inbox(session, session.get_one(User, network.person(name).id), now=day_at(on))


def test_a_plan_waits_for_the_analyst_with_what_its_stage_puts_at_risk(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network:
        network.draft("priced", economics=ECONOMICS)
        network.submit("priced")
        (item,) = waiting(network, "analyst")
        assert item.waiting is Waiting.COSIGN
        assert item.money is not None
        assert item.money.what is MoneyIs.AT_RISK
        assert item.money.minor is not None
        assert item.money.minor > ECONOMICS["setup_minor"]  # type: ignore[operator] # the whole number above
        assert item.currency == "EUR"
        assert waiting(network, "executive") == []


def test_a_deputy_is_asked_until_the_person_they_stand_in_for_has_spoken(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        report = network.look()
        after = END + timedelta(days=2)
        appoint(network, "executive", "analyst", first=START - timedelta(days=9), last=after)
        assert [item.waiting for item in waiting(network, "analyst", after)] == [Waiting.DECIDE]
        with network.database.unit_of_work() as session:
            frozen = session.merge(report)
            governance.decide(
                session, frozen, Choice.STOP, reason="No.", actor=network.person("executive"), now=day_at(after)
            )
        assert waiting(network, "analyst", after) == []
        assert waiting(network, "executive", after) == []
        assert [item.waiting for item in waiting(network, "second", after)] == [Waiting.AGREE]


def test_a_report_whose_money_is_not_reckoned_waits_with_the_reason(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path).set_up()
    network.draft(economics={})  # no margin in the plan, and no cost on the receipts
    early = day_at(START - timedelta(days=4))
    network.act(
        lambda s, p: governance.accept_unproven(
            s, p, plan_hash=draft_hash(s, p), reason="We learn.", actor=network.person("executive"), now=early
        )
    )
    network.submit()
    network.sign()
    network.draw_and_start()
    network.run_to(END)
    network.look()
    (item,) = waiting(network, "executive", END + timedelta(days=2))
    assert item.money is not None
    assert item.money.minor is None
    assert "margin" in str(item.money.refusal)
