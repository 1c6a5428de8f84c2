"""Random people do random legal and illegal things to a pilot, and what must hold always does.

A few short walks here; ``GOVERNANCE_WALKS=200 GOVERNANCE_STEPS=40`` walks longer. Then each invariant is broken once on
purpose, so that it is known to find what it is there for.
"""

import os
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from pilot.access import standing
from pilot.access.model import Role
from pilot.access.standing import Standing
from pilot.assignment import exclusions
from pilot.evidence import computing
from pilot.evidence import service as evidence
from pilot.governance import approvals, deputies, signing
from pilot.governance import service as governance
from pilot.governance.model import Choice
from pilot.planning import model, proofs, submission
from pilot.planning.proving import Proving
from pilot.planning.submission import acceptances_of
from tests.pilot.governance.walks import PEOPLE, Walk

WALKS = int(os.environ.get("GOVERNANCE_WALKS", "10"))
STEPS = int(os.environ.get("GOVERNANCE_STEPS", "16"))
SIGNERS = ("manager", "analyst", "analyst2", "executive", "second", "third", "colleague")
people, stages = st.sampled_from(PEOPLE), st.sampled_from([1, 2])
choices = st.sampled_from(list(Choice))


class People(RuleBasedStateMachine):
    """Everybody may try everything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.walk = Walk.begin()

    def teardown(self) -> None:
        self.walk.end()

    @rule(steps=st.integers(1, 4), choice=choices, seed=st.integers(0, 9))
    def somebody_goes_on(self, steps: int, choice: Choice, seed: int) -> None:
        for step in range(steps):
            self.walk.go_on(choice, random.Random(f"{seed}/{step}"))
            self.walk.check()

    @rule(steps=st.integers(2, 6), seed=st.integers(0, 9))
    def everybody_agrees(self, steps: int, seed: int) -> None:
        for step in range(steps):
            self.walk.go_on(Choice.APPROVE, random.Random(f"{seed}/{step}"))
            self.walk.check()

    @rule(who=people)
    def somebody_submits(self, who: str) -> None:
        self.walk.submit(who)

    @rule(who=st.sampled_from(["manager", "colleague", "executive"]), words=st.sampled_from(["One", "Another"]),
          of_started=st.booleans())  # fmt: skip
    def somebody_writes(self, who: str, words: str, of_started: bool) -> None:
        self.walk.write(who, words, of_started=of_started)

    @rule(who=st.sampled_from(["manager", "colleague", "executive"]))
    def somebody_amends(self, who: str) -> None:
        self.walk.amend(who)

    @rule(who=st.sampled_from(["manager", "executive"]))
    def somebody_asks_for_an_acceptance(self, who: str) -> None:
        self.walk.ask(who)

    @rule(who=people)
    def somebody_cosigns(self, who: str) -> None:
        self.walk.cosign(who)

    @rule(who=people)
    def somebody_approves(self, who: str) -> None:
        self.walk.approve(who)

    @rule(who=people, of_now=st.booleans())
    def somebody_accepts_that_it_proves_nothing(self, who: str, of_now: bool) -> None:
        self.walk.accept(who, of_now=of_now)

    @rule(who=people)
    def somebody_sends_it_back(self, who: str) -> None:
        self.walk.send_back(who)

    @rule(who=people, stage=stages)
    def somebody_draws(self, who: str, stage: int) -> None:
        self.walk.draw(who, stage)

    @rule(who=people, stage=stages)
    def somebody_starts(self, who: str, stage: int) -> None:
        self.walk.start(who, stage)

    @rule(who=people, stage=stages, exploratory=st.booleans())
    def somebody_looks(self, who: str, stage: int, exploratory: bool) -> None:
        self.walk.look(who, stage, exploratory=exploratory)

    @rule(who=people, choice=choices, regions=st.sets(st.sampled_from(["R01", "R02", "R99"])), of_first=st.booleans())
    def somebody_decides(self, who: str, choice: Choice, regions: set[str], of_first: bool) -> None:
        self.walk.decide(who, choice, tuple(sorted(regions)), of_first=of_first)

    @rule(who=people)
    def somebody_answers(self, who: str) -> None:
        self.walk.answer(who)

    @rule(user=people, deputy=people, days=st.integers(-1, 60))
    def somebody_is_appointed(self, user: str, deputy: str, days: int) -> None:
        self.walk.appoint(user, deputy, days)

    @rule(cosigns=st.integers(1, 2), approvals=st.integers(1, 3), decisions=st.integers(1, 3),
          valid_days=st.sampled_from([1, 20, 180]))  # fmt: skip
    def the_policy_changes(self, cosigns: int, approvals: int, decisions: int, valid_days: int) -> None:
        self.walk.change_policy(cosigns=cosigns, approvals=approvals, decisions=decisions, valid_days=valid_days)

    @rule(who=st.sampled_from(SIGNERS), role=st.sampled_from([Role.MANAGER, Role.ANALYST, Role.EXECUTIVE]))
    def somebody_gets_another_role(self, who: str, role: Role) -> None:
        self.walk.become(who, role)

    @rule(days=st.integers(1, 25))
    def time_passes(self, days: int) -> None:
        self.walk.today += timedelta(days=days)

    @invariant()
    def what_must_hold_holds(self) -> None:
        self.walk.check()


@pytest.mark.slow
def test_whatever_people_do_no_rule_of_governance_is_broken() -> None:
    run_state_machine_as_test(
        People,
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A walk of its own."""
    begun = Walk.begin()
    yield begun
    monkeypatch.undo()
    begun.end()


