"""Computing a report: plan, ledger and lake of one stage become one document. Reads only, and may take long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.balance import balance
from experiments.look.analysis import analyze_look
from experiments.look.plan import Leads as AnalysisLeads
from experiments.look.plan import LookPlan, MarginScale, PlannedMetric, Role
from experiments.measure.metrics import metric_from_code
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.measure.windows import Window
from pilot.assignment import queries as assignment
from pilot.assignment.errors import NotDrawn
from pilot.evidence.code_version import code_version
from pilot.evidence.document import Freshness, KnownTruth, ReportDocument
from pilot.evidence.errors import LookBeyondPlan, ReceiptsMissing, StageNotRunning
from pilot.evidence.measuring import Measured, Period, measure, measured_codes, series_metric, steps, weekly
from pilot.evidence.population import Activity, Population, activity_of, population_of, without_lost
from pilot.evidence.recommendation import recommend
from pilot.evidence.truths import Truths
from pilot.network.model import Customer
from pilot.network.queries import network
from pilot.outcomes import history
from pilot.planning.errors import WindowStillOpen
from pilot.planning.lifecycle import in_words
from pilot.planning.model import Pilot, Stage, StageState
from pilot.planning.plan import Plan, StagePlan
from pilot.planning.queries import business_day, plan_of

if TYPE_CHECKING:
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
    progress: Progress | None = None,
) -> ReportDocument:
    """The report of the stage's next look. Reads only, and may take long: call it in ``database.reading()``.

    It reads the plan and the ledger of the stage's own draw and the lake's latest version, which it names. With
    ``exploratory`` it is what the data say today, at a gate or beyond the planned looks: stamped, and never frozen.
    Raises ``NotDrawn``, ``StageNotRunning``, ``LookBeyondPlan``, ``WindowStillOpen``, ``ReceiptsMissing``.
    """
    stage = pilot.stage(stage_number)
    draw = assignment.draw_of(session, pilot, stage_number)
    if draw is None:
        raise NotDrawn(stage=stage_number, pilot=pilot.code)
    plan = plan_of(session, pilot, draw.plan_hash)
    planned = plan.stage(stage_number)
    _require_look(pilot, stage, planned, exploratory=exploratory)
    version = lake.version()
    window, before = Window(stage.starts_on, stage.ends_on), Window(*plan.pre_window(stage.starts_on))
    receipts = lake.receipts(version, _months(before.first, window.last))
    through = _require_observed(session, pilot, stage, history.period_known(lake, version), now)
    period = Period(window, before, through)
    drawn = population_of(session, draw)
    activity = activity_of(receipts, window)
    population = without_lost(session, drawn, activity, window)
    segments = _segments(session, plan)
    # A look beyond the plan is number K + 1: the statistics stamp everything in it as exploratory.
    look = planned.looks + 1 if exploratory else stage.looks_taken + 1
    tell = _Steps(steps(plan, segments) + 2, progress)
    measured = measure(receipts, plan, population, period, segments, tell)
    series = weekly(receipts, plan, population, period)
    tell()
    seed = int(draw.ledger_hash[:15], 16)
    analysis = analyze_look(
        _analysis_plan(plan, planned, population, measured, look=look, seed=seed),
        measured.moments,
        measured.identification,
        refusals=measured.refusals,
        segments=measured.segments or None,
    )
    tell()
    return ReportDocument(
        code=f"{pilot.code}-{stage_number}-{look}",
        pilot=pilot.code,
        stage=stage_number,
        look=look,
        looks_planned=planned.looks,
        exploratory=exploratory,
        currency=network(session).currency,
        plan_hash=draw.plan_hash,
        ledger_hash=draw.ledger_hash,
        lake_version=version,
        code_version=code_version(),
        window=window,
        before=before,
        freshness=_freshness(population, activity, period),
        permutation_seed=seed,
        analysis=analysis,
        recommendation=recommend(analysis, planned),
        balance=balance(population.mechanism, population.assignment),
        series_metric=series_metric(plan).code,
        series=series,
        moments={code: [_whole_numbers(row) for row in rows] for code, rows in measured.moments.items()},
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


def _require_observed(
    session: Session, pilot: Pilot, stage: Stage, known: tuple[date, date] | None, now: datetime
) -> date:
    """The last business day with complete receipts; refuses while the window is open or its receipts are missing.

    ``known`` is the period of which the lake has receipts: a later day may tell that the window's last had none.
    """
    today = business_day(session, now)
    if today <= stage.ends_on:
        raise WindowStillOpen(stage=stage.number, pilot=pilot.code, ends_on=str(stage.ends_on), today=str(today))
    last = known[1] if known else None
    if last is None or last < stage.ends_on:
        raise ReceiptsMissing(
            stage=stage.number, pilot=pilot.code, needed=str(stage.ends_on), through=str(last) if last else "–"
        )
    return min(last, today - timedelta(days=1))


def _analysis_plan(
    plan: Plan, planned: StagePlan, population: Population, measured: Measured, *, look: int, seed: int
) -> LookPlan:
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
        mechanism=population.mechanism,
        assignment=population.assignment,
        metrics=tuple(metrics),
        leads=AnalysisLeads(plan.leads.value),
        seed=seed,
        alpha=float(plan.alpha),
        look=look,
        looks_planned=planned.looks,
        draws=plan.draws,
        identification_cannot_differ=plan.identification_note or None,
    )


def _segments(session: Session, plan: Plan) -> dict[str, pa.Int64Array]:
    """The customer keys of every segment that the plan or one of its offers names, by the sealed rules."""
    named = sorted({*plan.segments, *(offer.segment for offer in plan.offers if offer.segment)})
    members: dict[str, list[int]] = {code: [] for code in named}
    if not named:
        return {}
    everybody = select(Customer.customer_key, Customer.attributes).where(Customer.forgotten_at.is_(None))
    for key, attributes in session.execute(everybody.order_by(Customer.customer_key)):
        segment = plan.segment_for(attributes)
        if segment in members:
            members[segment].append(key)
    return {code: pa.array(keys, pa.int64()) for code, keys in members.items()}


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


def _months(first: date, last: date) -> list[str]:
    months, day = [], first.replace(day=1)
    while day <= last:
        months.append(day.strftime("%Y-%m"))
        day = (day + timedelta(days=32)).replace(day=1)
    return months


def _whole_numbers(row: UnitMoments | ArmMoments) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}
