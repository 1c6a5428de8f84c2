"""A pilot that random people push around: what they may try, and what must hold whatever they did.

Every act goes through the real services against a real database; whoever may not is refused by name. The invariants
read the tables, not the services, and know the rules in their own words.
"""

import json
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
from pilot.assignment.model import Draw, LedgerEntry
from pilot.audit.model import AuditEntry
from pilot.audit.service import verify
from pilot.canonical import sha256_hex
from pilot.database import Database
from pilot.errors import PilotError
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import latest_report
from pilot.evidence.service import compute_report, freeze
from pilot.governance import deputies, needed
from pilot.governance import service as governance
from pilot.governance.errors import NotAtGate
from pilot.governance.model import Approval, Choice, Decision, PolicyVersion
from pilot.governance.policy import AS_DELIVERED, Policy
from pilot.governance.signing import draft_hash
from pilot.planning import service as planning
from pilot.planning.model import Acceptance, Pilot, PilotState, PlanVersion, Stage, StageRestriction, StageState
from pilot.planning.queries import pilot as pilot_by_code
from pilot.planning.queries import read_text
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.builders import a_user
from tests.pilot.evidence.small_network import CODE, ENTROPY, START, SmallNetwork, day_at

PEOPLE = ("manager", "colleague", "analyst", "analyst2", "executive", "second", "third", "admin", "auditor")
_MORE = {"colleague": Role.MANAGER, "analyst2": Role.ANALYST, "third": Role.EXECUTIVE, "auditor": Role.AUDITOR}
GATE = ["no_alarm"]
_UNDER_WAY = (StageState.RUNNING, StageState.EXTENDED, StageState.AT_GATE, StageState.PASSED)
# Each kind of row with the entries of the log that tell of it.
_TOLD = {
    Acceptance: ("plan.accept_unproven",),
    Approval: ("plan.cosign", "plan.approve"),
    Decision: ("report.decide",),
    Draw: ("stage.draw",),
    FrozenReport: ("report.freeze",),
    PlanVersion: ("plan.submit", "plan.amend"),
    PolicyVersion: ("policy.change",),
}


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
    network.draft(stages=[first, later], alpha="0.2", secondary=[], guardrails=[])
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
    ledgers: dict[int, str] = field(default_factory=dict)
    starts: dict[int, str] = field(default_factory=dict)

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

    def amend(self, who: str, words: str) -> bool:
        document = self.network.read(lambda s, p: {**p.plan, "hypothesis": words})
        try:
            checked = self.network.read(lambda s, p: planning.check_amendment(
                s, p, document=document, lake=self.network.lake, excluded=excluding(s, p)))  # fmt: skip
        except PilotError as refused:
            self.refusals.append(f"amend: {type(refused).__name__}")
            return False
        return self.attempt("amend", lambda s, p: planning.amend(
            s, p, document=document, reason="We learned.", checked=checked, actor=self.user(s, who), now=self.now
        ))  # fmt: skip

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
            return self.submit("manager")
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

    # What must hold, read from the tables.

    def check(self) -> None:
        with self.network.database.reading() as session:
            pilot = pilot_by_code(session, CODE)
            self._nobody_signs_their_own(session, pilot)
            self._ledgers_never_change(session)
            self._started_stages_keep_their_draw(session, pilot)
            self._decisions_rest_on_frozen_evidence(session, pilot)
            self._no_look_beyond_the_plan_advances(session, pilot)
            self._the_log_tells_of_everything(session)

    def check_signatures(self) -> None:
        """The stage that has just started has its signatures: enough, of different people, not too old."""
        with self.network.database.reading() as session:
            pilot = pilot_by_code(session, CODE)
            (stage,) = [one for one in pilot.stages if one.state == StageState.RUNNING]
            policy = _policy(session)
            plan = next(v for v in session.scalars(select(PlanVersion)) if v.hash == pilot.plan_hash)
            row = _row(policy, plan, stage)
            oldest = self.now - timedelta(days=policy.valid_days)
            signed = [(str(a.kind), {a.user_id, a.for_user_id or a.user_id}) for a in session.scalars(select(Approval))
                      if a.plan_hash == pilot.plan_hash and a.at >= oldest]  # fmt: skip
            signed += [("approve", people) for people in _advanced(session, stage, pilot, oldest)]
            assert _most(signed, row["cosigns"], row["approvals"]), "a stage started without its signatures"

    def _nobody_signs_their_own(self, session: Session, pilot: Pilot) -> None:
        signed = (*session.scalars(select(Approval)), *session.scalars(select(Decision)))
        rows = (*signed, *session.scalars(select(Acceptance)))
        for row in rows:
            assert pilot.owner_id not in (row.user_id, row.for_user_id), "somebody signed their own plan"

    def _ledgers_never_change(self, session: Session) -> None:
        for draw in session.scalars(select(Draw)):
            entries = session.execute(
                select(LedgerEntry.unit_code, LedgerEntry.variant, LedgerEntry.block)
                .where(LedgerEntry.draw_id == draw.id)
                .order_by(LedgerEntry.unit_code)
            ).all()
            text = sha256_hex(json.dumps([draw.ledger_hash, draw.record, [list(entry) for entry in entries]]))
            assert self.ledgers.setdefault(draw.id, text) == text, "an assignment changed after it was drawn"

    def _started_stages_keep_their_draw(self, session: Session, pilot: Pilot) -> None:
        for stage in pilot.stages:
            if stage.state not in _UNDER_WAY:
                continue
            mine = [d for d in session.scalars(select(Draw).order_by(Draw.id)) if d.stage_number == stage.number]
            assert mine, "a stage runs without a draw"
            assert self.starts.setdefault(stage.number, mine[-1].ledger_hash) == mine[-1].ledger_hash, (
                "a started stage was drawn anew"
            )

    def _decisions_rest_on_frozen_evidence(self, session: Session, pilot: Pilot) -> None:
        frozen = {report.id: report for report in session.scalars(select(FrozenReport))}
        told = {
            json.loads(e.text)["report_hash"] for e in session.scalars(select(AuditEntry)) if e.verb == "report.freeze"
        }
        for decision in session.scalars(select(Decision)):
            report = frozen.get(decision.report_id)
            assert report is not None, "a decision rests on nothing"
            assert report.hash == sha256_hex(report.document), "a decision rests on evidence that was changed"
            assert report.hash in told, "a decision rests on evidence that was never frozen"
            assert report.created_at <= decision.at, "a decision came before its evidence"
            assert report.pilot_id == pilot.id

    def _no_look_beyond_the_plan_advances(self, session: Session, pilot: Pilot) -> None:
        for report in session.scalars(select(FrozenReport)):
            looks = next(
                stage["looks"]
                for version in session.scalars(select(PlanVersion).where(PlanVersion.hash == report.plan_hash))
                for stage in json.loads(version.text)["stages"]
                if stage["number"] == report.stage_number
            )
            document = json.loads(report.document)
            assert report.look <= looks, "a look beyond the plan was frozen"
            assert not document["exploratory"], "an exploratory look was frozen"
        for stage in pilot.stages:
            if stage.state == StageState.PASSED:
                assert _advanced(session, stage, pilot, None, of=stage.number), "a stage passed without a decision"

    def _the_log_tells_of_everything(self, session: Session) -> None:
        verbs = [entry.verb for entry in session.scalars(select(AuditEntry))]
        for kind, told in _TOLD.items():
            rows = len(session.scalars(select(kind)).all())  # type: ignore[call-overload] # each is an entity
            assert rows == sum(verbs.count(verb) for verb in told), f"the log does not tell of every {kind.__name__}"
        limits = [e for e in session.scalars(select(AuditEntry)) if e.verb == "stage.pass" and '"regions":["' in e.text]
        assert len(session.scalars(select(StageRestriction)).all()) == len(limits), "a limit that the log does not tell"
        moves = {
            "stage.start": sum(s.state in (*_UNDER_WAY, StageState.STOPPED) and s.number in self.starts
                               for s in session.scalars(select(Stage))),
            "stage.pass": sum(s.state == StageState.PASSED for s in session.scalars(select(Stage))),
        }  # fmt: skip
        for verb, n in moves.items():
            assert verbs.count(verb) == n, f"the log does not tell of every {verb}"
        assert verify(session).findings == ()

    def _entries(self) -> int:
        with self.network.database.reading() as session:
            return len(session.scalars(select(AuditEntry.seq)).all())


