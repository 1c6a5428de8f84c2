"""The metric library: every metric with what it means, how it is reckoned, who answers for it, and a search."""

from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.planning.metric_library import ENTRIES, LIBRARY_VERSION, NOT_IN_A_PLAN, Entry, Group, How, Owner, Source
from pilot.planning.metrics import PROPOSALS, library_metric
from pilot.words import Message, translate
from web import plan_words, presenters
from web.auth import requires
from web.methods import has_page
from web.words import _

pages = Blueprint("metric_library", __name__, url_prefix="/metric-library")


@dataclass(frozen=True, slots=True)
class ShownMetric:
    """An entry in words. ``found_in`` is everything that the search looks through."""

    code: str
    title: str
    definition: str
    formula: str
    pitfall: str
    level: str
    unit: str
    owner: str
    version: int
    source: presenters.Badge
    why_not: str
    method: str
    method_pages: tuple[str, ...]

    @property
    def found_in(self) -> str:
        parts = (self.code, self.title, self.definition, self.formula, self.pitfall, self.owner, self.source.text)
        return " ".join(parts).casefold()


@pages.get("/")
@requires(Permission.PROGRAM_VIEW)
def show() -> ResponseReturnValue:
    """All entries by group, or those in which every word of the search occurs."""
    words = request.args.get("search", "").casefold().split()
    shown = [(entry.group, _shown(entry)) for entry in ENTRIES]
    found = [(group, metric) for group, metric in shown if all(word in metric.found_in for word in words)]
    groups = [(_groups()[group], [metric for own, metric in found if own is group]) for group in Group]
    return render_template(
        "metric_library/show.html",
        groups=[(title, metrics) for title, metrics in groups if metrics],
        n_found=len(found),
        n_all=len(shown),
        search=request.args.get("search", ""),
        version=LIBRARY_VERSION,
        proposals=_proposals(),
    )


def _shown(entry: Entry) -> ShownMetric:
    why_not = NOT_IN_A_PLAN.get(entry.source)
    return ShownMetric(
        entry.code,
        *(
            translate(Message(entry.code, text))
            for text in (entry.title, entry.definition, entry.formula, entry.pitfall)
        ),
        level=_("All shoppers of a store") if entry.level.value == "store" else _("Listed customers"),
        unit=_units()[entry.unit.value],
        owner=_owners()[entry.owner],
        version=entry.version,
        source=_sources()[entry.source],
        why_not=translate(Message("not_in_a_plan", why_not)) if why_not else "",
        method=_methods()[entry.how],
        method_pages=tuple(name for name in (entry.code, entry.how.value) if has_page(name)),
    )


def _proposals() -> list[dict[str, object]]:
    """What each objective proposes, with the reason beside everything."""
    found = []
    for code, name, _meaning in plan_words.objectives():
        one = next(proposal for objective, proposal in PROPOSALS.items() if objective.value == code)
        rows = [(_("Primary"), one.primary, one.reasons["primary"], None)]
        rows += [(_("Beside"), metric, one.reasons[metric], None) for metric in one.secondary]
        rows += [(_("Guardrail"), guard.metric, guard.reason, guard.margin_share) for guard in one.guardrails]
        found.append(
            {
                "name": name,
                "rows": [
                    {
                        "role": role,
                        "title": translate(library_metric(metric).title),
                        "anchor": library_metric(metric).entry.code,
                        "reason": translate(reason),
                        "margin": presenters.share(float(margin), 0) if margin is not None else "",
                    }
                    for role, metric, reason, margin in rows
                ],
                "terms": [
                    (_("Who leads"), translate(one.reasons["leads"])),
                    (
                        _("Period before"),
                        _(
                            "%(weeks)s weeks. %(why)s",
                            weeks=one.windows.pre_weeks,
                            why=translate(one.reasons["windows"]),
                        ),
                    ),
                    (
                        _("Stage"),
                        _("%(weeks)s weeks. %(why)s", weeks=one.stage_weeks, why=translate(one.reasons["weeks"])),
                    ),
                ],
            }
        )
    return found


def _groups() -> dict[Group, str]:
    return {
        Group.SALES: _("Sales"),
        Group.COMING_BACK: _("Coming back"),
        Group.LOYALTY: _("Loyalty that costs something"),
        Group.RECOGNITION: _("Being recognised"),
        Group.MONEY: _("Rewards and money"),
        Group.SERVICE: _("Service"),
    }


def _owners() -> dict[Owner, str]:
    return {
        Owner.ANALYSTS: _("Analysts"),
        Owner.FINANCE: _("Finance"),
        Owner.OPERATIONS: _("Store operations"),
        Owner.LOYALTY: _("Loyalty team"),
    }


def _units() -> dict[str, str]:
    return {
        "money": _("money"),
        "share": _("share"),
        "count": _("number or time"),
        "ratio": _("ratio"),
    }


def _sources() -> dict[Source, presenters.Badge]:
    return {
        Source.PLAN: presenters.Badge(_("From receipts; a plan can choose it"), "good"),
        Source.REPORT: presenters.Badge(_("In every report"), "info"),
        Source.SURVEYS: presenters.Badge(_("Needs survey answers"), "warn"),
        Source.ENROLMENTS: presenters.Badge(_("Needs enrolment records"), "neutral"),
        Source.REDEMPTIONS: presenters.Badge(_("Needs redemption records"), "neutral"),
        Source.SERVICE_CHECKS: presenters.Badge(_("Needs service checks"), "neutral"),
    }


def _methods() -> dict[How, str]:
    return {
        How.UNITS: _(
            "One value per store (or region) that was drawn, adjusted by the same store's value before the start; the "
            "difference between the arms is compared with what it would be in every other draw that the recorded "
            "mechanism could have made. Where customers were drawn: Welch's test, adjusted by the customer's own past."
        ),
        How.SHRUNK: _("Effects of several groups drawn towards their mean by as much as their noise deserves."),
        How.SUMS: _("Exact counts by day, from which times and their restricted mean follow."),
        How.BAND: _("Reckoned from estimates of this report and the plan's assumptions, each printed beside."),
        How.NOT_YET: _("Nothing is estimated without the records."),
    }
