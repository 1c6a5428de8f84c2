"""Who hears of what: those who may sign, the author, the executives, the analysts; by mail, on the page, by webhook."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pilot.access.model import Role, User
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import document_of, latest_report
from pilot.evidence.recommendation import RuleCode, RuleResult
from pilot.evidence.telling import report_frozen
from pilot.governance import service as governance
from pilot.governance.model import Choice
from pilot.notices.kinds import EVENTS
from pilot.notices.model import Delivery, Notice
from pilot.notices.webhooks import add_webhook
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END, Point, installation
from tests.pilot.governance.test_deputies import appoint, person

NOW = day_at(END + timedelta(days=2))


class Ear:
    """What was told from now on."""

    def __init__(self, network: SmallNetwork) -> None:
        self._network = network
        with network.database.unit_of_work() as session:
            admin = network.person("admin")
            add_webhook(session, name="Chat", url="https://h.example.org/", events=EVENTS, actor=admin, now=NOW)
            self._last = [len(session.scalars(select(kind.id)).all()) for kind in (Delivery, Notice)]

    def mails(self, kind: str) -> list[str]:
        """To whom, by name."""
        with self._network.database.reading() as session:
            mails = select(User.email).join(Delivery, Delivery.user_id == User.id)
            new = mails.where(Delivery.kind == kind, Delivery.id > self._last[0])
            return sorted(email.split("@")[0] for email in session.scalars(new))

    def pages(self) -> list[str]:
        with self._network.database.reading() as session:
            shown = select(User.email).join(Notice, Notice.user_id == User.id).where(Notice.id > self._last[1])
            return sorted(email.split("@")[0] for email in session.scalars(shown))

    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        with self._network.database.reading() as session:
            called = select(Delivery).where(Delivery.webhook_id.is_not(None)).order_by(Delivery.id)
            return [(str(one.kind), one.document["facts"]) for one in session.scalars(called)]


def report_of(session, pilot) -> FrozenReport:  # type: ignore[no-untyped-def]
    found = latest_report(session, pilot, 1)
    assert found is not None
    return found


def test_a_submitted_plan_asks_the_analysts_and_a_cosigned_one_the_executives(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network:
        ear = Ear(network)
        network.submit()
        assert ear.mails("approval_wanted") == ["analyst"]
        assert ear.pages() == [], "the inbox shows it"
        network.act(lambda s, p: governance.cosign(s, p, actor=network.person("analyst"), now=NOW))
        assert ear.mails("approval_wanted") == ["analyst", "executive", "second"]
        assert ear.mails("pilot_news") == ["manager"]
        (first, second) = ear.calls()
        assert (first[1]["step"], second[1]["step"]) == ("plan.cosign", "plan.approve")
        assert first[1]["plan_hash"] == second[1]["plan_hash"]


def test_a_frozen_report_reaches_the_author_and_the_executives(tmp_path: Path) -> None:
    with installation(Point.RUNNING, tmp_path) as network:
        network.run_to(END)
        ear = Ear(network)
        report = network.look()
        assert ear.mails("gate_reached") == ["executive", "manager", "second"]
        assert ear.pages() == ["manager"]
        ((kind, facts),) = ear.calls()
        assert kind == "gate_reached"
        assert (facts["report"], facts["report_hash"], facts["stage"]) == (report.code, report.hash, 1)
        assert facts["link"] == f"/pilots/points/reports/{report.code}"


def tell_of_a_broken_guardrail(session, pilot) -> None:  # type: ignore[no-untyped-def]
    """Tell of the pilot's report as if its basket had fallen by more than its margin."""
    broken = RuleResult(RuleCode.GUARDRAIL_NOT_BROKEN, False, -0.8, -0.5, "points", "average_basket")
    report = report_of(session, pilot)
    document = document_of(report)
    rules = (*document.recommendation.rules, broken)
    worse = replace(document, recommendation=replace(document.recommendation, rules=rules))
    report_frozen(session, pilot, report, worse, NOW)