def _policy(session: Session) -> Policy:
    texts = session.scalars(select(PolicyVersion).order_by(PolicyVersion.number)).all()
    return Policy.from_text(texts[-1].text) if texts else AS_DELIVERED


def _row(policy: Policy, version: PlanVersion, stage: Stage) -> dict[str, int]:
    """The policy read from the top in this test's own words: stores by name are a pilot, the last stage the network."""
    planned = next(s for s in read_text(version.text).stages if s.number == stage.number)
    scope = "network" if planned.is_network else "pilot"
    money = (version.money_at_risk or {}).get(str(stage.number))
    for row in policy.model_dump(mode="json")["rows"]:
        limit = row["money_up_to_minor"]
        if row["scope"] == scope and row["risk"] in (None, "low") and (limit is None or (money or 10**18) <= limit):
            return dict(row)
    raise AssertionError("a policy without a row for the stage")


def _advanced(
    session: Session, stage: Stage, pilot: Pilot, oldest: datetime | None, *, of: int | None = None
) -> list[set[int]]:
    """Whose decision let a stage pass, within the plan's looks: of the stage before, and under the plan in force."""
    number = of or stage.number - 1
    reports = {r.id: r for r in session.scalars(select(FrozenReport)) if r.stage_number == number}
    decisions = [d for d in session.scalars(select(Decision).order_by(Decision.id)) if d.report_id in reports]
    last = next((d for d in reversed(decisions) if d.takes_effect and str(d.choice).startswith("approve")), None)
    if last is None:
        return []
    words: dict[int, Decision] = {}
    for one in decisions:
        if (one.report_id, one.round) == (last.report_id, last.round):
            words = {seat: d for seat, d in words.items() if d.user_id != one.user_id}
            words[one.for_user_id or one.user_id] = one
    same = [d for d in words.values() if (d.choice, d.regions) == (last.choice, last.regions)]
    if oldest is not None:
        same = [d for d in same if d.at >= max(oldest, pilot.sealed_at or oldest)]
    return [{d.user_id, d.for_user_id or d.user_id} for d in same]


def _most(signed: list[tuple[str, set[int]]], cosigns: int, approvals: int, used: frozenset[int] = frozenset()) -> bool:
    """Whether so many can be chosen that no human and no seat occurs twice."""
    kind = "cosign" if cosigns else "approve"
    if not cosigns and not approvals:
        return True
    return any(
        _most(signed, cosigns - (kind == "cosign"), approvals - (kind == "approve"), used | people)
        for what, people in signed
        if what == kind and not people & used
    )