def to_the_gate(walk: Walk, looks: int = 1) -> None:
    """Sealed, drawn, started, and looked at so often."""
    chance = random.Random("gate")
    while walk.done.count("look") < looks:
        assert walk.go_on(Choice.EXTEND, chance), walk.refusals


def test_a_walk_that_everybody_agrees_on_reaches_the_network(walk: Walk) -> None:
    """Without this, invariants over stages that nobody reaches would hold for nothing."""
    chance = random.Random("all")
    for _ in range(40):
        walk.go_on(Choice.APPROVE, chance)
    walk.check()
    assert walk.state()[0] == "rolled_out", walk.refusals
    assert walk.done.count("start") == 2


def test_an_amendment_while_a_stage_runs_is_accepted_signed_and_binds_the_stage_after_it(walk: Walk) -> None:
    chance = random.Random("amended")
    while "start" not in walk.done:
        assert walk.go_on(Choice.APPROVE, chance), walk.refusals
    assert walk.write("manager", "All of them")
    assert not walk.amend("manager")  # nobody has accepted the new text
    assert not walk.accept("analyst")
    assert walk.ask("manager")
    assert walk.accept("executive")
    assert walk.amend("manager")
    walk.check()
    for _ in range(40):
        walk.go_on(Choice.APPROVE, chance)
    walk.check()
    assert walk.state()[0] == "rolled_out", walk.refusals
    assert walk.write("manager", "Too late", of_started=True) is False or not walk.amend("manager")


def test_a_stage_that_goes_on_in_one_region_is_drawn_there(walk: Walk) -> None:
    _limited_to_one_region(walk)
    walk.check()
    assert walk.done.count("draw") == 2, walk.refusals


def _limited_to_one_region(walk: Walk) -> None:
    """At the last look two executives let it go on in the first region; the next stage is drawn."""
    to_the_gate(walk, looks=2)
    for who in ("executive", "second"):
        assert walk.decide(who, Choice.APPROVE_SOME, ("R01",)), walk.refusals
    walk.draw("manager", 2)


