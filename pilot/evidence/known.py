"""What was known when: a report computed again from the lake of another day, beside what it says now, and why it moved.

Receipts are only ever added, so what a version holds more of than an older one is what arrived in between. Units, home
customers and plan are those of the draw. What is not versioned is of today: the attributes of customers, by which
segments are told apart, and which stores closed (at the frozen report's own version: those that it says). Nothing here
is ever frozen: a decision rests on the report of its own day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from experiments.look.report import ReportRow
from experiments.measure.exact import exact_sum
from experiments.measure.facts import FactKind
from pilot.errors import Refused
from pilot.evidence.computing import compute_report, months_between, report_at
from pilot.evidence.document import ReportDocument
from pilot.evidence.queries import document_of, latest_report
from pilot.evidence.recommendation import Recommendation, Recommended
from pilot.network.queries import network
from pilot.outcomes.history import period_known
from pilot.planning.model import Pilot
from pilot.words import N_

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake

_FAR = date(9999, 12, 29)


class WindowNotKnown(Refused):
    """Before the first receipt of a stage's window there is nothing of which to make its report."""

    code = "window_not_known"
    template = N_(
        "At lake version {version} no receipt from {first:date} on was known, the first day of stage {stage} of "
        "{pilot}. Choose a later day."
    )


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came between two versions about the days of a report: ``n`` facts of one kind and their net sum."""

    kind: FactKind
    n: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One estimate as it was known then and as it is known now; either row may be a refusal."""

    then: ReportRow
    now: ReportRow

    @property
    def change(self) -> float | None:
        """By how much the effect moved; None where one of them could not be estimated."""
        if self.then.estimate is None or self.now.estimate is None:
            return None
        return self.now.estimate.effect - self.then.estimate.effect


class Again(StrEnum):
    """What ``then`` is beside the frozen report: the same in every digit; of the same receipts, but its segments are
    those of today (or everything is other: a network was changed by hand, or another code computes); of others."""

    SAME = "same"
    OTHER_SEGMENTS = "other_segments"
    OTHER_NETWORK = "other_network"
    OTHER_RECEIPTS = "other_receipts"


@dataclass(frozen=True, slots=True)
class Compared:
    """Two reports of the same look, by what the lake knew. ``again`` says what ``then`` is beside the frozen one."""

    then: ReportDocument
    now: ReportDocument
    rows: tuple[ComparedRow, ...]
    arrived: tuple[Arrived, ...]
    again: Again

    @property
    def is_as_frozen(self) -> bool:
        """Whether ``then`` has the frozen numbers again."""
        return self.again is Again.SAME


def version_on(session: Session, lake: Lake, day: date) -> int:
    """The lake's version at the end of ``day`` in the network's time zone. Raises ``NothingKnownYet``."""
    zone = ZoneInfo(network(session).timezone)
    # Of days that no calendar goes beyond, what is known at their end is what is known now.
    end = datetime.combine(min(day, _FAR) + timedelta(days=1), time.min, zone).astimezone(UTC)
    return lake.version_known_on(end - timedelta(microseconds=1))


def as_known(
    session: Session, pilot: Pilot, stage_number: int, *, lake: Lake, version: int, now: datetime
) -> ReportDocument:
    """The stage's report from the lake as it was at ``version``: its last look again, or a first one before any look.

    Exploratory, whatever it shows. Raises what ``compute_report`` raises, ``NoSuchLakeVersion``, ``WindowNotKnown``.
    """
    frozen = latest_report(session, pilot, stage_number)
    if frozen is not None:
        return again(session, pilot, document_of(frozen), lake=lake, version=version)
    return compute_report(session, pilot, stage_number, lake=lake, now=now, exploratory=True, known=version)


def again(session: Session, pilot: Pilot, frozen: ReportDocument, *, lake: Lake, version: int) -> ReportDocument:
    """The look of ``frozen`` computed again from the lake as it was at ``version``; at its own, the same numbers."""
    last = _last_day(lake, version, frozen.window.first)
    if last is None:
        raise WindowNotKnown(version=version, first=str(frozen.window.first), stage=frozen.stage, pilot=frozen.pilot)
    return replace(report_at(session, pilot, frozen, lake=lake, version=version), exploratory=True)


