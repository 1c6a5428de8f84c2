"""A report, frozen or exploratory, and the executives' decision on it."""

from datetime import date
from typing import Any

from babel.numbers import get_currency_precision
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from experiments.look.report import Diagnostic, Status
from pilot.access.permissions import Permission
from pilot.access.queries import users
from pilot.errors import NotFound, PilotError
from pilot.evidence import charts, queries
from pilot.evidence.known import version_on
from pilot.evidence.known_kept import KeptComparisons
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import ReportView
from pilot.evidence.service import record_exploration
from pilot.governance import queries as governance_queries
from pilot.governance import service as governance
from pilot.governance.model import Choice
from pilot.jobs import service as jobs
from pilot.jobs.model import JobKind
from pilot.network import queries as network
from pilot.network.segments import segments
from pilot.outcomes.lake import Lake
from pilot.planning import queries as planning
from pilot.planning.lifecycle import StageState
from pilot.planning.metrics import library_metric
from pilot.planning.model import Pilot
from pilot.words import translate
from web import decision_words, forms, gate_words, known_words, report_words, subjects
from web.auth import actor, requires
from web.chapters.registry import menu
from web.errors import FieldUnreadable, status_of
from web.report_events import events_of
from web.report_source import explorations, report_view
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("reports", __name__)


@pages.get("/pilots/<pilot>/report")
@requires(Permission.PILOT_VIEW, of="pilot")
def latest(pilot: Pilot) -> ResponseReturnValue:
    """The newest report, or what a report will be."""
    listed = queries.reports_of(session(), pilot)
    if listed:
        return redirect(url_for("reports.show", pilot=pilot.code, report=listed[0].code))
    return render_template("reports/none.html", pilot=pilot, tab="report", error=None)


@pages.get("/reports/<report>")
@requires(Permission.PILOT_VIEW)
def find(report: str) -> ResponseReturnValue:
    """The short address of a report, as notices carry it."""
    found: FrozenReport = subjects.load(session(), "report", report)
    pilot = session().get_one(Pilot, found.pilot_id)
    return redirect(url_for("reports.show", pilot=pilot.code, report=report))


@pages.get("/pilots/<pilot>/reports/<report>")
@requires(Permission.PILOT_VIEW, of="pilot")
def show(pilot: Pilot, report: str) -> ResponseReturnValue:
    """One look: the sentence, the table, the charts with their data, what it rests on."""
    view = report_view(pilot, report)
    minor = 10 ** get_currency_precision(view.document.currency)
    events = events_of(view)
    return render_template(
        "reports/show.html",
        pilot=pilot,
        tab="report",
        error=None,
        view=view,
        menu=menu(view, pilot.code, None),
        listed=queries.reports_of(session(), pilot),
        explored=explorations(pilot),
        heading=report_words.heading(view),
        verdict=report_words.verdict(view),
        rows=report_words.rows(view),
        segment_rows=report_words.segment_rows(view, {one.code: one.name for one in segments(session())}),
        questions=decision_words.questions(view),
        dropped=gate_words.dropped(view),
        forest=charts.forest_chart(view),
        series_chart=charts.series_chart(view, minor_per_unit=minor, events=events) if view.series else None,
        events=events,
        balance_chart=charts.balance_chart(view),
        series=_series_table(view),
        risk=[(charts.variant_label(view, variant), weeks) for variant, weeks in view.document.risk.items()],
        series_unit=library_metric(view.document.series_metric).metric.unit.value,
        balance=[(charts.covariate_label(row.covariate), row) for row in view.document.balance],
        checks=[
            (report_words.check_name(found.check), found, report_words.check_says(view, found))
            for found in view.document.analysis.diagnostics
            if _is_news(found)
        ],
        stores={store.code: store.name for store in network.stores(session())},
    )


@pages.get("/pilots/<pilot>/reports/<report>/known")
@requires(Permission.PILOT_VIEW, of="pilot")
def known(pilot: Pilot, report: str) -> ResponseReturnValue:
    """What was known on a day (``on``; else when the report was frozen), beside what was known when it was computed."""
    _of(pilot, report)
    view, given = queries.report(session(), report), request.args.get("on", "").strip()
    try:
        version = _known_version(view, given)
    except PilotError as error:
        return _known_page(pilot, report, error=translate(error.message)), status_of(type(error))
    found = KeptComparisons(settings().home).find(report, version)
    if found is None:
        return _known_page(pilot, report, on=given)
    shown = {
        "rows": known_words.pairs(view, found),
        "arrived": known_words.arrivals(found, view.document.currency),
        "said": known_words.beside_frozen(found),
    }
    return _known_page(pilot, report, on=given, found=found, **shown)


