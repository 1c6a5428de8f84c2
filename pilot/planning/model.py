"""A pilot with its plan, its stages, and every version of the plan that was ever submitted."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from pilot.database import Base, Instant, code, digest, document, instant, name, pk, text
from pilot.planning import lifecycle
from pilot.planning.errors import NoLookLeft, NoSuchStage, StageOutOfTurn, StartPassed, WindowStillOpen
from pilot.planning.lifecycle import PilotState as PilotState
from pilot.planning.lifecycle import StageState as StageState
from pilot.planning.plan import StagePlan
from pilot.planning.proofs import ONE_OF_EACH, Proof, ProofKind, SignOffs, require_proofs, require_two_people


class Pilot(Base):
    """The governed rollout. ``plan`` is the document being edited; the sealed text is in ``plan_hash``'s version."""

    __tablename__ = "pilot"

    id: Mapped[pk]
    code: Mapped[code]
    name: Mapped[name]
    owner_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("program.id"))
    state: Mapped[PilotState] = mapped_column(String(20))
    plan: Mapped[document]
    plan_hash: Mapped[str | None] = mapped_column(String(64))
    sealed_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[instant]
    stages: Mapped[list["Stage"]] = relationship(
        back_populates="pilot", order_by="Stage.number", cascade="all, delete-orphan"
    )

    @property
    def is_ended(self) -> bool:
        """Rolled out or stopped: nothing moves any more."""
        return PilotState(self.state) in lifecycle.ENDED

    @property
    def current_stage(self) -> "Stage | None":
        """The first stage that has not passed its gate; None before the first seal and after the last gate."""
        return next((stage for stage in self.stages if stage.state != StageState.PASSED), None)

    @property
    def last_started(self) -> int:
        """The number of the last stage that has started, 0 before the first."""
        return max((stage.number for stage in self.stages if stage.is_started), default=0)

    def stage(self, number: int) -> "Stage":
        """The stage with this number; ``NoSuchStage`` where there is none (before the seal there are none)."""
        for stage in self.stages:
            if stage.number == number:
                return stage
        raise NoSuchStage(pilot=self.code, stage=number, known=", ".join(str(s.number) for s in self.stages) or "–")

    def submit(self) -> None:
        """A complete plan waits for its sign-offs. A stage that was drawn but not started waits for a new draw."""
        self._move(PilotState.SUBMITTED)
        for stage in self.stages:
            if stage.state == StageState.DRAWN:
                stage.move(StageState.PLANNED)

    def cosign(self, plan_hash: str, proof: Proof) -> None:
        """An analyst who is not the owner signed exactly this plan."""
        require_proofs(self.code, self.owner_id, plan_hash, [proof], [ProofKind.COSIGN])
        self._move(PilotState.COSIGNED)

    def seal(
        self,
        plan_hash: str,
        stages: Sequence[StagePlan],
        proofs: Sequence[Proof],
        *,
        needed: SignOffs = ONE_OF_EACH,
        at: datetime,
    ) -> None:
        """Co-signed and approved by different people who are not the owner, as many as ``needed``: the plan is fixed.

        A started stage goes on as it was; the stages after it are those of the new plan.
        """
        require_proofs(self.code, self.owner_id, plan_hash, proofs, needed.kinds)
        self._take_over(stages)
        current = self.current_stage
        self._move(lifecycle.STATE_BY_STAGE[StageState(current.state)] if current else PilotState.AT_GATE)
        self.plan_hash, self.sealed_at = plan_hash, at

    def draw(self, number: int) -> None:
        """The current stage has its ledger."""
        self._move_both(self._current(number), StageState.DRAWN, PilotState.DRAWN)

    def start_stage(
        self, number: int, approvals: Sequence[Proof], *, needed: SignOffs = ONE_OF_EACH, today: date
    ) -> None:
        """Give the drawn stage its go-ahead, on the day it starts or before; the needed sign-offs must still hold."""
        stage = self._current(number)
        require_proofs(self.code, self.owner_id, self.plan_hash or "", approvals, needed.kinds)
        if today > stage.starts_on:
            raise StartPassed(stage=number, pilot=self.code, starts_on=str(stage.starts_on), today=str(today))
        self._move_both(stage, StageState.RUNNING, PilotState.RUNNING)

    def reach_gate(self, number: int, *, today: date) -> None:
        """The stage's window is over and a report of it is frozen: one look is taken."""
        stage = self._current(number)
        if today <= stage.ends_on:
            raise WindowStillOpen(stage=number, pilot=self.code, ends_on=str(stage.ends_on), today=str(today))
        stage.move(StageState.AT_GATE)
        stage.looks_taken += 1
        self._move_with_stage(PilotState.AT_GATE)

    def extend_stage(self, number: int, planned: StagePlan, decisions: Sequence[Proof]) -> None:
        """Run on for the planned extension, with the same controls, to the next look."""
        stage = self._current(number)
        self._require_decision(decisions)
        if stage.looks_taken >= planned.looks:
            raise NoLookLeft(stage=number, pilot=self.code, looks=planned.looks)
        stage.move(StageState.EXTENDED)
        stage.ends_on = planned.ends_on(stage.looks_taken + 1)
        self._move_with_stage(PilotState.RUNNING)

    def pass_stage(self, number: int, decisions: Sequence[Proof], *, is_next_network: bool) -> None:
        """Through the gate: the next stage waits for its draw, or after the last one the pilot is rolled out.

        Going network-wide (the next stage is the network, or there is no next stage) takes two people.
        """
        stage = self._current(number)
        self._require_decision(decisions)
        is_last = stage is self.stages[-1]
        if is_last or is_next_network:
            require_two_people(self.code, decisions)
        self._move_both(stage, StageState.PASSED, PilotState.ROLLED_OUT if is_last else PilotState.SEALED)

    def stop(self) -> None:
        """The end without a rollout: every stage that has not passed stops."""
        self._move(PilotState.STOPPED)
        for stage in self.stages:
            if stage.state not in (StageState.PASSED, StageState.STOPPED):
                stage.move(StageState.STOPPED)

    def send_back(self) -> None:
        """Back to its author, who may edit the plan and submit it again."""
        self._move(PilotState.DRAFT)

    def _take_over(self, planned: Sequence[StagePlan]) -> None:
        present = {stage.number: stage for stage in self.stages}
        for step in planned:
            stage = present.pop(step.number, None)
            if stage is None:
                self.stages.append(Stage(number=step.number, state=StageState.PLANNED, looks_taken=0))
                stage = self.stages[-1]
            if not stage.is_started:
                stage.name, stage.starts_on, stage.ends_on = step.name, step.starts_on, step.ends_on()
        for dropped in present.values():
            self.stages.remove(dropped)

    def _move(self, to: PilotState) -> None:
        lifecycle.require_move(self.code, PilotState(self.state), to)
        self.state = to

    def _move_both(self, stage: "Stage", stage_to: StageState, to: PilotState) -> None:
        """Both moves or neither."""
        lifecycle.require_move(self.code, PilotState(self.state), to)
        stage.move(stage_to)
        self.state = to

    def _move_with_stage(self, to: PilotState) -> None:
        """The stage goes on while an amendment waits for its sign-offs; the pilot's own state then stays with that."""
        if self.state not in (PilotState.DRAFT, PilotState.SUBMITTED, PilotState.COSIGNED):
            self._move(to)

    def _current(self, number: int) -> "Stage":
        current = self.current_stage
        if current is None or current.number != number:
            raise StageOutOfTurn(stage=number, pilot=self.code, current=current.number if current else "–")
        return current

    def _require_decision(self, decisions: Sequence[Proof]) -> None:
        plan_hash = next((proof.plan_hash for proof in decisions), "")
        require_proofs(self.code, self.owner_id, plan_hash, decisions, [ProofKind.DECISION])


