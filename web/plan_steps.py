"""What each step of the wizard shows beside its fields: choices, proposals with their reasons, names of steps."""

from typing import Any

from werkzeug.datastructures import MultiDict

from pilot.network import queries as network
from pilot.network.segments import segments
from pilot.planning.candidate_words import COVARIATES
from pilot.planning.metrics import PROPOSALS, SUGGESTED, library_metric
from pilot.planning.plan import REGION_PREFIX, Plan
from pilot.planning.wizard import Step
from pilot.programs import queries as programs
from pilot.programs.mechanics import CATALOGUE
from pilot.words import translate
from web import plan_form, plan_words, presenters
from web.words import _, ngettext
from web.work import session


def steps() -> list[tuple[str, str, str]]:
    """(code, name, the one thing that the page is for), in order."""
    return [
        ("brief", _("Brief"), _("What should change, for whom, and by what it is judged.")),
        ("stores", _("Stores"), _("Who may take part, and who must or must not.")),
        ("money", _("Money"), _("What the offers cost, what they must bring, and what is believed before.")),
        ("stages", _("Stages"), _("Where and when each step runs, and what it must show to go on.")),
        ("design", _("Design"), _("How the stores are drawn, and what that can see.")),
        ("wind_down", _("Wind-down"), _("What customers keep when the program ends.")),
        ("review", _("Review"), _("What is still missing, what to beware of, and the way to the signatures.")),
    ]


def values_of(step: Step, plan: Plan, form: MultiDict[str, str]) -> dict[str, Any]:
    """The values of the step's template."""
    return _VALUES[step](plan, form) if step in _VALUES else {}


def mechanics() -> list[tuple[str, str]]:
    """The mechanics of the catalogue, by name."""
    return [(mechanic.value, translate(spec.title)) for mechanic, spec in CATALOGUE.items()]


def _brief(plan: Plan, form: MultiDict[str, str]) -> dict[str, Any]:
    own = [*plan.secondary, *(guardrail.metric for guardrail in plan.guardrails), plan.primary]
    proposal = PROPOSALS[plan.objective]
    titles = {code: translate(library_metric(code).title) for code in dict.fromkeys([*SUGGESTED, *own])}
    reasons = [
        (_("Primary"), titles.get(proposal.primary, proposal.primary), translate(proposal.reasons["primary"])),
        (_("The gate rests on"), plan_words.named(plan_words.leads(), proposal.leads),
         translate(proposal.reasons["leads"])),
        *((_("Secondary"), titles.get(code, code), translate(proposal.reasons[code])) for code in proposal.secondary),
        *(
            (
                _("Guardrail, at most %(margin)s worse", margin=presenters.share(float(one.margin_share), 0)),
                titles.get(one.metric, one.metric),
                translate(one.reason),
            )
            for one in proposal.guardrails
        ),
        (_("Windows"), _("%(weeks)s weeks before", weeks=proposal.windows.pre_weeks),
         translate(proposal.reasons["windows"])),
        (_("Length"), ngettext("%(num)d week", "%(num)d weeks", proposal.stage_weeks),
         translate(proposal.reasons["weeks"])),
    ]  # fmt: skip
    return {
        "program": programs.program(session(), plan.program),
        "objectives": plan_words.objectives(),
        "mechanics": mechanics(),
        "stores": network.stores(session()),
        "leads": plan_words.leads(),
        "roles": plan_words.metric_roles(),
        "metrics": [_metric(code) for code in titles],
        "reasons": reasons,
        "is_proposed": plan.primary == proposal.primary and plan.secondary == proposal.secondary,
    }


def _stores(plan: Plan, form: MultiDict[str, str]) -> dict[str, Any]:
    return {
        "units": plan_words.units(),
        "applies": plan_words.applies(),
        "segments": segments(session()),
        "regions": network.regions(session()),
        "stores": network.stores(session()),
    }


def _design(plan: Plan, form: MultiDict[str, str]) -> dict[str, Any]:
    groups = [
        *((f"segment:{one.code}", _("Customers: %(name)s", name=one.name)) for one in segments(session())),
        *((f"region:{one.code}", _("Region: %(name)s", name=one.name)) for one in network.regions(session())),
        ("size:small", _("Small stores")),
        ("size:large", _("Large stores")),
    ]
    return {
        "mechanisms": plan_words.mechanisms(),
        "covariates": [(code, translate(label)) for code, label in COVARIATES.items()],
        "groups": groups,
        "stage": next((stage.number for stage in plan.stages), None),
    }


def _money(plan: Plan, form: MultiDict[str, str]) -> dict[str, Any]:
    return {"priors": [("sceptical", _("Sceptical")), ("neutral", _("Neutral"))]}


def _stages(plan: Plan, form: MultiDict[str, str]) -> dict[str, Any]:
    return {
        "n_stages": max(1, plan_form.stage_count(form)),
        "regions": network.regions(session()),
        "stores": network.stores(session()),
        "gate_rules": plan_words.gate_rules(),
        "region_prefix": REGION_PREFIX,
    }


def _wind_down(plan: Plan, form: MultiDict[str, str]) -> dict[str, Any]:
    return {
        "points": plan_words.points_ends(),
        "tiers": plan_words.tiers_ends(),
        "memberships": plan_words.memberships_ends(),
        "last_day": plan.stages[-1].last_possible_day if plan.stages else None,
    }


_VALUES = {
    Step.BRIEF: _brief,
    Step.STORES: _stores,
    Step.DESIGN: _design,
    Step.MONEY: _money,
    Step.STAGES: _stages,
    Step.WIND_DOWN: _wind_down,
}


def _metric(code: str) -> dict[str, Any]:
    found = library_metric(code)
    title = translate(found.title)
    return {
        "code": code,
        "title": title,
        "formula": translate(found.formula),
        "pitfall": translate(found.pitfall),
        "choice": (code, title),
    }