def test_a_broken_guardrail_is_told_to_the_analysts_too_with_its_numbers(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        ear = Ear(network)
        network.act(tell_of_a_broken_guardrail)
        assert ear.mails("guardrail_breached") == ["analyst", "executive", "manager", "second"]
        kind, facts = ear.calls()[-1]
        assert kind == "guardrail_breached"
        wanted = {"variant": "points", "metric": "average_basket", "best_case": -0.8, "limit": -0.5}
        assert facts["guardrails"] == [wanted]


def test_a_report_without_a_broken_guardrail_tells_of_none(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        ear = Ear(network)
        network.act(lambda s, p: report_frozen(s, p, report_of(s, p), document_of(report_of(s, p)), NOW))
        assert ear.mails("guardrail_breached") == []


def test_a_decision_that_waits_asks_the_other_executive_and_one_that_holds_tells_who_signed(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        ear = Ear(network)

        def decide(who: str) -> None:
            network.act(
                lambda s, p: governance.decide(
                    s, report_of(s, p), Choice.APPROVE, reason="It pays.", actor=network.person(who), now=NOW
                )
            )

        decide("executive")
        assert ear.mails("approval_wanted") == ["second"]
        assert ear.mails("decision_taken") == []
        decide("second")
        assert ear.mails("decision_taken") == ["analyst", "executive", "manager"], "who decided last knows"
        assert [(kind, facts["takes_effect"]) for kind, facts in ear.calls()] == [
            ("approval_wanted", False),
            ("decision_taken", True),
        ]


def test_nothing_is_told_of_what_did_not_happen(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        ear = Ear(network)

        def sign_and_break(session, pilot) -> None:  # type: ignore[no-untyped-def]
            governance.cosign(session, pilot, actor=network.person("analyst"), now=NOW)
            raise ConnectionError("the power goes")

        with pytest.raises(ConnectionError):
            network.act(sign_and_break)
        assert (ear.mails("approval_wanted"), ear.mails("pilot_news"), ear.calls()) == ([], [], [])


def test_a_deputy_in_force_hears_of_the_plan_the_gate_and_the_decision_once(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network:
        person(network, "helper", Role.AUDITOR)
        appoint(network, "analyst", "helper")
        appoint(network, "executive", "helper")
        ear = Ear(network)
        network.submit()
        assert ear.mails("approval_wanted") == ["analyst", "helper"]
    with installation(Point.RUNNING, tmp_path / "running") as network:
        person(network, "helper", Role.AUDITOR)
        for principal in ("analyst", "executive", "second"):
            appoint(network, principal, "helper")
        network.run_to(END)
        ear = Ear(network)
        network.look()
        assert ear.mails("gate_reached") == ["executive", "helper", "manager", "second"], "once for two executives"

        def decide(who: str) -> None:
            network.act(
                lambda s, p: governance.decide(
                    s, report_of(s, p), Choice.STOP, reason="Enough.", actor=network.person(who), now=NOW
                )
            )

        decide("executive")
        decide("second")
        assert ear.mails("decision_taken").count("helper") == 1


def test_a_deputy_whose_days_are_over_or_who_wrote_the_plan_hears_nothing_of_it(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network:
        person(network, "helper", Role.AUDITOR)
        appoint(network, "analyst", "helper", START - timedelta(days=40), START - timedelta(days=30))
        appoint(network, "analyst", "manager")
        ear = Ear(network)
        network.submit()
        assert ear.mails("approval_wanted") == ["analyst"]


def test_who_cosigned_as_a_deputy_is_not_asked_to_approve_as_well(tmp_path: Path) -> None:
    with installation(Point.SUBMITTED, tmp_path) as network:
        person(network, "helper", Role.AUDITOR)
        appoint(network, "analyst", "helper")
        appoint(network, "executive", "helper")
        ear = Ear(network)
        network.act(lambda s, p: governance.cosign(s, p, actor=network.person("helper"), now=NOW))
        assert ear.mails("approval_wanted") == ["executive", "second"]


def test_the_deputy_of_somebody_who_has_decided_is_not_asked_to_agree_with_them(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        person(network, "helper", Role.AUDITOR)
        appoint(network, "executive", "helper")
        ear = Ear(network)
        network.act(
            lambda s, p: governance.decide(
                s, report_of(s, p), Choice.APPROVE, reason="It pays.", actor=network.person("executive"), now=NOW
            )
        )
        assert ear.mails("approval_wanted") == ["second"]


def test_analysts_deputies_hear_of_a_broken_guardrail(tmp_path: Path) -> None:
    with installation(Point.AT_GATE, tmp_path) as network:
        person(network, "helper", Role.AUDITOR)
        appoint(network, "analyst", "helper")
        ear = Ear(network)
        network.act(tell_of_a_broken_guardrail)
        assert ear.mails("guardrail_breached") == ["analyst", "executive", "helper", "manager", "second"]
        assert ear.pages().count("helper") == 1
