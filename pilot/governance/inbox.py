"""What waits for a person: plans to sign, reports to decide, stages to draw, start or report on, and since when."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.access.permissions import Permission, may
from pilot.audit.model import AuditEntry
from pilot.evidence.chapters.registry import refusal_of
from pilot.evidence.document import ReportDocument
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import document_of, latest_report
from pilot.governance import asking
from pilot.governance.approvals import holding, wanted
from pilot.governance.decisions import standing
from pilot.governance.deputies import acting
from pilot.governance.model import Choice
from pilot.network.queries import network
from pilot.planning.model import Pilot, PilotState, PlanVersion, Stage, StageState
from pilot.planning.proofs import ProofKind
from pilot.planning.queries import business_day, pilots
from pilot.words import N_, Message


class Waiting(StrEnum):
    """What a person is asked to do."""

    FINISH_PLAN = "finish_plan"
    COSIGN = "cosign"
    APPROVE = "approve"
    ACCEPT_UNPROVEN = "accept_unproven"
    DRAW = "draw"
    START = "start"
    MAKE_REPORT = "make_report"
    DECIDE = "decide"
    AGREE = "agree"
    ANSWER = "answer"


_ASKS: dict[Waiting, str] = {
    Waiting.FINISH_PLAN: N_("Finish the plan and submit it"),
    Waiting.COSIGN: N_("Read the plan and co-sign it, or send it back"),
    Waiting.APPROVE: N_("Approve and seal the plan, or send it back"),
    Waiting.ACCEPT_UNPROVEN: N_(
        "Accept, or leave it: it cannot prove its break-even. It sees changes from {smallest:.1%} of sales on, and the "
        "offer pays from {break_even:.1%} on."
    ),
    Waiting.DRAW: N_("Draw stage {stage}"),
    Waiting.START: N_("Start stage {stage}"),
    Waiting.MAKE_REPORT: N_("Make the report on stage {stage}: its window is over"),
    Waiting.DECIDE: N_("Decide on the report on stage {stage}"),
    Waiting.AGREE: N_("Decide on the report on stage {stage}: another executive has chosen, a second has to agree"),
    Waiting.ANSWER: N_("Answer on stage {stage}: the report was sent back"),
}
_NEVER_PAYS = N_("Accept, or leave it: nothing proves that its offer pays.")
# The last of these acts is since when the thing waits.
_SINCE: dict[Waiting, tuple[str, ...]] = {
    Waiting.FINISH_PLAN: ("pilot.create", "plan.send_back"),
    Waiting.COSIGN: ("plan.submit", "plan.amend"),
    Waiting.APPROVE: ("plan.cosign",),
    Waiting.DRAW: ("plan.seal", "stage.pass"),
    Waiting.START: ("stage.draw",),
    Waiting.MAKE_REPORT: ("stage.start", "stage.extend"),
    Waiting.DECIDE: ("report.freeze", "report.answer"),
    Waiting.AGREE: ("report.decide",),
    Waiting.ANSWER: ("report.decide",),
}


class MoneyIs(StrEnum):
    """What the money of a thing that waits means."""

    AT_RISK = "at_risk"
    NET = "net"


# Which signature is asked for by what, the analysts' before the executives'.
_SIGNED = (
    (ProofKind.COSIGN, Permission.PLAN_COSIGN, Waiting.COSIGN),
    (ProofKind.APPROVE, Permission.PLAN_APPROVE, Waiting.APPROVE),
)
# What is asked before anything is known, so that the money is what a stage puts at risk.
_RISKS_MONEY = frozenset({Waiting.COSIGN, Waiting.APPROVE, Waiting.DRAW, Waiting.START})


@dataclass(frozen=True, slots=True)
class InboxMoney:
    """What the stage costs if it brings nothing, or what it earned net of all costs; in minor units.

    ``low`` and ``high`` are the ends of the net's interval (None: no limit). Where the report could not reckon it,
    ``refusal`` says why and ``minor`` is None.
    """

    what: MoneyIs
    minor: int | None
    low: float | None = None
    high: float | None = None
    refusal: Message | None = None


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One thing that waits, and for how much ``money``; None where none is known.

    ``effect`` (of the leading metric, in ``effect_unit``) is there where a report waits; ``only_identification`` says
    that nothing but identification rose in it.
    """

    waiting: Waiting
    pilot: str
    pilot_name: str
    stage: int | None
    since: datetime
    message: Message
    report: str | None = None
    recommendation: str | None = None
    effect: float | None = None
    interval: tuple[float | None, float | None] | None = None
    effect_unit: str | None = None
    currency: str | None = None
    money: InboxMoney | None = None
    only_identification: bool = False


