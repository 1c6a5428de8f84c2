"""Where a report stands with the executives: its round, who has chosen what, and whether a choice takes effect."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.evidence.model import FrozenReport
from pilot.governance.model import Answer, Choice, Decision
from pilot.planning.candidates import units_of
from pilot.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Standing:
    """The decisions on one report in its present round; ``latest`` holds each seat's last word, oldest first.

    A seat is an executive; a deputy speaks from the seat of the one whom they stand in for.
    """

    round: int
    latest: tuple[Decision, ...]

    @property
    def outcome(self) -> Decision | None:
        """The decision that took effect in this round; None while the report waits."""
        return next((decision for decision in self.latest if decision.takes_effect), None)

    def supporters(self, choice: Choice, regions: Sequence[str] = ()) -> tuple[Decision, ...]:
        """The last words of this round that chose the very same, each of a human and a seat that no other uses."""
        found: list[Decision] = []
        used: set[int] = set()
        for decision in self.latest:
            people = {decision.user_id, decision.seat}
            if decision.said == (str(choice), *sorted(regions)) and not people & used:
                found.append(decision)
                used |= people
        return tuple(found)

    def with_word(self, user_id: int, for_user_id: int | None, choice: Choice, regions: Sequence[str]) -> int:
        """How many would agree if this person now said the same: earlier words of theirs, or of their seat, go."""
        people = {user_id, for_user_id or user_id}
        others = [one for one in self.supporters(choice, regions) if not people & {one.user_id, one.seat}]
        return len(others) + 1


def next_regions(session: Session, plan: Plan, stage_number: int) -> tuple[str, ...]:
    """The codes of the regions that the stage after this one reaches; empty where no stage comes."""
    following = [stage for stage in plan.stages if stage.number == stage_number + 1]
    stores = [store for units in units_of(session, plan, following[0]).values() for store in units] if following else []
    return tuple(sorted({store.region.code for store in stores}))


def standing(session: Session, report: FrozenReport) -> Standing:
    """Read the report's round and the executives' last words in it."""
    answers = session.scalar(select(func.count()).select_from(Answer).where(Answer.report_id == report.id)) or 0
    this_round = answers + 1
    wanted = select(Decision).where(Decision.report_id == report.id, Decision.round == this_round)
    latest: dict[int, Decision] = {}
    for decision in session.scalars(wanted.order_by(Decision.id)):
        for seat in [seat for seat, one in latest.items() if decision.user_id == one.user_id or decision.seat == seat]:
            latest.pop(seat)
        latest[decision.seat] = decision
    return Standing(this_round, tuple(latest.values()))


def all_decisions(session: Session, report: FrozenReport) -> Sequence[Decision]:
    """Every decision on the report in every round, oldest first."""
    return session.scalars(select(Decision).where(Decision.report_id == report.id).order_by(Decision.id)).all()


def all_answers(session: Session, report: FrozenReport) -> Sequence[Answer]:
    """Every answer of the author, oldest first."""
    return session.scalars(select(Answer).where(Answer.report_id == report.id).order_by(Answer.id)).all()
