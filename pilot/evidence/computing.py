"""Computing a report: plan, ledger and lake of one stage become one document. Reads only, and may take long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from experiments.design.balance import balance
from experiments.design.mechanisms import Mechanism
from experiments.look.analysis import analyze_look
from experiments.look.plan import Leads as AnalysisLeads
from experiments.look.plan import LookPlan, MarginScale, PlannedMetric, Role
from experiments.measure.customer_sums import CustomerReach
from experiments.measure.days import DayFacts
from experiments.measure.kept_sums import CustomerSums
from experiments.measure.metrics import metric_from_code
from experiments.measure.store_moments import Activity
from experiments.measure.windows import Window
from pilot.assignment import queries as assignment
from pilot.assignment.errors import NotDrawn
from pilot.assignment.model import Draw
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.registry import CHAPTERS, Chapter, compute_chapters
from pilot.evidence.code_version import code_version
from pilot.evidence.document import Freshness, KnownTruth, ReportDocument
from pilot.evidence.errors import LookBeyondPlan, ReceiptsMissing, StageNotRunning
from pilot.evidence.gate import recommend
from pilot.evidence.measuring import Moments, Period, measure, measured_codes, series_metric
from pilot.evidence.population import Population, population_of, without_lost
from pilot.evidence.truths import Truths
from pilot.network.queries import network
from pilot.outcomes import history
from pilot.planning.errors import WindowStillOpen
from pilot.planning.lifecycle import in_words
from pilot.planning.model import Pilot, Stage, StageState
from pilot.planning.plan import Plan, StagePlan
from pilot.planning.queries import business_day, plan_of

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from pilot.evidence import state as kept
    from pilot.outcomes.days.service import Days
    from pilot.outcomes.lake import Lake

Progress = Callable[[int, int], None]
RUNNING = (StageState.RUNNING, StageState.EXTENDED)


def compute_report(
    session: Session,
    pilot: Pilot,
    stage_number: int,
    *,
    lake: Lake,
    now: datetime,
    truths: Truths | None = None,
    exploratory: bool = False,
    known: int | None = None,
    progress: Progress | None = None,
) -> ReportDocument:
    """The report of the stage's next look. Reads only, and may take long: call it in ``database.reading()``.

    It reads the plan and the ledger of the stage's own draw and the lake, at its latest version or as it was ``known``
    at another, which it names. With ``exploratory`` it is what the data say today, at a gate or beyond the planned
    looks: stamped, and never frozen. Raises ``NotDrawn``, ``StageNotRunning``, ``LookBeyondPlan``, ``WindowStillOpen``,
    ``ReceiptsMissing``.
    """
    stage = pilot.stage(stage_number)
    draw = _draw_of(session, pilot, stage_number)
    planned = plan_of(session, pilot, draw.plan_hash).stage(stage_number)
    _require_look(pilot, stage, planned, exploratory=exploratory)
    version = lake.version() if known is None else known
    source = _Source.at(lake, version)
    through = _require_observed(session, pilot, stage, source.last_day, now)
    # A look beyond the plan is number K + 1: the statistics stamp everything in it as exploratory.
    look = planned.looks + 1 if exploratory else stage.looks_taken + 1
    window = Window(stage.starts_on, stage.ends_on)
    return _report(
        session, pilot, stage_number, draw, source, window, through, look, exploratory, truths=truths, progress=progress
    )


def report_at(session: Session, pilot: Pilot, document: ReportDocument, *, lake: Lake, version: int) -> ReportDocument:
    """The same look of the same draw, plan and window as ``document``, from the lake as it was at ``version``.

    What differs is what the lake knew; segments are by today's attributes, and so are closings but at the document's
    own version. Raises ``NotDrawn``, ``NoSuchLakeVersion``.
    """
    draw = next((d for d in assignment.draws(session, pilot) if d.ledger_hash == document.ledger_hash), None)
    if draw is None or draw.stage_number != document.stage:
        raise NotDrawn(stage=document.stage, pilot=pilot.code)
    source = _Source.at(lake, version)
    through = min(document.freshness.through, source.last_day or document.window.first)
    lost = document.freshness.lost if version == document.lake_version else None
    return _report(
        session,
        pilot,
        document.stage,
        draw,
        source,
        document.window,
        through,
        document.look,
        document.exploratory,
        lost=lost,
        chapters=(),  # a comparison of effects
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """What a report reads: the derived days where they hold the lake's version, else the receipts; the same digits."""

    lake: Lake
    version: int
    days: Days
    facts: DayFacts | None

    @classmethod
    def at(cls, lake: Lake, version: int) -> _Source:
        from pilot.outcomes.days.service import Days

        days = Days(lake)
        return cls(lake, version, days, days.day_facts(version))

    @property
    def last_day(self) -> date | None:
        """The last business day of which the lake has receipts."""
        if self.facts is None:
            known = history.period_known(self.lake, self.version)
            return known[1] if known else None
        day: date | None = self.facts.stores.business_date.max().to_pyarrow().as_py()
        return day

    def over(self, first: date, last: date) -> DayFacts:
        """The facts of these days, and perhaps more."""
        return self.facts or DayFacts.of_receipts(self.receipts(first, last))

    def receipts(self, first: date, last: date) -> ir.Table:
        """The receipts of these days' months."""
        return self.lake.receipts(self.version, months_between(first, last))

    def customer_sums(self, reach: CustomerReach) -> CustomerSums | None:
        """The sums per customer, where they were kept from the last report and brought up to date."""
        return None if self.facts is None else self._state.customer_sums(self.version, reach)

    def store_days(self, reach: Window) -> pa.Table | None:
        """The sums per store and day, likewise."""
        return None if self.facts is None else self._state.store_days(self.version, reach)

    @property
    def _state(self) -> kept.StageState:
        from pilot.evidence import state

        return state.StageState(self.lake, self.days)