def inbox(session: Session, user: User, *, now: datetime) -> list[InboxItem]:
    """Everything that waits for ``user``, the longest waiting first."""
    today = business_day(session, now)
    found: list[InboxItem] = []
    for pilot in pilots(session):
        over = partial(_is_over, today)
        for waiting, stage, report in _waiting(session, pilot, user, now=now, is_over=over):
            found.append(_item(session, pilot, waiting, stage, report))
        found += _acceptance(session, pilot, user, now=now)
    return sorted(found, key=lambda item: (item.since, item.pilot))


_Found = tuple[Waiting, Stage | None, FrozenReport | None]


def _is_over(today: date, stage: Stage) -> bool:
    return stage.ends_on < today


def _waiting(
    session: Session, pilot: Pilot, user: User, *, now: datetime, is_over: Callable[[Stage], bool]
) -> Iterator[_Found]:
    owns = pilot.owner_id == user.id
    stage = None if pilot.is_ended else pilot.current_stage
    if pilot.state == PilotState.DRAFT and owns:
        yield Waiting.FINISH_PLAN, None, None
    yield from _signatures(session, pilot, user, now=now)
    if stage is None:
        return
    if pilot.state == PilotState.SEALED and may(user, Permission.STAGE_DRAW, pilot):
        yield Waiting.DRAW, stage, None
    if pilot.state == PilotState.DRAWN and may(user, Permission.STAGE_START, pilot):
        yield Waiting.START, stage, None
    runs = stage.state in (StageState.RUNNING, StageState.EXTENDED)
    if runs and is_over(stage) and may(user, Permission.REPORT_MAKE, pilot):
        yield Waiting.MAKE_REPORT, stage, None
    if pilot.state == PilotState.AT_GATE and stage.state == StageState.AT_GATE:
        yield from _at_gate(session, pilot, stage, user, now=now)


def _signatures(session: Session, pilot: Pilot, user: User, *, now: datetime) -> Iterator[_Found]:
    """What the policy still wants signed and this person, or who they stand in for, may sign; nobody signs twice."""
    kinds = wanted(session, pilot, now=now)
    given = frozenset(person for proof in holding(session, pilot, now=now) for person in proof.people)
    if not kinds or user.id in given:
        return
    for kind, permission, waiting in _SIGNED:
        if kind in kinds and acting(session, user, permission, pilot, now=now, but=given) is not None:
            yield waiting, None, None
            return


def _acceptance(session: Session, pilot: Pilot, user: User, *, now: datetime) -> Iterator[InboxItem]:
    """A draft whose author asks to accept that it cannot prove its break-even, of this person or as a deputy."""
    asked = asking.asked_to_accept(session, pilot)
    if asked is None or acting(session, user, Permission.PLAN_APPROVE, pilot, now=now) is None:
        return
    message = Message("waiting_accept_never_pays", _NEVER_PAYS, {})
    if asked.smallest is not None and asked.break_even is not None:
        values = {"smallest": asked.smallest, "break_even": asked.break_even}
        message = Message("waiting_accept_unproven", _ASKS[Waiting.ACCEPT_UNPROVEN], values)
    yield InboxItem(
        Waiting.ACCEPT_UNPROVEN,
        pilot.code,
        pilot.name,
        asked.stage,
        asked.at,
        message,
        currency=network(session).currency,
        money=None if asked.at_risk_minor is None else InboxMoney(MoneyIs.AT_RISK, asked.at_risk_minor),
    )


