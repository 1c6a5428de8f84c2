"""Where a report stands with the executives: its round, who has chosen what, and whether a choice takes effect."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.evidence.model import FrozenReport
from pilot.governance.model import Answer, Choice, Decision


@dataclass(frozen=True, slots=True)
class Standing:
    """The decisions on one report in its present round; ``latest`` holds each executive's last word, oldest first."""

    round: int
    latest: tuple[Decision, ...]

    @property
    def outcome(self) -> Decision | None:
        """The decision that took effect in this round; None while the report waits."""
        return next((decision for decision in self.latest if decision.takes_effect), None)

    def supporters(self, choice: Choice) -> tuple[int, ...]:
        """The executives (user ids) whose last word in this round is ``choice``."""
        return tuple(decision.user_id for decision in self.latest if decision.choice == choice)


def standing(session: Session, report: FrozenReport) -> Standing:
    """Read the report's round and the executives' last words in it."""
    answers = session.scalar(select(func.count()).select_from(Answer).where(Answer.report_id == report.id)) or 0
    this_round = answers + 1
    wanted = select(Decision).where(Decision.report_id == report.id, Decision.round == this_round)
    latest: dict[int, Decision] = {}
    for decision in session.scalars(wanted.order_by(Decision.id)):
        latest.pop(decision.user_id, None)
        latest[decision.user_id] = decision
    return Standing(this_round, tuple(latest.values()))


def all_decisions(session: Session, report: FrozenReport) -> Sequence[Decision]:
    """Every decision on the report in every round, oldest first."""
    return session.scalars(select(Decision).where(Decision.report_id == report.id).order_by(Decision.id)).all()


def all_answers(session: Session, report: FrozenReport) -> Sequence[Answer]:
    """Every answer of the author, oldest first."""
    return session.scalars(select(Answer).where(Answer.report_id == report.id).order_by(Answer.id)).all()
