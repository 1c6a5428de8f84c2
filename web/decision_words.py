"""What an executive reads before and after deciding: the report's grounds, each choice, and stores that got taken."""

from dataclasses import dataclass
from typing import Any

from flask import request
from flask_login import current_user

from experiments.look.report import BLOCKING_STAMPS, Stamp, Status
from pilot.access.permissions import Permission
from pilot.assignment.exclusions import exclusions
from pilot.evidence import queries
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import ReportView
from pilot.evidence.recommendation import RuleResult
from pilot.evidence.sentences import STAMPS
from pilot.governance import queries as governance
from pilot.governance.deputies import acting
from pilot.governance.model import Choice
from pilot.governance.queries import Option
from pilot.network import queries as network
from pilot.planning import queries as planning
from pilot.planning.candidate_words import StaysOut
from pilot.planning.candidates import units_of
from pilot.planning.lifecycle import StageState
from pilot.planning.model import Pilot
from pilot.words import translate
from web import gate_words, report_words
from web.auth import actor, may
from web.presenters import Badge, choice_name, day, whole
from web.report_words import ShownRow
from web.words import _
from web.work import session, settings


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the gate in words, with Met or Not met, and what stood against which threshold."""

    badge: Badge
    text: str
    numbers: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """The rules of the gate that answer one question, those not met first."""

    title: str
    rules: list[Rule]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a decision rests on: the sentences, the rules of the gate, the guardrails, and what warns.

    ``look`` says which look it is and at which level it tests, ``cause`` why the report recommends to stop, ``dropped``
    which variants must not go on while others do.
    """

    sentences: list[str]
    questions: list[Question]
    guardrails: list[ShownRow]
    warnings: list[str]
    look: str = ""
    cause: str = ""
    dropped: str = ""


@dataclass(frozen=True, slots=True)
class Choosable:
    """One choice on the decision form."""

    code: str
    name: str
    what: str
    regions: tuple[str, ...] = ()


def grounds(report: ReportView) -> Grounds:
    """The report as far as a decision rests on it."""
    rows = report_words.rows(report)
    return Grounds(
        report_words.verdict(report),
        questions(report),
        [row for row in rows if row.guardrail or row.is_guardrail],
        _warnings(report),
        gate_words.look(report),
        gate_words.cause(report),
        gate_words.dropped(report),
    )


def questions(report: ReportView) -> list[Question]:
    """Every rule of the gate with its badge, beneath the question that it answers."""
    badges = {True: Badge(_("Met"), "good"), False: Badge(_("Not met"), "bad")}

    def worded(one: RuleResult) -> Rule:
        return Rule(badges[one.passed], report_words.rule_in_words(report, one), gate_words.numbers(report, one))

    return [Question(title, [worded(one) for one in found]) for title, found in gate_words.by_question(report)]


def _warnings(report: ReportView) -> list[str]:
    """Stamps that block the rows which a decision reads, and checks that are not in order."""
    read = [row for row in report.rows if row.segment is None and (row.leads or row.role == "guardrail")]
    said = [
        f"{translate(row.title)}: {translate(STAMPS[stamp])}"
        for row in read
        for stamp in map(Stamp, row.stamps)
        if stamp in BLOCKING_STAMPS
    ]
    found = [one for one in report.document.analysis.diagnostics if one.status is not Status.OK]
    return [*said, *(report_words.check_warning(report, one) for one in found)]


def form(pilot: Pilot, report: FrozenReport) -> dict[str, Any]:
    """What ``reports/_choices.html`` shows of a report that waits; ``?choice=`` names the choice that is ticked."""
    standing = governance.standing_of(session(), report)
    outcome = standing.outcome
    return {
        "report": report,
        "round": standing.round,
        "is_sent_back": outcome is not None and outcome.choice == Choice.SEND_BACK,
        "choices": choices(pilot, report),
        "chosen": request.args.get("choice", ""),
        "region_names": {region.code: region.name for region in network.regions(session())},
        "stands_in_for": _principal(pilot),
        "waiting": gate_words.waiting(queries.report(session(), report.code)),
    }


def _principal(pilot: Pilot) -> str:
    """In whose place the person would decide; empty where it is their own word."""
    found = acting(session(), actor(), Permission.DECISION_MAKE, pilot, now=settings().now())
    return found.principal.name if found and found.principal else ""


def choices(pilot: Pilot, report: FrozenReport) -> list[Choosable]:
    """What this person may choose, the recommended choice first, with what each does and how many it takes."""
    if not may(Permission.DECISION_MAKE, pilot):
        return []
    plan = planning.plan_of(session(), pilot, report.plan_hash)
    later = [stage.name for stage in plan.stages if stage.number > report.stage_number]
    view = queries.report(session(), report.code)
    said_by_me = [
        one.choice for one in governance.standing_of(session(), report).latest if one.user_id == current_user.id
    ]
    return [
        Choosable(
            option.choice.value,
            choice_name(option.choice),
            " ".join(
                said
                for said in (
                    _what_it_does(option, later, is_mine=option.choice in said_by_me),
                    gate_words.keeps_dropped(view, option.choice),
                )
                if said
            ),
            option.regions,
        )
        for option in governance.options(session(), report)
        if option.is_open
    ]


def _what_it_does(option: Option, later: list[str], *, is_mine: bool) -> str:
    said = {
        Choice.APPROVE: _("Goes on to: %(next)s.", next=later[0] if later else _("the whole network")),
        Choice.APPROVE_SOME: _(
            "Goes on to %(next)s in the regions that you tick; stores elsewhere are not drawn.",
            next=later[0] if later else _("the whole network"),
        ),
        Choice.EXTEND: _("The stage runs on until %(day)s; controls stay controls.", day=day(option.until)),
        Choice.SEND_BACK: _("The author answers your question; nothing moves until then."),
        Choice.STOP: _("The pilot ends without a rollout."),
    }[option.choice]
    if option.is_recommended:
        said += " " + _("This is what the report recommends.")
    if option.is_override:
        said += " " + _("This goes against the recommendation.")
    if option.signatures_needed > 1:
        said += " " + _(
            "Executives who have to agree: %(needed)s; so far: %(n)s.",
            needed=option.signatures_needed,
            n=option.signatures,
        )
    if option.signatures_needed > 1 and is_mine:
        said += " " + _("You have said so already.")
    return said


def taken_from(pilot: Pilot, stage_number: int) -> str:
    """How many units a coming stage of the sealed plan has lost to other pilots; empty where it has lost none."""
    plan = planning.sealed_plan(session(), pilot)
    later = [stage for stage in plan.stages if stage.number == stage_number]
    running = {stage.number: stage.state for stage in pilot.stages}
    if not later or running.get(stage_number, StageState.PLANNED) != StageState.PLANNED:
        return ""
    units = units_of(session(), plan, later[0])
    held = exclusions(session(), pilot, stage_number).stores
    why = [next((held[s.code] for s in stores if s.code in held), None) for stores in units.values()]
    if StaysOut.OTHER_PILOT not in why:
        return ""
    return _(
        "Stage %(stage)s was planned with %(planned)s units; %(taken)s of them are used by another pilot now, "
        "and at most %(free)s are free.",
        stage=stage_number,
        planned=whole(len(why) - why.count(StaysOut.TREATED_EARLIER)),
        taken=whole(why.count(StaysOut.OTHER_PILOT)),
        free=whole(why.count(None)),
    )


def of_report(code: str) -> Grounds:
    """The grounds of the frozen report ``code``."""
    return grounds(queries.report(session(), code))
