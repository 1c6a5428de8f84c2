"""Read models of governance: sign-offs, decisions, what an executive may choose, and a pilot's history."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.audit.queries import history_of
from pilot.evidence.model import FrozenReport
from pilot.evidence.recommendation import Recommended
from pilot.governance import messages, rules
from pilot.governance.approvals import approvals, latest_hash
from pilot.governance.decisions import Standing, all_answers, all_decisions, next_regions, standing
from pilot.governance.inbox import InboxItem as InboxItem
from pilot.governance.inbox import Waiting as Waiting
from pilot.governance.inbox import inbox as inbox
from pilot.governance.model import Choice
from pilot.governance.needed import needed_for
from pilot.planning.model import Pilot, StageState
from pilot.planning.queries import sealed_plan
from pilot.words import Message


@dataclass(frozen=True, slots=True)
class SignOff:
    """A signature on a plan; void when the plan has another hash now. A deputy signed ``for_whom``."""

    kind: str
    who: str
    at: datetime
    plan_hash: str
    reason: str
    is_void: bool
    for_whom: str = ""


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """An executive's choice, or (``choice`` None) the author's answer to a report that was sent back."""

    who: str
    round: int
    choice: str | None
    text: str
    is_override: bool
    takes_effect: bool
    at: datetime
    for_whom: str = ""
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """What an executive may choose on a report: how many signatures it needs and how many it has.

    ``is_open`` is False for an extension when no planned look is left, and for an approval in some regions where the
    next stage has not several. ``until`` is the last day an extension reads, ``regions`` are those to choose from.
    """

    choice: Choice
    is_recommended: bool
    is_override: bool
    is_network_wide: bool
    signatures: int
    signatures_needed: int
    is_open: bool
    until: date | None = None
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One entry of a pilot's history: the act in words, who did it, and the recorded details (codes and numbers)."""

    seq: int
    at: datetime
    actor: str
    verb: str
    message: Message
    details: dict[str, Any]


def sign_offs(session: Session, pilot: Pilot) -> list[SignOff]:
    """Every signature the pilot's plans ever had, oldest first, void ones marked."""
    present = latest_hash(session, pilot)
    names = _names(session)
    return [
        SignOff(
            str(a.kind),
            names[a.user_id],
            a.at,
            a.plan_hash,
            a.reason,
            a.plan_hash != present,
            names[a.for_user_id] if a.for_user_id else "",
        )
        for a in approvals(session, pilot)
    ]


def decisions_of(session: Session, report: FrozenReport) -> list[DecisionRow]:
    """All choices on a report and the author's answers between them, in order."""
    names = _names(session)
    rows = [
        DecisionRow(
            names[d.user_id],
            d.round,
            str(d.choice),
            d.reason,
            d.is_override,
            d.takes_effect,
            d.at,
            names[d.for_user_id] if d.for_user_id else "",
            tuple(d.regions or ()),
        )
        for d in all_decisions(session, report)
    ]
    rows += [
        DecisionRow(names[a.user_id], a.round, None, a.text, False, True, a.at) for a in all_answers(session, report)
    ]
    # An answer closes its round, so it stands after that round's decisions.
    return sorted(rows, key=lambda row: (row.round, row.choice is None))


def standing_of(session: Session, report: FrozenReport) -> Standing:
    """The report's present round and the executives' last words in it."""
    return standing(session, report)


def is_waiting_for_decision(session: Session, report: FrozenReport) -> bool:
    """Whether this is the report at its stage's gate and nothing has taken effect in its present round."""
    pilot = session.get_one(Pilot, report.pilot_id)
    stage = pilot.stage(report.stage_number)
    at_gate = stage.state == StageState.AT_GATE and stage.looks_taken == report.look
    return at_gate and standing(session, report).outcome is None


def options(session: Session, report: FrozenReport) -> list[Option]:
    """What executives may choose on a report, the recommended choice first, with the signatures each needs and has."""
    pilot = session.get_one(Pilot, report.pilot_id)
    planned = sealed_plan(session, pilot)
    this = planned.stage(report.stage_number)
    later = [stage for stage in planned.stages if stage.number == this.number + 1]
    recommended = Recommended(report.recommendation)
    given = standing(session, report)
    by_policy = needed_for(session, pilot, planned, this).row.decisions
    regions = next_regions(session, planned, this.number)
    found = []
    for choice in Choice:
        override = rules.is_override(choice, recommended)
        network_wide = rules.goes_network_wide(
            choice, is_last_stage=not later, next_is_network=any(stage.is_network for stage in later)
        )
        extends, limits = choice is Choice.EXTEND, choice is Choice.APPROVE_SOME
        may_extend = report.look < this.looks
        found.append(
            Option(
                choice=choice,
                is_recommended=not limits and rules.agrees(choice, recommended),
                is_override=override,
                is_network_wide=network_wide,
                signatures=len(given.supporters(choice)),
                signatures_needed=rules.signatures_needed(
                    choice, override=override, network_wide=network_wide, by_policy=by_policy
                ),
                is_open=(may_extend or not extends) and (len(regions) > 1 or not limits),
                regions=regions if limits else (),
                until=this.ends_on(report.look + 1) if extends and may_extend else None,
            )
        )
    return sorted(found, key=lambda option: not option.is_recommended)


def history(session: Session, pilot: Pilot) -> list[HistoryRow]:
    """Everything that happened to the pilot, newest first, as the audit has it."""
    return [
        HistoryRow(entry.seq, entry.at, entry.actor, entry.verb, messages.act(entry.verb), json.loads(entry.text))
        for entry in reversed(history_of(session, "pilot", pilot.code))
    ]


def _names(session: Session) -> dict[int, str]:
    return {user.id: user.name for user in session.scalars(select(User))}