@pages.post("/pilots/<pilot>/reports/<report>/known")
@requires(Permission.PILOT_VIEW, of="pilot")
def compute_known(pilot: Pilot, report: str) -> ResponseReturnValue:
    """Compute both in the background: two whole reports are too long for a page."""
    _of(pilot, report)
    given = request.form.get("on", "").strip()
    view = queries.report(session(), report)
    try:
        version = _known_version(view, given)
    except PilotError as error:
        return _known_page(pilot, report, error=translate(error.message)), status_of(type(error))
    record_exploration(session(), pilot, view.document.stage, actor=actor(), now=settings().now())
    arguments = {"pilot": pilot.code, "report": report, "version": version, "on": given}
    job = jobs.enqueue(session(), JobKind.COMPARE_KNOWN, arguments, actor=actor(), now=settings().wall_clock())
    return redirect(url_for("jobs.show", job=job.code))


def _known_version(view: ReportView, given: str) -> int:
    return version_on(session(), Lake(settings()), _day(given)) if given else view.document.lake_version


def _known_page(pilot: Pilot, report: str, **shown: Any) -> str:
    page: dict[str, Any] = {"pilot": pilot, "tab": "report", "code": report, "on": "", "found": None, "error": None}
    return render_template("reports/known.html", **(page | shown))


@pages.get("/pilots/<pilot>/decision")
@requires(Permission.PILOT_VIEW, of="pilot")
def decision(pilot: Pilot) -> ResponseReturnValue:
    """What was decided on each report, and the decision that waits."""
    return _decision_page(pilot)


@pages.post("/pilots/<pilot>/reports/<report>/decide")
@requires(Permission.DECISION_MAKE, of="pilot")
def decide(pilot: Pilot, report: str) -> ResponseReturnValue:
    """An executive's choice with its reason."""
    code = pilot.code
    try:
        frozen = _of(pilot, report)
        choice = forms.choice("choice", _("Your choice"), Choice)
        reason = forms.text("reason", _("Reason"))
        regions, read = forms.several("regions"), forms.integer("round", _("Your decision"))
        found = governance.decide(
            session(), frozen, choice, reason=reason, regions=regions, read=read, actor=actor(), now=settings().now()
        )
    except PilotError as error:
        return _refused(code, error)
    effective = _("The decision is made and recorded.")
    waiting = _("Your choice is recorded. A second executive has to agree before it takes effect.")
    flash(effective if found.takes_effect else waiting, "success")
    return redirect(url_for("reports.decision", pilot=code))


@pages.post("/pilots/<pilot>/reports/<report>/answer")
@requires(Permission.PILOT_AMEND, of="pilot")
def answer(pilot: Pilot, report: str) -> ResponseReturnValue:
    """The author's answer to a report that was sent back."""
    code = pilot.code
    try:
        text = forms.text("text", _("Answer"))
        governance.answer(session(), _of(pilot, report), text, actor=actor(), now=settings().now())
    except PilotError as error:
        return _refused(code, error)
    flash(_("Your answer is with the executives."), "success")
    return redirect(url_for("reports.decision", pilot=code))


def _of(pilot: Pilot, code: str) -> FrozenReport:
    found: FrozenReport = subjects.load(session(), "report", code)
    if found.pilot_id != pilot.id:
        raise NotFound(kind="report", name=code)
    return found


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise FieldUnreadable(field=_("What was known at the end of"), value=given[:80]) from None


def _refused(code: str, error: PilotError) -> ResponseReturnValue:
    roll_back()
    return _decision_page(planning.pilot(session(), code), translate(error.message)), status_of(type(error))


def _decision_page(pilot: Pilot, error: str | None = None) -> str:
    reports = [_of(pilot, one.code) for one in queries.reports_of(session(), pilot)]
    stage = pilot.current_stage if pilot.stages else None
    waiting = reports[0] if reports and stage is not None and stage.state == StageState.AT_GATE else None
    standing = governance_queries.standing_of(session(), waiting) if waiting else None
    return render_template(
        "reports/decision.html",
        pilot=pilot,
        tab="decision",
        error=error,
        standing=standing,
        **(decision_words.form(pilot, waiting) if waiting else {"report": None}),
        taken=decision_words.taken_from(pilot, waiting.stage_number + 1) if waiting else "",
        past=[(one, governance_queries.decisions_of(session(), one)) for one in reports],
        grounds={one.code: decision_words.of_report(one.code) for one in reports},
        people={user.id: user.name for user in users(session())},
    )


def _series_table(view: ReportView) -> list[tuple[Any, list[tuple[str, float]]]]:
    """Week by week, each variant's mean: the table behind the chart."""
    weeks: dict[Any, list[tuple[str, float]]] = {}
    for point in view.series:
        weeks.setdefault(point.week, []).append((charts.variant_label(view, point.variant), point.value))
    return sorted(weeks.items())


def _is_news(found: Diagnostic) -> bool:
    """Balance in order is told by the table of balance; everything else is a line of its own."""
    return not found.check.startswith("balance:") or found.status is not Status.OK
