"""Read models of evidence: a frozen report with all its values, the reports of a pilot, the lake versions they pin."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.estimate.estimate import Estimate
from experiments.look.report import NonInferiority, ReportRow
from experiments.measure.series import WeekPoint
from experiments.messages import Message as ExperimentMessage
from pilot.access.model import User
from pilot.assignment.model import Draw
from pilot.audit.queries import history_of
from pilot.errors import NotFound
from pilot.evidence.document import ReportDocument, read_document
from pilot.evidence.model import FrozenReport
from pilot.evidence.recommendation import Recommendation
from pilot.planning.metrics import in_our_words, library_metric
from pilot.planning.model import Pilot
from pilot.programs.model import Program
from pilot.words import Message


@dataclass(frozen=True, slots=True)
class RowView:
    """One row of the effect table: the metric in words, its numbers unrounded, and the truth where a demo knows it.

    Either ``estimate`` or ``refusal`` is there. ``verdict`` is ``better``, ``worse`` or ``no_evidence`` by the gate's
    interval; None without an estimate.
    """

    metric: str
    title: Message
    pitfall: Message
    unit: str
    level: str
    role: str
    direction: str
    variant: str
    variant_name: str
    segment: str | None
    estimate: Estimate | None
    interval_gate: tuple[float | None, float | None] | None
    gate_confidence: float | None
    p_value_adjusted: float | None
    non_inferiority: NonInferiority | None
    alternatives: tuple[Estimate, ...]
    stamps: tuple[str, ...]
    assumption: Message | None
    refusal: Message | None
    leads: bool
    verdict: str | None
    truth: float | None

    @property
    def covers_truth(self) -> bool | None:
        """Whether the 95 % interval holds the known truth; None where there is no truth or no estimate."""
        if self.truth is None or self.estimate is None:
            return None
        low, high = self.estimate.interval
        return (low is None or low <= self.truth) and (high is None or self.truth <= high)


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report as a page shows it. ``document`` has everything; ``frozen`` is None for an exploratory one."""

    document: ReportDocument
    pilot_name: str
    owner_name: str
    frozen: FrozenReport | None
    rows: tuple[RowView, ...]
    variant_names: dict[str, str]

    @property
    def recommendation(self) -> Recommendation:
        return self.document.recommendation

    @property
    def leading(self) -> RowView | None:
        """The row that decides, or the first of several; None where nothing may lead (an exploratory report)."""
        return next((row for row in self.rows if row.leads), None)

    @property
    def headline(self) -> RowView | None:
        """What the sentence on top is about: the leading row, else the first row."""
        return self.leading or next(iter(self.rows), None)

    @property
    def starts_on(self) -> date:
        return self.document.window.first

    @property
    def series(self) -> tuple[WeekPoint, ...]:
        return self.document.series

    @property
    def knows_truth(self) -> bool:
        return bool(self.document.truths)


@dataclass(frozen=True, slots=True)
class ReportListed:
    """A frozen report in a list."""

    code: str
    stage: int
    look: int
    recommendation: str
    hash: str
    created_by: str
    created_at: datetime


def report(session: Session, code: str) -> ReportView:
    """The frozen report ``code``; raises ``NotFound``."""
    frozen = session.scalar(select(FrozenReport).where(FrozenReport.code == code))
    if frozen is None:
        raise NotFound(kind="report", name=code)
    return view(session, document_of(frozen), frozen)


def view(session: Session, document: ReportDocument, frozen: FrozenReport | None = None) -> ReportView:
    """Any report document, frozen or exploratory, as a page shows it."""
    pilot = session.scalars(select(Pilot).where(Pilot.code == document.pilot)).one()
    program = session.get_one(Program, pilot.program_id)
    owner = session.get_one(User, pilot.owner_id)
    names = {variant.code: variant.name for variant in program.variants}
    rows = tuple(_row(document, row, names) for row in document.analysis.rows)
    return ReportView(document, pilot.name, owner.name, frozen, rows, names)


def reports_of(session: Session, pilot: Pilot) -> list[ReportListed]:
    """The frozen reports of a pilot, newest first, without their documents."""
    columns = (
        FrozenReport.code, FrozenReport.stage_number, FrozenReport.look, FrozenReport.recommendation,
        FrozenReport.hash, FrozenReport.created_by, FrozenReport.created_at,
    )  # fmt: skip
    found = session.execute(select(*columns).where(FrozenReport.pilot_id == pilot.id).order_by(FrozenReport.id.desc()))
    return [ReportListed(*row) for row in found]


@dataclass(frozen=True, slots=True)
class Explored:
    """Somebody asked what a stage's data say beyond the plan."""

    stage: int
    who: str
    at: datetime


def explorations_of(session: Session, pilot: Pilot) -> list[Explored]:
    """Every exploration of a pilot's stages that the log knows, newest first."""
    names = dict(session.execute(select(User.email, User.name)).all())
    found = [entry for entry in history_of(session, "pilot", pilot.code) if entry.verb == "report.explore"]
    return [
        Explored(int(json.loads(one.text)["stage"]), names.get(one.actor, one.actor), one.at) for one in reversed(found)
    ]


def latest_report(session: Session, pilot: Pilot, stage_number: int) -> FrozenReport | None:
    """The last frozen report of a stage; None before its first look."""
    wanted = select(FrozenReport).where(FrozenReport.pilot_id == pilot.id, FrozenReport.stage_number == stage_number)
    return session.scalar(wanted.order_by(FrozenReport.look.desc()).limit(1))


def document_of(frozen: FrozenReport) -> ReportDocument:
    """The document of a frozen report."""
    return _read(frozen.document)


def pinned_versions(session: Session) -> list[int]:
    """The lake versions that frozen reports and draws name: vacuum keeps them, restore looks for the latest."""
    named = {*session.scalars(select(FrozenReport.lake_version)), *session.scalars(select(Draw.lake_version))}
    return sorted(named)


@lru_cache(maxsize=32)
def _read(text: str) -> ReportDocument:
    """A frozen text never changes, so reading it once is enough."""
    return read_document(text)


def _row(document: ReportDocument, row: ReportRow, names: dict[str, str]) -> RowView:
    words = library_metric(row.metric)
    return RowView(
        metric=row.metric,
        title=words.title,
        pitfall=words.pitfall,
        unit=row.metric_unit,
        level=row.level,
        role=row.role,
        direction=row.direction,
        variant=row.variant,
        variant_name=names.get(row.variant, row.variant),
        segment=row.segment,
        estimate=row.estimate,
        interval_gate=row.interval_gate,
        gate_confidence=row.gate_confidence,
        p_value_adjusted=row.p_value_adjusted,
        non_inferiority=row.non_inferiority,
        alternatives=row.alternatives,
        stamps=row.stamps,
        assumption=_ours(row.assumption),
        refusal=_ours(row.refusal),
        leads=row.leads,
        verdict=_verdict(row),
        truth=document.truth(row.metric, row.variant) if row.segment is None else None,
    )


def _ours(message: ExperimentMessage | None) -> Message | None:
    """A message of the statistics as one of ours."""
    return None if message is None else in_our_words(message)


def _verdict(row: ReportRow) -> str | None:
    if row.estimate is None:
        return None
    low, high = row.interval_gate or row.estimate.interval
    above, below = low is not None and low > 0, high is not None and high < 0
    if not above and not below:
        return "no_evidence"
    return "better" if above == (row.direction == "up") else "worse"
