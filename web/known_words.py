"""What was known then beside what is known now, in cells and sentences."""

from dataclasses import dataclass

from experiments.look.report import ReportRow
from experiments.measure.facts import FactKind
from pilot.evidence.charts import variant_label
from pilot.evidence.known import Again, Arrived, Compared, ComparedRow
from pilot.evidence.queries import ReportView
from pilot.planning.metrics import in_our_words, library_metric
from pilot.words import translate
from web import presenters
from web.words import _


@dataclass(frozen=True, slots=True)
class Cell:
    """An effect with its interval, p and n; or why there is none."""

    effect: str
    interval: str
    p: str
    n: str
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class ShownPair:
    """One metric and variant, then and now. ``change`` is a dash where one of them has no estimate."""

    metric: str
    variant: str
    then: Cell
    now: Cell
    change: str


def pairs(report: ReportView, found: Compared) -> list[ShownPair]:
    """The rows of everybody; segments stay in the report."""
    return [_pair(report, row) for row in found.rows if row.then.segment is None]


def arrivals(found: Compared, currency: str) -> list[str]:
    """What came in between, one sentence for each kind of receipt."""
    return [_arrival(one, currency) for one in found.arrived]


def beside_frozen(found: Compared) -> str:
    """Whether the numbers of then are those of the frozen report, and if not, why."""
    if found.again is Again.SAME:
        return _("Computed again, the numbers are those of the frozen report, in every digit.")
    if found.again is Again.OTHER_RECEIPTS:
        return _("These are other numbers than the frozen report's: it was made when other receipts were known.")
    if found.again is Again.OTHER_SEGMENTS:
        return _(
            "Computed again, the numbers of all customers are those of the frozen report, in every digit; those of "
            "segments are not, because customers' attributes have changed since or customers were forgotten."
        )
    return _(
        "These are other numbers than the frozen report's, although they are of the same receipts: what is known of "
        "stores and customers, or how it is computed, has changed since."
    )


def _pair(report: ReportView, row: ComparedRow) -> ShownPair:
    currency, unit = report.document.currency, row.then.metric_unit
    return ShownPair(
        metric=translate(library_metric(row.then.metric).title),
        variant=variant_label(report, row.then.variant),
        then=_cell(row.then, currency),
        now=_cell(row.now, currency),
        change="–" if row.change is None else presenters.change(row.change, unit, currency),
    )


def _cell(row: ReportRow, currency: str) -> Cell:
    found = row.estimate
    if found is None:
        return Cell("", "", "", "", translate(in_our_words(row.refusal)) if row.refusal else "–")
    return Cell(
        effect=presenters.change(found.effect, row.metric_unit, currency),
        interval=presenters.interval(found.interval, row.metric_unit, currency),
        p=presenters.p_value(found.p_value),
        n=presenters.whole(found.n_units),
    )


def _arrival(one: Arrived, currency: str) -> str:
    values = {"n": presenters.whole(one.n), "net": presenters.money(one.net_minor, currency)}
    if one.kind is FactKind.SALE:
        return _("Late sales: %(n)s, worth %(net)s.", **values)
    if one.kind is FactKind.RETURN:
        return _("Late returns: %(n)s, worth %(net)s.", **values)
    if one.kind is FactKind.CORRECTION:
        return _("Corrections of earlier receipts: %(n)s, together %(net)s.", **values)
    return _("Receipts whose customer was told late: %(n)s, worth %(net)s (counted before, now as theirs).", **values)
