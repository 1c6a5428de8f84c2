"""The design of a draft's stage: who can be drawn, which designs there are and what they see, in money; as parts."""

from datetime import date, timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from experiments.errors import ExperimentError
from experiments.measure.metrics import AssignmentUnit
from pilot.access.permissions import Permission
from pilot.assignment.exclusions import exclusions
from pilot.errors import PilotError
from pilot.jobs import service as jobs
from pilot.jobs.model import JobKind
from pilot.network import queries as network
from pilot.outcomes.history import period_known
from pilot.outcomes.lake import Lake
from pilot.planning import studies
from pilot.planning.blind import blind_metrics
from pilot.planning.calendar import conflicts
from pilot.planning.candidates import candidate_list
from pilot.planning.charts import weeks_chart
from pilot.planning.designer import Design, design_of, smallest_effect_of
from pilot.planning.economics import Past, money_at_risk_minor, plan_economics
from pilot.planning.errors import NoDesignThere
from pilot.planning.metrics import in_our_words, library_metric
from pilot.planning.model import Pilot
from pilot.planning.plan import TOTALS, Plan
from pilot.planning.proving import past_of, proof_of
from pilot.planning.reaching import units_needed
from pilot.planning.submission import as_submitted
from pilot.planning.wizard import Step, is_amendment, save, working_plan
from pilot.planning.wizard_model import DesignStudy, StudyKind
from pilot.programs import queries as programs
from pilot.words import translate
from web import design_view, forms, signature_view
from web.auth import actor, may, requires
from web.plan_words import by_reason
from web.report_words import per_what
from web.words import _
from web.work import session, settings

pages = Blueprint("design", __name__, url_prefix="/pilots")