class PlanVersion(Base):
    """A submitted plan as canonical text, with its hash; an amendment carries its reason. Append-only.

    ``money_at_risk`` says by stage number (as text) what the stage costs if it brings nothing, in minor units, as it
    was reckoned when the plan was submitted; None in versions of before.
    """

    __tablename__ = "plan_version"
    __table_args__ = (UniqueConstraint("pilot_id", "number"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    number: Mapped[int]
    text: Mapped[text]
    hash: Mapped[digest]
    reason: Mapped[str] = mapped_column(Text)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[instant]
    money_at_risk: Mapped[dict[str, int] | None] = mapped_column(JSON)


class Acceptance(Base):
    """Somebody accepted by name, for a plan with exactly this hash, that it cannot prove its break-even. Append-only.

    ``for_user_id`` is the person in whose place a deputy accepted.
    """

    __tablename__ = "acceptance"
    __table_args__ = (UniqueConstraint("pilot_id", "plan_hash"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    plan_hash: Mapped[digest]
    user_id: Mapped[int] = mapped_column(ForeignKey("app_user.id"))
    for_user_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id"))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[instant]


class StageRestriction(Base):
    """The regions in which the executives let a stage go on; stores elsewhere are not drawn. Append-only."""

    __tablename__ = "stage_restriction"
    __table_args__ = (UniqueConstraint("pilot_id", "stage_number"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    stage_number: Mapped[int]
    regions: Mapped[list[str]] = mapped_column(JSON)
    at: Mapped[instant]


class Stage(Base):
    """A step of the pilot at run time; what it is to do stands in the plan under the same number."""

    __tablename__ = "stage"
    __table_args__ = (UniqueConstraint("pilot_id", "number"),)

    id: Mapped[pk]
    pilot_id: Mapped[int] = mapped_column(ForeignKey("pilot.id"))
    number: Mapped[int]
    name: Mapped[name]
    state: Mapped[StageState] = mapped_column(String(20))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    looks_taken: Mapped[int]
    pilot: Mapped[Pilot] = relationship(back_populates="stages")

    @property
    def is_started(self) -> bool:
        """It runs or has run: its draw and its part of the plan stand."""
        return StageState(self.state) in lifecycle.STARTED

    @property
    def is_under_way(self) -> bool:
        """It runs now: running, extended, or waiting at its gate."""
        return StageState(self.state) in lifecycle.UNDER_WAY

    def move(self, to: StageState) -> None:
        """Change the state by the table; ``IllegalMove`` otherwise."""
        lifecycle.require_stage_move(f"{self.pilot.code} / {self.number}", StageState(self.state), to)
        self.state = to
