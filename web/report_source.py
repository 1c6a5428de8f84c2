"""The report that an address names: a frozen one, or what was explored beyond the plan under a code of its own."""

from sqlalchemy import select

from pilot.errors import NotFound
from pilot.evidence import queries
from pilot.evidence.explored_kept import KeptExplorations
from pilot.evidence.model import FrozenReport
from pilot.evidence.queries import ReportView
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