def _draw_of(session: Session, pilot: Pilot, stage_number: int) -> Draw:
    draw = assignment.draw_of(session, pilot, stage_number)
    if draw is None:
        raise NotDrawn(stage=stage_number, pilot=pilot.code)
    return draw


def _report(
    session: Session,
    pilot: Pilot,
    stage_number: int,
    draw: Draw,
    source: _Source,
    window: Window,
    through: date,
    look: int,
    exploratory: bool,
    *,
    lost: tuple[str, ...] | None = None,
    truths: Truths | None = None,
    progress: Progress | None = None,
    chapters: tuple[Chapter, ...] = CHAPTERS,
) -> ReportDocument:
    plan = plan_of(session, pilot, draw.plan_hash)
    planned = plan.stage(stage_number)
    before = Window(*plan.pre_window(window.first))
    period = Period(window, before, through)
    tell = _Steps(3 + len(chapters), progress)
    drawn = population_of(session, draw, plan, source.lake.settings.home)
    tell()
    measured = measure(source.over(before.first, window.last), plan, drawn, period, source)
    known = None if lost is None else replace(drawn, lost=lost)
    population = known or without_lost(session, drawn, measured.activity, window)
    measured = measured.compared(population)
    tell()
    seed = int(draw.ledger_hash[:15], 16)
    analysis = analyze_look(
        analysis_plan(plan, planned, population.mechanism, population.assignment, look=look, seed=seed),
        measured.moments,
        measured.identification,
        refusals=measured.refusals,
        segments=measured.segments or None,
    )
    tell()
    inputs = ChapterInputs(
        session=session,
        pilot=pilot.code,
        plan=plan,
        stage=planned,
        population=population,
        window=window,
        before=before,
        through=through,
        open_receipts=lambda: source.receipts(before.first, max(window.last, through)),
        analysis=analysis,
        moments=measured.moments,
        seed=seed,
        look=look,
        currency=network(session).currency,
        exploratory=exploratory,
        truths=truths,
    )
    told = compute_chapters(inputs, chapters, tell)
    return ReportDocument(
        code=f"{pilot.code}-{stage_number}-{look}",
        pilot=pilot.code,
        stage=stage_number,
        look=look,
        looks_planned=planned.looks,
        exploratory=exploratory,
        currency=inputs.currency,
        plan_hash=draw.plan_hash,
        ledger_hash=draw.ledger_hash,
        lake_version=source.version,
        code_version=code_version(),
        window=window,
        before=before,
        freshness=_freshness(population, measured.activity, period),
        permutation_seed=seed,
        analysis=analysis,
        recommendation=recommend(analysis, plan, planned, told),
        balance=balance(population.mechanism, population.assignment),
        series_metric=series_metric(plan).code,
        series=measured.points,
        moments=_stored(measured.moments),
        risk=measured.risk_by_variant(population),
        chapters=told,
        beside={
            "identification": None if measured.identification is None else _rows(measured.identification),
            "segments": {segment: _stored(found) for segment, found in measured.segments.items()},
            "refusals": {code: message.to_dict() for code, message in measured.refusals.items()},
        },
        truths=_truths(truths, plan, pilot, stage_number, window),
    )


