"""What the plan tab and the stage board of a pilot show, and which act is this person's next."""

from flask import render_template

from pilot.access.permissions import Permission
from pilot.assignment.queries import drawn_before
from pilot.errors import PilotError
from pilot.governance.queries import sign_offs
from pilot.network import queries as network
from pilot.planning import queries
from pilot.planning.calendar import conflicts
from pilot.planning.candidate_words import COVARIATES
from pilot.planning.lifecycle import PilotState, StageState
from pilot.planning.metrics import library_metric
from pilot.planning.model import Pilot, PlanVersion, Stage
from pilot.planning.plan import Plan
from pilot.planning.submission import problems_of
from pilot.planning.wizard import amendment_of
from pilot.programs import queries as programs
from pilot.words import translate
from web import decision_words, difference_words, plan_parts_view, plan_refusals, plan_words, presenters, signature_view
from web.auth import may
from web.difference_words import ChangedPart
from web.words import _, ngettext
from web.work import session, settings

AMENDABLE = frozenset({PilotState.SEALED, PilotState.DRAWN, PilotState.RUNNING, PilotState.AT_GATE})

_EXPLORABLE = frozenset(
    {StageState.RUNNING, StageState.EXTENDED, StageState.AT_GATE, StageState.PASSED, StageState.STOPPED}
)


def page(pilot: Pilot, error: str | None = None) -> str:
    """The plan tab."""
    versions = queries.versions(session(), pilot)
    plan = queries.draft_plan(pilot)
    program = programs.program(session(), plan.program)
    return render_template(
        "pilots/plan.html",
        pilot=pilot,
        tab="plan",
        error=error,
        plan=plan,
        program=program,
        words=in_words(plan, {variant.code: variant.name for variant in program.variants}),
        stage_words=_stage_words(plan, pilot),
        parts=plan_parts_view.parts(plan),
        met=conflicts(session(), plan, after=pilot.last_started) if not pilot.is_ended else [],
        is_open=pilot.state in (PilotState.DRAFT, PilotState.SUBMITTED, PilotState.COSIGNED),
        problems=_problems(pilot, plan) if pilot.state == PilotState.DRAFT else [],
        amendment=amendment_of(session(), pilot),
        may_amend=pilot.state in AMENDABLE and may(Permission.PILOT_AMEND, pilot),
        sign=signature_view.signature(pilot),
        drawn_before=_drawn_before(pilot, plan),
        accepted=signature_view.accepted(pilot),
        versions=versions,
        version=versions[-1] if versions else None,
        difference=_difference(pilot, versions),
        sign_offs=sign_offs(session(), pilot),
    )


def board(pilot: Pilot, error: str | None = None) -> str:
    """The stage board."""
    plan = queries.sealed_plan(session(), pilot) if pilot.plan_hash else queries.draft_plan(pilot)
    running = {stage.number: stage for stage in pilot.stages}
    current = current_stage(pilot)
    today = queries.business_day(session(), settings().now())
    return render_template(
        "pilots/stages.html",
        pilot=pilot,
        tab="stages",
        error=error,
        plan=plan,
        running=running,
        current=current,
        today=today,
        stage_words=_stage_words(plan, pilot),
        gate_words=dict(plan_words.gate_rules()),
        taken=decision_words.taken_from(pilot, current.number) if current else "",
        explorable=[one for one in pilot.stages if one.state in _EXPLORABLE and today > one.ends_on],
        may_look=current is not None
        and current.state in (StageState.RUNNING, StageState.EXTENDED)
        and today > current.ends_on,
    )


def current_stage(pilot: Pilot) -> Stage | None:
    """The stage that the pilot is in; None before the seal and after the end."""
    return pilot.current_stage if pilot.stages else None


def in_words(plan: Plan, variants: dict[str, str]) -> dict[str, str]:
    """Every code of the plan as a reader's word."""
    total = sum(variant.weight for variant in plan.variants) or 1
    return {
        "objective": plan_words.objective_name(plan.objective),
        "unit": plan_words.named(plan_words.units(), plan.unit),
        "mechanism": plan_words.named(plan_words.mechanisms(), plan.mechanism.kind),
        "match_on": ", ".join(translate(COVARIATES[code]) for code in plan.mechanism.match_on if code in COVARIATES),
        "applies_by": plan_words.named(plan_words.applies(), plan.applies_by),
        "leads": plan_words.named(plan_words.leads(), plan.leads),
        "variants": ", ".join(
            f"{variants.get(one.code, one.code)} ({presenters.share(one.weight / total, 0)})" for one in plan.variants
        ),
        "primary": translate(library_metric(plan.primary).title),
        "secondary": ", ".join(translate(library_metric(code).title) for code in plan.secondary),
        "guardrails": ", ".join(
            _(
                "%(metric)s (at most %(margin)s worse)",
                metric=translate(library_metric(one.metric).title),
                margin=presenters.share(float(one.margin_share)),
            )
            for one in plan.guardrails
        ),
        "alpha": presenters.share(float(plan.alpha)),
    }


def _stage_words(plan: Plan, pilot: Pilot) -> dict[int, str]:
    """Each stage in words, with the regions where alone the executives let it go on."""
    regions = {region.code: region.name for region in network.regions(session())}
    limited = queries.restrictions(session(), pilot)
    words = {stage.number: plan_words.stage_in_words(plan, stage, regions) for stage in plan.stages}
    for number in words.keys() & limited.keys():
        named = ", ".join(regions.get(code, code) for code in limited[number])
        words[number] += " " + _("The executives let it go on in these regions only: %(regions)s.", regions=named)
    return words


def _drawn_before(pilot: Pilot, plan: Plan) -> list[str]:
    """Coming stages that were drawn already, under a plan that an amendment replaced: whoever signs should know."""
    coming = [stage.number for stage in plan.stages if stage.number > pilot.last_started]
    times = {number: drawn_before(session(), pilot, number) for number in coming}
    return [
        ngettext(
            "Stage %(stage)s was drawn %(num)d time before: who writes this plan may have seen its stores.",
            "Stage %(stage)s was drawn %(num)d times before: who writes this plan may have seen its stores.",
            n,
            stage=number,
        )
        for number, n in times.items()
        if n
    ]


def _problems(pilot: Pilot, draft: Plan) -> list[str]:
    """What stands against submitting the draft as it is now."""
    try:
        return [plan_refusals.said(found, draft) for found in problems_of(session(), pilot, draft)]
    except PilotError as refused:
        return [plan_refusals.said(refused, draft)]


def _difference(pilot: Pilot, versions: list[PlanVersion]) -> list[ChangedPart]:
    """What the last submitted version changes of the sealed one, while it waits for its signatures."""
    sealed = next((one for one in versions if one.hash == pilot.plan_hash), None)
    if sealed is None or versions[-1].hash == sealed.hash:
        return []
    return difference_words.rows(sealed.text, versions[-1].text)