def _at_gate(session: Session, pilot: Pilot, stage: Stage, user: User, *, now: datetime) -> Iterator[_Found]:
    report = latest_report(session, pilot, stage.number)
    if report is None:
        return
    now_standing = standing(session, report)
    outcome = now_standing.outcome
    if outcome is not None and outcome.choice == Choice.SEND_BACK and pilot.owner_id == user.id:
        yield Waiting.ANSWER, stage, report
    if outcome is not None:
        return
    said = {one for decision in now_standing.latest for one in (decision.user_id, decision.for_user_id) if one}
    acts = acting(session, user, Permission.DECISION_MAKE, pilot, now=now, but=frozenset(said))
    if acts is not None and user.id not in said:
        yield Waiting.AGREE if now_standing.latest else Waiting.DECIDE, stage, report


def _item(
    session: Session, pilot: Pilot, waiting: Waiting, stage: Stage | None, report: FrozenReport | None
) -> InboxItem:
    values = {} if stage is None else {"stage": stage.number}
    message = Message(f"waiting_{waiting.value}", _ASKS[waiting], values)
    since = _since(session, pilot, _SINCE[waiting])
    number = stage.number if stage else None
    if report is None:
        money = at_risk(session, pilot, number) if waiting in _RISKS_MONEY else None
        currency = network(session).currency if money else None
        return InboxItem(waiting, pilot.code, pilot.name, number, since, message, currency=currency, money=money)
    document = document_of(report)
    leading = next(iter(document.analysis.leading_rows), None)
    estimate = leading.estimate if leading else None
    return InboxItem(
        waiting,
        pilot.code,
        pilot.name,
        number,
        since,
        message,
        report=report.code,
        recommendation=report.recommendation,
        effect=estimate.effect if estimate else None,
        interval=leading.interval_gate if leading else None,
        effect_unit=leading.metric_unit if leading else None,
        currency=document.currency,
        money=net_of(document),
        only_identification=bool(document.chapters.get("swiped", {}).get("only_identification")),
    )


def at_risk(session: Session, pilot: Pilot, stage: int | None = None) -> InboxMoney | None:
    """What a stage (None: the first) of the plan that was submitted last costs if it brings nothing, as kept then."""
    wanted = select(PlanVersion).where(PlanVersion.pilot_id == pilot.id).order_by(PlanVersion.number.desc()).limit(1)
    version = session.scalar(wanted)
    kept = version.money_at_risk if version else None
    if not kept:
        return None
    number = str(stage) if stage is not None else min(kept, key=int)
    return InboxMoney(MoneyIs.AT_RISK, kept[number]) if number in kept else None


def net_of(document: ReportDocument) -> InboxMoney | None:
    """What the stage earned by the report's chapter about money: of the variant that would go on, else the first."""
    told = document.chapters.get("money")
    if told is None:
        return None
    refusal = refusal_of(told)
    found = {code: one for code, one in told.get("variants", {}).items() if refusal_of(one) is None}
    if refusal is None and not found:
        refusal = next((refusal_of(one) for one in told["variants"].values()), None)
    if not found:
        return InboxMoney(MoneyIs.NET, None, refusal=refusal)
    going_on = next((code for code in document.recommendation.variants if code in found), next(iter(found)))
    one = found[going_on]
    return InboxMoney(MoneyIs.NET, one["net_minor"], one["net_low_minor"], one["net_high_minor"])


def _since(session: Session, pilot: Pilot, verbs: tuple[str, ...]) -> datetime:
    last: datetime | None = session.scalar(
        select(func.max(AuditEntry.at)).where(
            AuditEntry.subject_kind == "pilot", AuditEntry.subject == pilot.code, AuditEntry.verb.in_(verbs)
        )
    )
    return last or pilot.created_at