@pages.get("/<pilot>/design/<int:stage>/eligible")
@requires(Permission.PILOT_VIEW, of="pilot")
def eligible(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """Who may be drawn, and who stays out and why."""
    try:
        plan, lake = _plan(pilot), Lake(settings())
        excluded = exclusions(session(), pilot, stage, plan)
        version = lake.version()
        before = _before(plan, stage, lake, version)
        found = candidate_list(session(), lake, plan, stage, version=version, before=before, excluded=excluded)
    except PilotError as error:
        return render_template("pilots/design/_refused.html", refusal=error.message)
    n = len(found.stores) if plan.unit is AssignmentUnit.CUSTOMER else len(found.candidates)
    names = {store.code: store.name for store in network.stores(session())}
    return render_template("pilots/design/_eligible.html", n=n, left_out=by_reason(found.left_out, names), plan=plan)


@pages.get("/<pilot>/design/<int:stage>/verdict")
@requires(Permission.PILOT_VIEW, of="pilot")
def verdict(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """What the stage as it stands sees, held against its break-even, and what the calendar says of it."""
    try:
        plan, lake = _plan(pilot), Lake(settings())
        design = design_of(session(), lake, plan, stage, excluded=exclusions(session(), pilot, stage, plan))
        visible = smallest_effect_of(lake, plan, stage, design)
        past = past_of(lake, plan, design)
        proof = proof_of(lake, plan, stage, design, past=past, visible=visible)
        blind = blind_metrics(lake, plan, stage, design)
    except PilotError as error:
        return render_template("pilots/design/_refused.html", refusal=error.message)
    except ExperimentError as error:
        return render_template("pilots/design/_refused.html", refusal=in_our_words(error.message))
    metric = library_metric(plan.primary)
    names = {store.code: store.name for store in network.stores(session())}
    at_risk = _at_risk(plan, stage, past) if plan.economics else None
    return render_template(
        "pilots/design/_verdict.html",
        pilot=pilot,
        plan=plan,
        found=visible,
        metric=translate(metric.title),
        unit=metric.metric.unit.value,
        per=per_what(plan.primary),
        left_out=by_reason(visible.left_out, names),
        proof=proof,
        blind=blind,
        may_change=may(Permission.PILOT_AMEND if is_amendment(pilot) else Permission.PILOT_EDIT, pilot),
        at_risk=at_risk,
        stage_minor=_for_the_stage(plan, stage, design, visible.effect, metric.metric.unit.value),
        needed=units_needed(plan, stage) if not visible.reaches_its_level else [],
        met=[one for one in conflicts(session(), plan) if one.stage == stage],
        is_open=not is_amendment(pilot),
        acceptable=signature_view.acceptable(pilot) if proof.is_unproven else None,
    )


@pages.get("/<pilot>/design/<int:stage>/study")
@requires(Permission.PILOT_VIEW, of="pilot")
def study(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """What was found out about the stage: its designs ranked, more weeks, contamination, the replay's verdict."""
    plan = _plan(pilot)
    search = studies.study_of(session(), pilot, stage, StudyKind.SEARCH)
    replay = studies.study_of(session(), pilot, stage, StudyKind.REPLAY)
    answer: dict[str, Any] = search.answer if search else {}
    permission = Permission.PILOT_AMEND if is_amendment(pilot) else Permission.PILOT_EDIT
    return render_template(
        "pilots/design/_study.html",
        pilot=pilot,
        plan=plan,
        stage=plan.stage(stage),
        search=search,
        answer=answer,
        is_old=_is_old(search, plan),
        replay=replay,
        replay_is_old=_is_old(replay, plan),
        rows=design_view.rows(answer),
        chart=weeks_chart(answer) if answer.get("curve") else None,
        extension=design_view.extension(plan, stage, answer),
        may_change=may(permission, pilot),
    )


@pages.get("/<pilot>/design/money")
@requires(Permission.PILOT_VIEW, of="pilot")
def money(pilot: Pilot) -> ResponseReturnValue:
    """What each variant must bring to pay for itself, with the fixed costs where the past knows the sales."""
    try:
        plan, lake = _plan(pilot), Lake(settings())
        number = plan.stages[0].number if plan.stages else 0
        excluded = exclusions(session(), pilot, number, plan)
        past = past_of(lake, plan, design_of(session(), lake, plan, number, excluded=excluded))
    except PilotError as error:
        return render_template("pilots/design/_refused.html", refusal=error.message)
    found = plan_economics(plan, past)
    names = {variant.code: variant.name for variant in programs.program(session(), plan.program).variants}
    return render_template("pilots/design/_money.html", rows=design_view.money_rows(found, names), past=past, plan=plan,
                           at_risk=_at_risk(plan, number, past))  # fmt: skip


@pages.post("/<pilot>/edit/design/<int:stage>/<kind>")
@requires(Permission.PILOT_EDIT, of="pilot")
def ask(pilot: Pilot, stage: int, kind: str) -> ResponseReturnValue:
    """Search the designs of a draft's stage, or replay the one that it has: long work, with progress."""
    return _ask(pilot, stage, kind)


@pages.post("/<pilot>/amend/design/<int:stage>/<kind>")
@requires(Permission.PILOT_AMEND, of="pilot")
def ask_in_amendment(pilot: Pilot, stage: int, kind: str) -> ResponseReturnValue:
    """The same of an amendment."""
    return _ask(pilot, stage, kind)


def _ask(pilot: Pilot, stage: int, kind: str) -> ResponseReturnValue:
    asked = StudyKind.REPLAY if kind == "replay" else StudyKind.SEARCH
    job_kind = JobKind.REPLAY_DESIGN if asked is StudyKind.REPLAY else JobKind.SEARCH_DESIGNS
    arguments = {"pilot": pilot.code, "stage": stage, "kind": asked.value, "amending": is_amendment(pilot)}
    job = jobs.enqueue(session(), job_kind, arguments, actor=actor(), now=settings().wall_clock())
    return redirect(url_for("jobs.show", job=job.code))


@pages.post("/<pilot>/edit/design/<int:stage>/use")
@requires(Permission.PILOT_EDIT, of="pilot")
def use(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """Write a design into the draft."""
    return _use(pilot, stage, "wizard.edit")


@pages.post("/<pilot>/amend/design/<int:stage>/use")
@requires(Permission.PILOT_AMEND, of="pilot")
def use_in_amendment(pilot: Pilot, stage: int) -> ResponseReturnValue:
    """Write a design into the amendment."""
    return _use(pilot, stage, "wizard.amend")


def _use(pilot: Pilot, stage: int, endpoint: str) -> ResponseReturnValue:
    rank = forms.integer("rank", _("Design"))
    kept = studies.study_of(session(), pilot, stage, StudyKind.SEARCH)
    if kept is None:
        raise NoDesignThere(rank=rank, stage=stage)
    document = studies.with_design(working_plan(session(), pilot), stage, kept.answer, rank)
    save(session(), pilot, document, actor=actor(), now=settings().now())
    flash(_("The design is in the plan: mechanism, weeks and stores."), "success")
    return redirect(url_for(endpoint, pilot=pilot.code, step=Step.DESIGN))


def _plan(pilot: Pilot) -> Plan:
    """The plan that is being written, with the offers of today."""
    return as_submitted(session(), pilot, working_plan(session(), pilot))


def _before(plan: Plan, stage: int, lake: Lake, version: int) -> date:
    known = period_known(lake, version)
    starts_on = plan.stage(stage).starts_on
    return min(starts_on, known[1] + timedelta(days=1)) if known else starts_on


def _is_old(study: DesignStudy | None, plan: Plan) -> bool:
    return study is not None and study.plan_hash != plan.hash()


def _at_risk(plan: Plan, stage: int, past: Past) -> int | None:
    if past.weekly_sales_minor is None:
        return None
    return money_at_risk_minor(
        plan, plan.stage(stage), past.weekly_sales_minor, treated_stores=past.treated_stores,
        spend_minor=past.spend_minor,
    )  # fmt: skip


def _for_the_stage(plan: Plan, stage: int, design: Design, effect: float | None, unit: str) -> float | None:
    """The smallest effect over all treated units and weeks of the stage; for sums of stores only."""
    if effect is None or unit != "money" or plan.unit is AssignmentUnit.CUSTOMER or plan.primary not in TOTALS:
        return None
    weights = [variant.weight for variant in plan.variants]
    return effect * design.n_units * (sum(weights) - weights[0]) / sum(weights) * plan.stage(stage).weeks
