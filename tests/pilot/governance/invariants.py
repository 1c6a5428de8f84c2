"""What must hold for a pilot whatever anybody did: read from the tables, in words of its own.

The services' own reading of the rules is not used here; where they are wrong, this is not wrong with them.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Deputy, Role, User
from pilot.assignment.model import Draw, LedgerEntry
from pilot.audit.model import AuditEntry
from pilot.audit.service import verify
from pilot.canonical import sha256_hex
from pilot.evidence.model import FrozenReport
from pilot.governance.model import Answer, Approval, ApprovalKind, Decision, PolicyVersion
from pilot.governance.policy import AS_DELIVERED, Policy
from pilot.network.model import Region, Store
from pilot.planning.model import Acceptance, Pilot, PlanVersion, Stage, StageRestriction, StageState
from pilot.planning.queries import read_text

_UNDER_WAY = (StageState.RUNNING, StageState.EXTENDED, StageState.AT_GATE, StageState.PASSED)
# Each kind of row with the entries of the log that tell of it.
_TOLD = {
    Acceptance: ("plan.accept_unproven",),
    Answer: ("report.answer",),
    Approval: ("plan.cosign", "plan.approve"),
    Decision: ("report.decide",),
    Deputy: ("deputy.appoint",),
    Draw: ("stage.draw",),
    FrozenReport: ("report.freeze",),
    PlanVersion: ("plan.submit", "plan.amend"),
    PolicyVersion: ("policy.change",),
}


@dataclass(slots=True)
class Invariants:
    """What was seen of ledgers and of the draws of started stages: neither may ever look different.

    ``judged`` are the words (signatures, acceptances, decisions) whose right to be given was looked at when they were
    new: people get other roles later.
    """

    ledgers: dict[int, str] = field(default_factory=dict)
    starts: dict[int, str] = field(default_factory=dict)
    judged: set[tuple[str, int]] = field(default_factory=set)

    def check(self, session: Session, pilot: Pilot) -> None:
        self._nobody_signs_their_own(session, pilot)
        self._whoever_gives_their_word_may(session)
        self._what_cannot_be_proven_was_accepted(session)
        self._limits_bind_the_draw(session)
        self._ledgers_never_change(session)
        self._started_stages_keep_their_draw(session, pilot)
        self._decisions_rest_on_frozen_evidence(session, pilot)
        self._no_look_beyond_the_plan_advances(session, pilot)
        self._the_log_tells_of_everything(session)

    def _nobody_signs_their_own(self, session: Session, pilot: Pilot) -> None:
        signed = (*session.scalars(select(Approval)), *session.scalars(select(Decision)))
        rows = (*signed, *session.scalars(select(Acceptance)))
        for row in rows:
            assert pilot.owner_id not in (row.user_id, row.for_user_id), "somebody signed their own plan"

    def _whoever_gives_their_word_may(self, session: Session) -> None:
        """Each new word is of somebody with the right role, or of who was their deputy on that day."""
        for kind in (Approval, Decision, Acceptance):
            for row in session.scalars(select(kind)).all():  # type: ignore[call-overload] # each is an entity
                if (kind.__name__, row.id) in self.judged:
                    continue
                self.judged.add((kind.__name__, row.id))
                is_cosign = isinstance(row, Approval) and row.kind == ApprovalKind.COSIGN
                wanted = Role.ANALYST if is_cosign else Role.EXECUTIVE
                seat = session.get_one(User, row.for_user_id or row.user_id)
                assert Role(seat.role) is wanted, f"somebody gave a word ({kind.__name__}) who may not"
                appointed = [
                    one for one in session.scalars(select(Deputy))
                    if (one.user_id, one.deputy_id) == (row.for_user_id, row.user_id)
                    and one.first_day <= row.at.date() <= one.last_day
                ]  # fmt: skip
                assert row.for_user_id is None or appointed, "somebody stood in for a person without being appointed"

    def _what_cannot_be_proven_was_accepted(self, session: Session) -> None:
        """No plan of a walk can prove its break-even: each was accepted, with exactly this text, before it came in."""
        accepted = {one.plan_hash: one.at for one in session.scalars(select(Acceptance))}
        for version in session.scalars(select(PlanVersion)):
            assert version.hash in accepted, "an unproven plan came in without an acceptance of its text"
            assert accepted[version.hash] <= version.created_at, "an unproven plan was accepted afterwards"

    def _limits_bind_the_draw(self, session: Session) -> None:
        """Where executives let a stage go on in some regions only, nothing is drawn elsewhere."""
        region_of = dict(
            session.execute(select(Store.code, Region.code).join(Region, Store.region_id == Region.id)).all()
        )
        for limit in session.scalars(select(StageRestriction)):
            for draw in session.scalars(select(Draw)):
                if (draw.pilot_id, draw.stage_number) == (limit.pilot_id, limit.stage_number):
                    units = session.scalars(select(LedgerEntry.unit_code).where(LedgerEntry.draw_id == draw.id))
                    assert {region_of[unit] for unit in units} <= set(limit.regions), (
                        "drawn outside the approved regions"
                    )

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


def check_signatures(session: Session, pilot: Pilot, *, now: datetime) -> None:
    """The stage that has just started has its signatures: enough, of different people, not too old."""
    (stage,) = [one for one in pilot.stages if one.state == StageState.RUNNING]
    policy = _policy(session)
    plan = next(v for v in session.scalars(select(PlanVersion)) if v.hash == pilot.plan_hash)
    row = _row(policy, plan, stage)
    oldest = now - timedelta(days=policy.valid_days)
    signed = [(str(a.kind), {a.user_id, a.for_user_id or a.user_id}) for a in session.scalars(select(Approval))
              if a.plan_hash == pilot.plan_hash and a.at >= oldest]  # fmt: skip
    signed += [("approve", people) for people in _advanced(session, stage, pilot, oldest)]
    assert _most(signed, row["cosigns"], row["approvals"]), "a stage started without its signatures"


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
