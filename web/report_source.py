"""The report that an address names: a frozen one, or what was explored beyond the plan under a code of its own."""

from dataclasses import dataclass

from sqlalchemy import select

from pilot.errors import NotFound
from pilot.evidence import queries
from pilot.evidence.explored_kept import KeptExplorations
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import Explored, ReportView
from pilot.planning.model import Pilot
from web.work import session, settings


def report_view(pilot: Pilot, code: str) -> ReportView:
    """The report ``code`` of ``pilot``; ``frozen`` is None for an exploratory one. ``NotFound`` where neither is."""
    frozen = session().scalar(select(FrozenReport).where(FrozenReport.code == code, FrozenReport.pilot_id == pilot.id))
    if frozen is not None:
        return queries.view(session(), queries.document_of(frozen), frozen)
    explored = KeptExplorations(settings().home).find(code)
    if explored is None or explored.pilot != pilot.code:
        raise NotFound(kind="report", name=code)
    return queries.view(session(), explored)


@dataclass(frozen=True, slots=True)
class ShownExploration:
    """Who asked beyond the plan and when, with the code of what is kept of it: the last of its stage, else nothing."""

    asked: Explored
    report: str | None


def explorations(pilot: Pilot) -> list[ShownExploration]:
    """The explorations of ``pilot``, newest first; of each stage the last one that was computed can be opened."""
    kept = KeptExplorations(settings().home)
    asked = queries.explorations_of(session(), pilot)
    codes = {stage: kept.code_of(pilot.code, stage) for stage in {one.stage for one in asked}}
    latest = {stage: next(one for one in asked if one.stage == stage) for stage in codes}
    return [ShownExploration(one, codes[one.stage] if one is latest[one.stage] else None) for one in asked]
