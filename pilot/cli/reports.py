"""``pilot report`` and ``pilot decide``: freeze a look, read it, choose."""

import argparse
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.permissions import Permission
from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.cli.presenters import Figures
from pilot.cli.verbs import Verbs
from pilot.errors import NotFound
from pilot.evidence import service as evidence
from pilot.evidence.document import ReportDocument, read_document
from pilot.evidence.export import exported
from pilot.evidence.known import as_known, version_on
from pilot.evidence.model import FrozenReport
from pilot.evidence.truths import load_truths
from pilot.governance import service as governance
from pilot.governance.model import Choice
from pilot.outcomes.lake import Lake
from pilot.planning.queries import pilot as pilot_by_code
from pilot.words import N_, translate

if TYPE_CHECKING:
    from experiments.look.report import ReportRow


def configure(name: str, command: argparse.ArgumentParser) -> None:
    if name == "decide":
        add_common(command, acts=True)
        command.add_argument("report", metavar="REPORT")
        command.add_argument("choice", choices=[str(choice) for choice in Choice])
        command.add_argument("--reason", required=True, help=phrase(N_("reaches the author")))
        command.add_argument(
            "--region", action="append", default=[], metavar="REGION",
            help=phrase(N_("with approve_some: a region of the next stage; may be given again")),
        )  # fmt: skip
        command.set_defaults(do=decide)
        return
    verbs = Verbs(command)
    make = verbs.add("make", N_("compute a stage's report and freeze it: one look is taken"), take_look, acts=True)
    make.add_argument("pilot")
    make.add_argument("stage", type=int)
    known = make.add_mutually_exclusive_group()
    on = phrase(N_("what was known at the end of this day; shown, never frozen"))
    known.add_argument("--as-known-on", type=date.fromisoformat, metavar="DATE", help=on)
    at = phrase(N_("what this version of the lake knew; shown, never frozen"))
    known.add_argument("--lake-version", type=int, metavar="N", help=at)
    verbs.add("list", N_("a pilot's reports"), show_all).add_argument("pilot")
    verbs.add("show", N_("a frozen report; --json gives every digit"), show).add_argument("report")


def take_look(context: Context) -> None:
    """Compute while only reading, then freeze in a short transaction."""
    options, console, settings = context.options, context.console, context.settings
    if options.as_known_on is not None or options.lake_version is not None:
        _show_as_known(context)
        return
    with context.database.reading() as session, console.progress(N_("Computing the report")) as bar:
        pilot = pilot_by_code(session, options.pilot)
        context.actor(session, Permission.REPORT_MAKE, pilot)
        computed = evidence.compute_report(
            session,
            pilot,
            options.stage,
            lake=Lake(settings),
            now=context.now,
            truths=load_truths(settings),
            progress=bar,
        )
    with context.acting(Permission.REPORT_MAKE) as (session, actor):
        report = evidence.freeze(session, computed, actor=actor, now=context.now)
    _show_report(context, report)
    console.say(
        N_("Next: executives run “pilot decide {report} approve|extend|send_back|stop --reason …”."), report=report.code
    )


def _show_as_known(context: Context) -> None:
    """The report as it was known at another time: exploratory, and not kept."""
    options, console, lake = context.options, context.console, Lake(context.settings)
    with context.database.unit_of_work() as session:
        pilot = pilot_by_code(session, options.pilot)
        actor = context.actor(session, Permission.REPORT_MAKE, pilot)
        evidence.record_exploration(session, pilot, options.stage, actor=actor, now=context.now)
    with context.database.reading() as session, console.progress(N_("Computing the report")):
        pilot = pilot_by_code(session, options.pilot)
        version = options.lake_version
        if version is None:
            version = version_on(session, lake, options.as_known_on)
        document = as_known(session, pilot, options.stage, lake=lake, version=version, now=context.now)
    _show_rows(context, document)
    console.say(
        N_("As known at lake version {version}: exploratory, not frozen, and no decision can rest on it."),
        version=version,
    )
    console.answer({"exploratory": True, "lake_version": version, "document": exported(document.text())})


def show_all(context: Context) -> None:
    with context.database.reading() as session:
        pilot = pilot_by_code(session, context.options.pilot)
        wanted = select(FrozenReport).where(FrozenReport.pilot_id == pilot.id).order_by(FrozenReport.id)
        reports = session.scalars(wanted).all()
        rows = [(r.code, r.stage_number, r.look, r.recommendation, f"{r.created_at:%Y-%m-%d %H:%M}Z") for r in reports]
        header = [N_("Report"), N_("Stage"), N_("Look"), N_("Recommends"), N_("Frozen")]
        context.console.table(header, rows)
        context.console.answer(
            [
                {"report": r.code, "stage": r.stage_number, "look": r.look, "recommendation": r.recommendation}
                for r in reports
            ]
        )


def show(context: Context) -> None:
    with context.database.reading() as session:
        _show_report(context, _report(session, context.options.report))


def decide(context: Context) -> None:
    options, console = context.options, context.console
    with context.acting(Permission.DECISION_MAKE) as (session, actor):
        report = _report(session, options.report)
        decision = governance.decide(
            session,
            report,
            Choice(options.choice),
            reason=options.reason,
            regions=options.region,
            actor=actor,
            now=context.now,
        )
    if decision.takes_effect:
        console.say(N_("Decided: {choice}. The author has been told, with the reason."), choice=decision.choice)
    else:
        console.say(
            N_("Recorded: {choice}. It takes effect when a second executive chooses the same."),
            choice=decision.choice,
        )
    console.answer(
        {
            "report": report.code,
            "choice": str(decision.choice),
            "is_override": decision.is_override,
            "takes_effect": decision.takes_effect,
        }
    )


def _report(session: Session, code: str) -> FrozenReport:
    report = session.scalar(select(FrozenReport).where(FrozenReport.code == code))
    if report is None:
        raise NotFound(kind=phrase(N_("report")), name=code)
    return report


def _show_report(context: Context, report: FrozenReport) -> None:
    """The effect table with interval, p and n, then what follows; for programs the frozen text itself."""
    _show_rows(context, read_document(report.document))
    context.console.say(
        N_("Report {report}, look {look}: recommends {choice}."),
        report=report.code,
        look=report.look,
        choice=report.recommendation,
    )
    context.console.answer({"report": report.code, "hash": report.hash, "document": exported(report.document)})


def _show_rows(context: Context, document: ReportDocument) -> None:
    figures = Figures(context.settings.language, document.currency)
    rows = [_row(row, figures) for row in document.analysis.rows if row.segment is None]
    header = [N_("Metric"), N_("Variant"), N_("Effect"), N_("95 % interval"), N_("p"), N_("Units"), N_("Stamps")]
    context.console.table(header, rows)


def _row(row: "ReportRow", figures: Figures) -> tuple[str, ...]:
    stamps, found = ", ".join(row.stamps), row.estimate
    if found is None:
        why = translate(row.refusal) if row.refusal else "–"
        return (row.metric, row.variant, why, "", "", "", stamps)
    low, high = ("∞" if end is None else figures.quantity(end, row.metric_unit) for end in found.interval)
    return (
        row.metric,
        row.variant,
        figures.quantity(found.effect, row.metric_unit),
        f"{low} … {high}",
        figures.p_value(found.p_value),
        str(found.n_units),
        stamps,
    )