def a_self_approval(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(signing, "_not_own_plan", lambda *_: None)
    patch.setattr(standing, "may", lambda *_: True)
    patch.setattr(proofs, "require_proofs", lambda *_: None)
    patch.setattr(model, "require_proofs", lambda *_: None)
    walk.accept("third")
    walk.submit("manager")
    walk.cosign("manager")
    walk.check()


def a_stage_without_its_signatures(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(governance, "require_holding", lambda *_, **__: None)
    patch.setattr(governance, "holding", lambda session, pilot, **_: approvals.proofs(session, pilot))
    chance = random.Random("s")
    while "draw" not in walk.done:
        assert walk.go_on(Choice.APPROVE, chance), walk.refusals
    walk.change_policy(cosigns=1, approvals=1, decisions=1, valid_days=1)
    walk.today += timedelta(days=3)
    walk.start("manager", 1)


def a_signature_that_counts_twice(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    """A deputy's signature and that of the one whose place they take."""
    patch.setattr(proofs.Proof, "people", property(lambda proof: frozenset({proof.user_id})))
    patch.setattr(signing, "_free", lambda session, pilot, given, kind, permission, *, actor, now: (
        deputies.require_acting(session, actor, permission, pilot, now=now)))  # fmt: skip
    walk.change_policy(cosigns=1, approvals=2, decisions=1, valid_days=180)
    walk.appoint("executive", "colleague", 30)
    walk.accept("third")
    walk.submit("manager")
    walk.cosign("analyst")
    walk.approve("executive")
    walk.approve("colleague")
    walk.draw("manager", 1)
    walk.start("manager", 1)


def a_changed_assignment(walk: Walk, _: pytest.MonkeyPatch) -> None:
    chance = random.Random("d")
    while "draw" not in walk.done:
        assert walk.go_on(Choice.APPROVE, chance), walk.refusals
    walk.check()
    _by_force(walk, "ledger_entry", "UPDATE ledger_entry SET variant = 'control' WHERE variant <> 'control'")
    walk.check()


def evidence_that_was_not_frozen(walk: Walk, _: pytest.MonkeyPatch) -> None:
    to_the_gate(walk)
    _by_force(walk, "frozen_report", "UPDATE frozen_report SET document = replace(document, 'extend', 'advance')")
    walk.decide("executive", Choice.APPROVE)
    walk.check()


def a_look_beyond_the_plan(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    """An exploratory report that can be frozen, at a gate whose looks are used up."""
    to_the_gate(walk, looks=2)
    patch.setattr(computing, "_require_look", lambda *_, **__: None)
    patch.setattr(evidence, "_require_unmoved", lambda *_: None)
    patch.setattr(evidence.planning, "reach_gate", lambda *_, **__: None)
    walk.look("analyst", 1)
    walk.check()


def an_entry_that_is_missing(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(signing, "_record_signature", lambda *_, **__: None)
    walk.accept("third")
    walk.submit("manager")
    walk.cosign("analyst")
    walk.check()


def an_acceptance_by_an_analyst(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(signing, "require_acting", lambda session, person, *_, **__: Standing(person))
    walk.accept("analyst")
    walk.check()


def an_acceptance_of_another_text(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    walk.accept("executive")
    walk.write("manager", "Another", of_started=True)
    patch.setattr(submission, "acceptance_of", lambda session, pilot, _: acceptances_of(session, pilot)[0])
    walk.submit("manager")
    walk.check()


def an_unproven_plan_that_nobody_accepted(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proving, "is_unproven", property(lambda proof: proof.proves is None))
    walk.submit("manager")
    walk.check()


def an_acceptance_without_an_entry(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(signing, "_record", lambda *_: None)
    walk.accept("executive")
    walk.check()


def a_deputy_whose_days_are_over(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    walk.appoint("executive", "colleague", 2)
    walk.today += timedelta(days=3)
    long_ago = walk.today - timedelta(days=2)
    patch.setattr(deputies, "business_day", lambda *_: long_ago)
    walk.accept("colleague")
    walk.check()


def a_draw_outside_its_regions(walk: Walk, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exclusions, "_outside_the_approved", lambda *_: [])
    _limited_to_one_region(walk)
    walk.check()


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (a_self_approval, "signed their own plan"),
        (a_stage_without_its_signatures, "started without its signatures"),
        (a_signature_that_counts_twice, "started without its signatures"),
        (a_changed_assignment, "assignment changed"),
        (evidence_that_was_not_frozen, "evidence that was changed"),
        (a_look_beyond_the_plan, "look beyond the plan"),
        (an_entry_that_is_missing, "missing in the log"),
        (an_acceptance_by_an_analyst, "who may not"),
        (an_acceptance_of_another_text, "without an acceptance of its text"),
        (an_unproven_plan_that_nobody_accepted, "without an acceptance of its text"),
        (an_acceptance_without_an_entry, "missing in the log"),
        (a_deputy_whose_days_are_over, "without being appointed"),
        (a_draw_outside_its_regions, "outside the approved regions"),
    ],
)
def test_a_rule_that_is_broken_on_purpose_is_found(
    walk: Walk,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Walk, pytest.MonkeyPatch], None],
    found: str,
) -> None:
    with pytest.raises(AssertionError, match=found):
        broken(walk, monkeypatch)


def _by_force(walk: Walk, table: str, statement: str) -> None:
    """Past the guard of an append-only table, as somebody with the database file in hand could."""
    with walk.network.database.engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER {table}_no_update"))
        connection.execute(text(statement))