class _Steps:
    """Counts the steps that are done and tells whoever wants to know."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)


def _require_look(pilot: Pilot, stage: Stage, planned: StagePlan, *, exploratory: bool) -> None:
    allowed = (*RUNNING, StageState.AT_GATE, StageState.PASSED, StageState.STOPPED) if exploratory else RUNNING
    if not exploratory and stage.looks_taken >= planned.looks:
        raise LookBeyondPlan(stage=stage.number, pilot=pilot.code, looks=planned.looks)
    if stage.state not in allowed:
        raise StageNotRunning(stage=stage.number, pilot=pilot.code, state=in_words(stage.state))


def _require_observed(session: Session, pilot: Pilot, stage: Stage, last: date | None, now: datetime) -> date:
    """The last business day with complete receipts; refuses while the window is open or its receipts are missing.

    ``last`` is the last day of which the lake has receipts: a later day may tell that the window's last had none.
    """
    today = business_day(session, now)
    if today <= stage.ends_on:
        raise WindowStillOpen(stage=stage.number, pilot=pilot.code, ends_on=str(stage.ends_on), today=str(today))
    if last is None or last < stage.ends_on:
        raise ReceiptsMissing(
            stage=stage.number, pilot=pilot.code, needed=str(stage.ends_on), through=str(last) if last else "–"
        )
    return min(last, today - timedelta(days=1))


def analysis_plan(
    plan: Plan, planned: StagePlan, mechanism: Mechanism, assignment: Mapping[str, str], *, look: int, seed: int
) -> LookPlan:
    """What the statistics need of the plan and the draw."""
    metrics = [PlannedMetric(metric_from_code(plan.primary), Role.PRIMARY)]
    beside = [code for code in measured_codes(plan) if code not in plan.metric_codes]
    metrics += [PlannedMetric(metric_from_code(code), Role.SECONDARY) for code in (*plan.secondary, *beside)]
    metrics += [
        PlannedMetric(
            metric_from_code(guardrail.metric), Role.GUARDRAIL, float(guardrail.margin_share), MarginScale.RELATIVE
        )
        for guardrail in plan.guardrails
    ]
    return LookPlan(
        unit=plan.unit,
        mechanism=mechanism,
        assignment=assignment,
        metrics=tuple(metrics),
        leads=AnalysisLeads(plan.leads.value),
        seed=seed,
        alpha=float(plan.alpha),
        look=look,
        looks_planned=planned.looks,
        draws=plan.draws,
        identification_cannot_differ=plan.identification_note or None,
    )


def _freshness(population: Population, activity: Mapping[int, Activity], period: Period) -> Freshness:
    quiet_since = period.window.last - timedelta(days=7)
    last_of: dict[str, date] = {}
    for row in population.stores.to_pylist():
        seen = activity.get(row["store_id"])
        if seen is not None:
            last_of[row["unit"]] = max(seen.last, last_of.get(row["unit"], seen.last))
    silent = tuple(unit for unit in population.units if last_of.get(unit, quiet_since) <= quiet_since)
    return Freshness(period.through, sum(a.receipts for a in activity.values()), silent, population.lost)


def _truths(
    truths: Truths | None, plan: Plan, pilot: Pilot, stage_number: int, window: Window
) -> tuple[KnownTruth, ...]:
    if truths is None:
        return ()
    found = []
    for metric in measured_codes(plan):
        for variant in plan.treated:
            effect = truths.effect(
                pilot=pilot.code, stage=stage_number, metric=metric, variant=variant, last=window.last.isoformat()
            )
            if effect is not None:
                found.append(KnownTruth(metric, variant, effect))
    return tuple(found)


def months_between(first: date, last: date) -> list[str]:
    """The lake's months from ``first`` to ``last``."""
    months, day = [], first.replace(day=1)
    while day <= last:
        months.append(day.strftime("%Y-%m"))
        day = (day + timedelta(days=32)).replace(day=1)
    return months


def _stored(moments: Mapping[str, Moments]) -> dict[str, list[dict[str, Any]]]:
    return {code: _rows(rows) for code, rows in moments.items()}


def _rows(rows: Moments) -> list[dict[str, Any]]:
    return [{field.name: getattr(row, field.name) for field in fields(row)} for row in rows]
