"""Approving for some regions limits the next draw; a plan that cannot prove its break-even is accepted by name."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.access.permissions import MayNot
from pilot.assignment.exclusions import excluding
from pilot.assignment.queries import assignment_of, draw_of, left_out
from pilot.audit.queries import history_of
from pilot.database import Database
from pilot.evidence.queries import latest_report
from pilot.governance import service as governance
from pilot.governance.asking import ask_acceptance
from pilot.governance.errors import NothingToAccept, RegionsDoNotFit
from pilot.governance.inbox import InboxItem, Waiting, inbox
from pilot.governance.model import Choice
from pilot.governance.queries import options
from pilot.governance.signing import draft_hash
from pilot.notices.queries import unread
from pilot.planning import service as planning
from pilot.planning import wizard
from pilot.planning.errors import CannotProveBreakEven, OwnPlan, PlanMovedOn, ReasonMissing
from pilot.planning.model import PilotState
from pilot.planning.submission import CheckedPlan, acceptance_of
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at

LATER = START + timedelta(weeks=6)
AFTER = day_at(START + timedelta(days=15))


@pytest.fixture
def network(sqlite_database: Database, tmp_path: Path) -> SmallNetwork:
    """A pilot at the gate of its first stage, before a stage in all regions."""
    found = SmallNetwork(sqlite_database, tmp_path)
    first = {"number": 1, "name": "A few", "units": [f"S{n:02}" for n in range(1, 9)], "starts_on": str(START),
             "weeks": 2, "gate": ["no_alarm"]}  # fmt: skip
    later = {"number": 2, "name": "More", "starts_on": str(LATER), "weeks": 2, "gate": ["no_alarm"]}
    found.running(stages=[first, later], alpha="0.5", guardrails=[])
    found.run_to(START + timedelta(days=13))
    found.look()
    return found


def decide(network: SmallNetwork, who: str, choice: Choice, regions: tuple[str, ...] = ()) -> Any:
    def act(session: Any, pilot: Any) -> Any:
        report = latest_report(session, pilot, 1)
        return governance.decide(
            session, report, choice, reason="R01 is ready.", regions=regions, actor=network.person(who), now=AFTER
        )

    return network.act(act)


def test_a_stage_goes_on_in_the_approved_regions_only(network: SmallNetwork) -> None:
    network.load_receipts(START + timedelta(days=14), LATER - timedelta(days=1), {}, day_at(LATER))
    assert decide(network, "executive", Choice.APPROVE_SOME, ("R01",)).takes_effect
    network.draw_and_start(2, on=LATER)
    drawn = network.read(lambda s, p: assignment_of(s, draw_of(s, p, 2)))  # type: ignore[arg-type]
    reasons = network.read(lambda s, p: left_out(draw_of(s, p, 2)))  # type: ignore[arg-type]
    assert set(drawn) <= {store for store in network.stores if int(store[1:]) % 2 == 1}
    assert drawn
    assert reasons["S10"] == "region_not_approved"
    told = network.read(lambda s, p: [str(row.message) for row in unread(s, network.person("manager").id)])
    assert any("advanced in R01" in text and "R01 is ready." in text for text in told)
    passed = network.read(lambda s, p: [e.text for e in history_of(s, "pilot", p.code) if e.verb == "stage.pass"])
    assert '"regions":["R01"]' in passed[0]


def test_only_some_of_the_next_stages_regions_can_be_named(network: SmallNetwork) -> None:
    found = network.read(lambda s, p: options(s, latest_report(s, p, 1)))  # type: ignore[arg-type]
    (some,) = [option for option in found if option.choice is Choice.APPROVE_SOME]
    assert (some.is_open, some.regions, some.is_override, some.signatures_needed) == (True, ("R01", "R02"), False, 1)
    for regions in ((), ("R99",), ("R01", "R02"), ("R01", "R99")):
        with pytest.raises(RegionsDoNotFit, match="R01, R02"):
            decide(network, "executive", Choice.APPROVE_SOME, regions)


@pytest.fixture
def unprovable(sqlite_database: Database, tmp_path: Path) -> SmallNetwork:
    """A draft whose offer pays from so small a lift on that its stage cannot see it."""
    found = SmallNetwork(sqlite_database, tmp_path).set_up()
    found.draft(economics={"margin_share": "0.9"})
    return found


def accept(network: SmallNetwork, who: str, plan_hash: str | None = None, reason: str = "We learn anyway.") -> Any:
    wanted = plan_hash or network.read(draft_hash)
    now = day_at(START - timedelta(days=4))
    return network.act(
        lambda s, p: governance.accept_unproven(
            s, p, plan_hash=wanted, reason=reason, actor=network.person(who), now=now
        )
    )


def test_a_plan_that_cannot_prove_its_break_even_is_submitted_only_when_an_executive_has_accepted_that(
    unprovable: SmallNetwork,
) -> None:
    network = unprovable
    with pytest.raises(CannotProveBreakEven, match="cannot prove its break-even"):
        network.submit()
    with pytest.raises(OwnPlan):
        accept(network, "manager")
    with pytest.raises(MayNot):
        accept(network, "analyst")
    with pytest.raises(ReasonMissing):
        accept(network, "executive", reason=" ")
    accept(network, "executive")
    with pytest.raises(NothingToAccept):
        accept(network, "second")
    network.submit()
    assert network.read(lambda s, p: p.state) == PilotState.SUBMITTED
    kept = network.read(lambda s, p: acceptance_of(s, p, planning.submitted_version(s, p).hash))
    assert kept is not None
    assert (kept.user_id, kept.reason) == (network.person("executive").id, "We learn anyway.")
    verbs = network.read(lambda s, p: [entry.verb for entry in history_of(s, "pilot", p.code)])
    assert "plan.accept_unproven" in verbs


def test_an_acceptance_counts_for_exactly_the_draft_that_was_read(unprovable: SmallNetwork) -> None:
    network, now = unprovable, day_at(START - timedelta(days=4))
    read = network.read(draft_hash)
    accept(network, "executive")
    network.act(
        lambda s, p: planning.edit_draft(
            s, p, document={**p.plan, "hypothesis": "Another."}, actor=network.person("manager"), now=now
        )
    )
    with pytest.raises(CannotProveBreakEven):
        network.submit()
    with pytest.raises((PlanMovedOn, NothingToAccept)):
        accept(network, "second", read)


def test_an_amendment_that_cannot_prove_it_either_is_accepted_while_it_is_written(unprovable: SmallNetwork) -> None:
    network, now = unprovable, day_at(START - timedelta(days=3))
    accept(network, "executive")
    network.submit()
    network.sign()
    document = network.read(lambda s, p: {**p.plan, "hypothesis": "Another."})
    with pytest.raises(CannotProveBreakEven):
        network.amend(document, "We learned.", on=now.date())
    with pytest.raises(NothingToAccept):
        accept(network, "executive", "0" * 64)
    network.act(lambda s, p: wizard.save(s, p, document, actor=network.person("manager"), now=now))
    accept(network, "executive")
    network.amend(document, "We learned.", on=now.date())
    assert network.read(lambda s, p: p.state) == PilotState.SUBMITTED


def test_the_executives_are_asked_once_about_exactly_this_draft_and_until_somebody_accepts(
    unprovable: SmallNetwork,
) -> None:
    network, now = unprovable, day_at(START - timedelta(days=5))

    def waits(who: str) -> list[InboxItem]:
        found = network.read(lambda s, p: inbox(s, network.person(who), now=now))
        return [item for item in found if item.waiting is Waiting.ACCEPT_UNPROVEN]

    def ask() -> None:
        checked = network.read(lambda s, p: check_of(s, p, network))
        network.act(lambda s, p: ask_acceptance(s, p, checked=checked, actor=network.person("manager"), now=now))

    assert waits("executive") == []
    ask()
    (item,) = waits("executive")
    numbers = network.read(lambda s, p: check_of(s, p, network)).unproven[0]
    assert numbers.smallest is not None
    assert f"sees changes from {numbers.smallest:.1%} of sales on" in str(item.message)
    assert f"pays from {numbers.break_even:.1%} on" in str(item.message)
    assert item.money is not None
    assert waits("manager") == waits("analyst") == []
    with pytest.raises(NothingToAccept, match="asked already"):
        ask()
    network.act(
        lambda s, p: planning.edit_draft(
            s, p, document={**p.plan, "hypothesis": "Another."}, actor=network.person("manager"), now=now
        )
    )
    assert waits("executive") == []
    ask()
    assert len(waits("second")) == 1
    accept(network, "executive")
    assert waits("second") == []
    with pytest.raises(NothingToAccept, match="accepted it already"):
        ask()


def test_nothing_is_asked_where_the_break_even_can_be_proven(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path).set_up()
    network.draft()
    checked = network.read(lambda s, p: check_of(s, p, network))
    with pytest.raises(NothingToAccept, match="can prove its break-even"):
        network.act(
            lambda s, p: ask_acceptance(
                s, p, checked=checked, actor=network.person("manager"), now=day_at(START - timedelta(days=5))
            )
        )


def check_of(session: Any, pilot: Any, network: SmallNetwork) -> CheckedPlan:
    return planning.check_submission(session, pilot, lake=network.lake, excluded=excluding(session, pilot))