def compared(
    session: Session, pilot: Pilot, frozen: ReportDocument, *, lake: Lake, version: int | None = None
) -> Compared:
    """What was known at ``version`` (None: the report's own) beside what is known now."""
    then = again(session, pilot, frozen, lake=lake, version=frozen.lake_version if version is None else version)
    now = again(session, pilot, frozen, lake=lake, version=lake.version())
    return Compared(then, now, paired(then, now), _arrived(lake, then, now), beside_frozen(then, frozen))


def paired(then: ReportDocument, now: ReportDocument) -> tuple[ComparedRow, ...]:
    """The rows that both have."""
    of_now = {_key(row): row for row in now.analysis.rows}
    return tuple(ComparedRow(row, of_now[_key(row)]) for row in then.analysis.rows if _key(row) in of_now)


def same_numbers(one: ReportDocument, other: ReportDocument) -> bool:
    """Whether two documents say the same in every digit; what made them (code, audit head, stamp) does not count."""
    return _numbers(one).text() == _numbers(other).text()


def beside_frozen(then: ReportDocument, frozen: ReportDocument) -> Again:
    """What a report that was computed again is beside the frozen one."""
    if not frozen.risk:  # made before reports told when customers came back
        then = replace(then, risk={})
    if not frozen.beside:  # made before reports kept what else they were computed from
        then = replace(then, beside={})
    if same_numbers(then, frozen):
        return Again.SAME
    if then.lake_version != frozen.lake_version:
        return Again.OTHER_RECEIPTS
    is_same_of_all = same_numbers(_of_everybody(then), _of_everybody(frozen))
    return Again.OTHER_SEGMENTS if is_same_of_all else Again.OTHER_NETWORK


def _of_everybody(document: ReportDocument) -> ReportDocument:
    """The document without what it says of segments."""
    rows = tuple(row for row in document.analysis.rows if row.segment is None)
    beside = {name: told for name, told in document.beside.items() if name != "segments"}
    return replace(document, analysis=replace(document.analysis, rows=rows), beside=beside)


def _numbers(document: ReportDocument) -> ReportDocument:
    """Without what made it, and without the chapters and what is recommended, which rests on them."""
    return replace(
        document,
        exploratory=False,
        code_version="",
        audit_head="",
        lake_version=0,
        chapters={},
        recommendation=Recommendation(Recommended.EXTEND, (), ()),
        truths=(),
    )


def _key(row: ReportRow) -> tuple[str, str, str | None]:
    return row.metric, row.variant, row.segment


def _arrived(lake: Lake, then: ReportDocument, now: ReportDocument) -> tuple[Arrived, ...]:
    before, after = (_counted(lake, document.lake_version, document) for document in (then, now))
    found = []
    for kind in FactKind:
        (n, net), (n_now, net_now) = before.get(kind, (0, 0)), after.get(kind, (0, 0))
        if n_now != n:
            found.append(Arrived(kind, n_now - n, net_now - net))
    return tuple(found)


def _counted(lake: Lake, version: int, document: ReportDocument) -> Mapping[str, tuple[int, int]]:
    """By kind, how many facts of the report's days the version holds, and their net sum."""
    first, last = document.before.first, document.window.last
    receipts = lake.receipts(version, months_between(first, last))
    inside = receipts.filter(receipts.business_date.between(first, last))
    rows = inside.group_by("kind").aggregate(n=inside.count(), net=exact_sum(inside.net_minor)).to_pyarrow().to_pylist()
    return {row["kind"]: (int(row["n"]), int(row["net"])) for row in rows}


def _last_day(lake: Lake, version: int, first: date) -> date | None:
    """The last business day from ``first`` on of which the version has a receipt."""
    known = period_known(lake, version)
    return known[1] if known and known[1] >= first else None
