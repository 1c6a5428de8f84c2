"""A pilot that random people push around: what they may try, and what must hold whatever they did.

Every act goes through the real services against a real database; whoever may not is refused by name. The invariants
read the tables, not the services, and know the rules in their own words.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.access.service import change_role
from pilot.assignment.exclusions import excluding
from pilot.audit.model import AuditEntry
from pilot.database import Database
from pilot.errors import PilotError
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import latest_report
from pilot.evidence.service import compute_report, freeze
from pilot.governance import deputies, needed
from pilot.governance import service as governance
from pilot.governance.asking import ask_acceptance
from pilot.governance.errors import NotAtGate
from pilot.governance.model import Choice
from pilot.governance.policy import AS_DELIVERED, Policy
from pilot.governance.signing import draft_hash
from pilot.planning import service as planning
from pilot.planning import wizard
from pilot.planning.errors import UnchangedPlan
from pilot.planning.model import Pilot, PilotState, StageState
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.submission import CheckedPlan
from pilot.planning.wizard import amendment_of, working_plan
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.builders import a_user
from tests.pilot.evidence.small_network import CODE, ENTROPY, START, SmallNetwork, day_at
from tests.pilot.governance.invariants import Invariants, check_signatures

PEOPLE = ("manager", "colleague", "analyst", "analyst2", "executive", "second", "third", "admin", "auditor")
_MORE = {"colleague": Role.MANAGER, "analyst2": Role.ANALYST, "third": Role.EXECUTIVE, "auditor": Role.AUDITOR}
GATE = ["no_alarm"]


@lru_cache(maxsize=1)
def _template() -> tuple[Path, dict[str, int]]:
    """An installation with a draft of two stages and receipts for months: made once, copied for every walk."""
    folder = Path(mkdtemp(prefix="pilot-walks-"))
    network = _opened(folder)
    migrating.upgrade(network.database)
    network.set_up()
    with network.database.unit_of_work() as session:
        for name, role in _MORE.items():
            network.people[name] = a_user(session, role, email=f"{name}@example.org")
    eve = START - timedelta(days=1)
    network.load_receipts(START - timedelta(days=5), eve, {}, day_at(START))
    network.load_receipts(START, START + timedelta(days=120), {}, day_at(START + timedelta(days=121)))
    first = {"number": 1, "name": "A few", "units": network.stores[:8], "starts_on": str(START), "weeks": 2,
             "looks": 2, "extension_weeks": 2, "gate": GATE}  # fmt: skip
    later = {"number": 2, "name": "All", "starts_on": str(START + timedelta(weeks=8)), "weeks": 2, "gate": GATE,
             "is_network": True}  # fmt: skip
    unproven = {"margin_share": "0.9"}  # the offer pays from so small a lift on that no stage can see it
    network.draft(stages=[first, later], alpha="0.5", secondary=[], guardrails=[], economics=unproven)
    network.database.dispose()
    return folder, {name: user.id for name, user in network.people.items()}


def _opened(folder: Path) -> SmallNetwork:
    (folder / "files").mkdir(parents=True, exist_ok=True)
    database = Database(Settings(home=folder / "home", fixed_now=day_at(START), json_logs=False))
    return SmallNetwork(database, folder / "files", n_stores=16, customers=2)


@dataclass(slots=True)
class Walk:
    """One installation on its way. ``today`` is its clock; ``refusals`` counts what was refused, ``done`` what was."""

    network: SmallNetwork
    ids: dict[str, int]
    folder: Path
    today: date = START - timedelta(days=4)
    done: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    invariants: Invariants = field(default_factory=Invariants)

    @classmethod
    def begin(cls) -> "Walk":
        made, ids = _template()
        folder = Path(mkdtemp(prefix="pilot-walk-"))
        shutil.copytree(made / "home", folder / "home")
        return cls(_opened(folder), ids, folder)

    def end(self) -> None:
        self.network.database.dispose()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def now(self) -> datetime:
        return day_at(self.today)

    # What people try. Each is one transaction; a refusal leaves nothing behind.

    def attempt(self, name: str, act: Callable[[Session, Pilot], Any]) -> bool:
        """Do ``act``; a refusal by name is an answer, anything else is a bug."""
        before = self._entries()
        try:
            with self.network.database.unit_of_work() as session:
                act(session, pilot_by_code(session, CODE))
        except PilotError as refused:
            self.refusals.append(f"{name}: {type(refused).__name__}")
            assert self._entries() == before, f"a refused {name} left an entry in the log"
            return False
        self.done.append(name)
        assert self._entries() > before, f"{name} is missing in the log"
        return True

    def submit(self, who: str) -> bool:
        try:
            checked = self.network.read(
                lambda s, p: planning.check_submission(s, p, lake=self.network.lake, excluded=excluding(s, p))
            )
        except PilotError as refused:
            self.refusals.append(f"submit: {type(refused).__name__}")
            return False
        return self.attempt("submit", lambda s, p: planning.submit(
            s, p, checked=checked, actor=self.user(s, who), now=self.now))  # fmt: skip

    def ask(self, who: str) -> bool:
        """Ask the executives to accept that the plan cannot prove its break-even."""
        try:
            checked = self.network.read(self._check)
        except PilotError as refused:
            self.refusals.append(f"ask: {type(refused).__name__}")
            return False
        return self.attempt("ask", lambda s, p: ask_acceptance(
            s, p, checked=checked, actor=self.user(s, who), now=self.now))  # fmt: skip

    def write(self, who: str, words: str, *, of_started: bool = False) -> bool:
        """Change the draft, or write at an amendment: the name of the last stage, or what every stage rests on."""

        def act(session: Session, pilot: Pilot) -> None:
            written = working_plan(session, pilot)
            document = written.to_document()
            if of_started:
                document["hypothesis"] = words
            else:
                document["stages"][-1]["name"] = words
            if wizard.save(session, pilot, document, actor=self.user(session, who), now=self.now) == written:
                raise UnchangedPlan(pilot=pilot.code)

        return self.attempt("write", act)

    def amend(self, who: str) -> bool:
        """Submit the amendment in writing."""
        try:
            checked = self.network.read(self._check_amendment)
        except PilotError as refused:
            self.refusals.append(f"amend: {type(refused).__name__}")
            return False
        return self.attempt("amend", lambda s, p: wizard.submit_amendment(
            s, p, reason="We learned.", checked=checked, actor=self.user(s, who), now=self.now))  # fmt: skip

    def _check(self, session: Session, pilot: Pilot) -> CheckedPlan:
        if amendment_of(session, pilot) is not None:
            return self._check_amendment(session, pilot)
        return planning.check_submission(session, pilot, lake=self.network.lake, excluded=excluding(session, pilot))

    def _check_amendment(self, session: Session, pilot: Pilot) -> CheckedPlan:
        document = wizard.amendment_to_check(session, pilot)
        return planning.check_amendment(
            session, pilot, document=document, lake=self.network.lake, excluded=excluding(session, pilot)
        )

    def cosign(self, who: str) -> bool:
        return self.attempt("cosign", lambda s, p: governance.cosign(s, p, actor=self.user(s, who), now=self.now))

    def approve(self, who: str) -> bool:
        return self.attempt("approve", lambda s, p: governance.approve_and_seal(
            s, p, actor=self.user(s, who), now=self.now, entropy=ENTROPY))  # fmt: skip

    def accept(self, who: str, *, of_now: bool = True) -> bool:
        def act(session: Session, pilot: Pilot) -> None:
            wanted = draft_hash(session, pilot) if of_now else "0" * 64
            governance.accept_unproven(
                session, pilot, plan_hash=wanted, reason="We learn anyway.", actor=self.user(session, who), now=self.now
            )

        return self.attempt("accept", act)

    def is_amending(self) -> bool:
        """Whether an amendment is being written."""
        return self.network.read(lambda s, p: amendment_of(s, p) is not None)

    def send_back(self, who: str) -> bool:
        return self.attempt("send back", lambda s, p: governance.send_back_plan(
            s, p, reason="Think again.", actor=self.user(s, who), now=self.now))  # fmt: skip

    def draw(self, who: str, stage: int) -> bool:
        lake = self.network.lake
        try:
            prepared = self.network.read(lambda s, p: governance.prepare_draw(
                s, p, stage, lake=lake, actor=self.user(s, who), now=self.now))  # fmt: skip
        except PilotError as refused:
            self.refusals.append(f"draw: {type(refused).__name__}")
            return False
        return self.attempt("draw", lambda s, p: governance.draw(
            s, p, prepared, actor=self.user(s, who), now=self.now))  # fmt: skip

    def start(self, who: str, stage: int) -> bool:
        started = self.attempt("start", lambda s, p: governance.start_stage(
            s, p, stage, actor=self.user(s, who), now=self.now))  # fmt: skip
        if started:
            self.check_signatures()
        return started

    def look(self, who: str, stage: int, *, exploratory: bool = False) -> bool:
        try:
            document = self.network.read(lambda s, p: compute_report(
                s, p, stage, lake=self.network.lake, now=self.now, exploratory=exploratory))  # fmt: skip
        except PilotError as refused:
            self.refusals.append(f"look: {type(refused).__name__}")
            return False
        if exploratory:
            assert document.recommendation.choice.value != "advance", "a look beyond the plan advances"
        return self.attempt("look", lambda s, _: freeze(s, document, actor=self.user(s, who), now=self.now))

    def decide(self, who: str, choice: Choice, regions: tuple[str, ...] = (), *, of_first: bool = False) -> bool:
        def act(session: Session, pilot: Pilot) -> None:
            reports = session.scalars(select(FrozenReport).order_by(FrozenReport.id)).all()
            if not reports:
                raise NotAtGate(stage=1, pilot=pilot.name, state=str(pilot.state))
            report = reports[0 if of_first else -1]
            governance.decide(
                session, report, choice, reason="I read it.", regions=regions, actor=self.user(session, who),
                now=self.now,
            )  # fmt: skip

        return self.attempt("decide", act)

    def answer(self, who: str) -> bool:
        def act(session: Session, pilot: Pilot) -> None:
            report = next((r for n in (2, 1) if (r := latest_report(session, pilot, n)) is not None), None)
            if report is None:
                raise NotAtGate(stage=1, pilot=pilot.name, state=str(pilot.state))
            governance.answer(session, report, "It was dry.", actor=self.user(session, who), now=self.now)

        return self.attempt("answer", act)

    def appoint(self, user: str, deputy: str, days: int) -> bool:
        return self.attempt("appoint", lambda s, _: deputies.appoint(
            s, user=self.user(s, user), deputy=self.user(s, deputy), first_day=self.today,
            last_day=self.today + timedelta(days=days), actor=self.user(s, "admin"), now=self.now))  # fmt: skip

    def change_policy(self, *, cosigns: int, approvals: int, decisions: int, valid_days: int) -> bool:
        rows = [
            {**row, "cosigns": cosigns, "approvals": max(row["approvals"], approvals),
             "decisions": max(row["decisions"], decisions)}
            for row in AS_DELIVERED.model_dump(mode="json")["rows"]
        ]  # fmt: skip
        wished = Policy.from_document({**AS_DELIVERED.model_dump(mode="json"), "rows": rows, "valid_days": valid_days})
        return self.attempt("policy", lambda s, _: needed.change_policy(
            s, wished, reason="A walk.", instead_of=needed.policy_in_force(s).hash(), actor=self.user(s, "admin"),
            now=self.now))  # fmt: skip

    def become(self, who: str, role: Role) -> None:
        """Somebody gets another role: what they may do follows it, what they signed stays theirs."""
        with self.network.database.unit_of_work() as session:
            user = self.user(session, who)
            if Role(user.role) is not role:
                change_role(session, user, role, actor=self.user(session, "admin"), now=self.now)

    def user(self, session: Session, who: str) -> User:
        return session.get_one(User, self.ids[who])

    def state(self) -> tuple[PilotState, int, StageState | None, date | None]:
        """The pilot's state, and number, state and last day of its current stage."""

        def read(_: Session, pilot: Pilot) -> tuple[PilotState, int, StageState | None, date | None]:
            stage = pilot.current_stage if pilot.stages else None
            found = (stage.number, StageState(stage.state), stage.ends_on) if stage else (0, None, None)
            return PilotState(pilot.state), *found

        return self.network.read(read)

    def go_on(self, choice: Choice, chance: random.Random) -> bool:
        """The next step by somebody who may well take it: so that walks get somewhere."""
        state, number, stage, ends_on = self.state()
        analyst, executive = chance.choice(("analyst", "analyst2")), chance.choice(("executive", "second", "third"))
        if state is PilotState.DRAFT:
            return self.accept(executive) or self.submit("manager")
        if self.is_amending() and (self.accept(executive) or self.amend("manager")):
            return True
        if state is PilotState.SUBMITTED:
            return self.cosign(analyst)
        if state is PilotState.COSIGNED:
            return self.approve(executive)
        if state is PilotState.SEALED:
            return self.draw("manager", number) or self.cosign(analyst) or self.approve(executive)
        if state is PilotState.DRAWN:
            return self.start("manager", number) or self.cosign(analyst) or self.approve(executive)
        if stage in (StageState.RUNNING, StageState.EXTENDED) and ends_on is not None:
            self.today = max(self.today, ends_on + timedelta(days=1))
            return self.look(analyst, number)
        return state is PilotState.AT_GATE and (self.decide(executive, choice) or self.answer("manager"))

    def check(self) -> None:
        """What must hold whatever anybody did."""
        with self.network.database.reading() as session:
            self.invariants.check(session, pilot_by_code(session, CODE))

    def check_signatures(self) -> None:
        """The stage that has just started has its signatures."""
        with self.network.database.reading() as session:
            check_signatures(session, pilot_by_code(session, CODE), now=self.now)

    def _entries(self) -> int:
        with self.network.database.reading() as session:
            return len(session.scalars(select(AuditEntry.seq)).all())
