"""A report as an Excel workbook: numbers as numbers, a sheet for each part, the plan and the methods on their own."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, BinaryIO

from babel.numbers import get_currency_precision

from experiments.estimate.estimate import Method
from experiments.look.report import Stamp
from pilot.evidence.chapter_names import with_names
from pilot.evidence.chapter_sheets import Names, chapter_tables
from pilot.evidence.charts import covariate_label, variant_label
from pilot.evidence.export import FEW, exported, is_suppressed, stamp_of
from pilot.evidence.queries import ReportView
from pilot.evidence.sentences import METHODS, STAMPS
from pilot.evidence.sheets import Book, Cell, Money, Percent, Points, Table
from pilot.planning.metrics import library_metric
from pilot.words import N_, Message, translate

_MOMENTS_ROWS = 50_000  # a workbook is for reading: beyond it the JSON export has the rest


def workbook(
    file: BinaryIO,
    view: ReportView,
    plan: Sequence[tuple[str, str]],
    *,
    sentences: Sequence[str],
    checks: Sequence[tuple[str, str]],
    names: Names,
) -> None:
    """Write the workbook of ``view`` to ``file``, in the reader's language, without cells of few customers.

    ``plan`` is the plan in words (what, how), ``sentences`` what the report says on top, ``checks`` what its
    diagnostics are called and say, in their order, ``names`` what readers call segments, regions and stores.
    """
    document = exported(view.document.text())
    warning = _say(N_("Exploratory: not frozen, and no decision can rest on it.")) if stamp_of(document) else ""
    with Book(file, currency=view.document.currency, warning=warning) as book:
        book.add(_say(N_("Report")), [_facts(view, sentences)])
        book.add(_say(N_("Effects")), [_effects(view, document, names.groups)])
        book.add(_say(N_("Week by week")), [_series(view)])
        book.add(_say(N_("Balance before")), [_balance(view)])
        book.add(_say(N_("Checks")), [_checks(view, checks)])
        chapters = with_names(document.get("chapters", {}), view.variant_names, names.groups)
        for code, title in CHAPTERS.items():
            if code in chapters:
                book.add(_say(title), chapter_tables(code, chapters[code], view, names))
        book.add(_say(N_("Plan")), [Table([_say(N_("Part of the plan")), _say(N_("As it was sealed"))], plan)])
        book.add(_say(N_("Methods")), list(_methods(view)))
        book.add(_say(N_("Moments")), list(_moments(document)))


# The chapters' sheets, named as the pages name them.
CHAPTERS: dict[str, str] = {
    "money": N_("Money"),
    "swiped": N_("Real or just swiped?"),
    "subsidy": N_("Subsidised share"),
    "loyalty": N_("True loyalty"),
    "where": N_("Where does it work?"),
    "crossing": N_("Cross-shopping map"),
    "value": N_("Value and cost"),
}


def _facts(view: ReportView, sentences: Sequence[str]) -> Table:
    document = view.document
    rows: list[tuple[str, Cell]] = [
        (_say(N_("Pilot")), view.pilot_name),
        (_say(N_("Report")), document.code),
        (_say(N_("Stage")), document.stage),
        (_say(N_("Look")), _say(N_("beyond the planned ones")) if document.exploratory else document.look),
        (_say(N_("Looks planned")), document.looks_planned),
        (_say(N_("First day")), document.window.first),
        (_say(N_("Last day")), document.window.last),
        (_say(N_("Compared with, first day")), document.before.first),
        (_say(N_("Compared with, last day")), document.before.last),
        (_say(N_("Receipts complete to")), document.freshness.through),
        (_say(N_("Receipts")), document.freshness.receipts),
        (_say(N_("Currency")), document.currency),
        (_say(N_("Plan hash")), document.plan_hash),
        (_say(N_("Ledger hash")), document.ledger_hash),
        (_say(N_("Lake version")), document.lake_version),
        (_say(N_("Code version")), document.code_version),
    ]
    if view.frozen is not None:
        rows += [
            (_say(N_("Report hash")), view.frozen.hash),
            (_say(N_("Audit head")), document.audit_head),
            (_say(N_("Frozen by")), view.frozen.created_by),
        ]
    said = [(_say(N_("What the report says")), sentence) for sentence in sentences]
    return Table([_say(N_("What")), _say(N_("Value"))], [*said, *rows])


def _effects(view: ReportView, document: Mapping[str, Any], segments: Mapping[str, str]) -> Table:
    columns = [
        N_("Metric"), N_("Unit"), N_("Role"), N_("Variant"), N_("Segment"), N_("Leads"), N_("Effect"),
        N_("Effect, per cent of control"), N_("Interval, low"), N_("Interval, high"), N_("Level of the interval"),
        N_("p-value"), N_("n units"), N_("n rows"), N_("Mean of the variant"), N_("Mean of control"), N_("Method"),
        N_("Stamps"), N_("Why there is no number"), N_("Truth (demonstration)"),
    ]  # fmt: skip
    small = {_key(row) for row in document["analysis"]["rows"] if is_suppressed(row)}
    rows: list[list[Cell]] = []
    for row in view.rows:
        one = None if (row.metric, row.variant, row.segment) in small else row.estimate
        refusal = translate(FEW) if one is None and row.estimate is not None else ""
        cells: list[Cell] = [
            translate(row.title),
            _say(_UNITS.get(row.unit, row.unit)),
            _say(_ROLES.get(row.role, row.role)),
            variant_label(view, row.variant),
            segments.get(row.segment, row.segment) if row.segment else "",
            _say(N_("leads")) if row.leads else "",
        ]
        if one is None:
            cells += [None] * 11
        else:
            relative = None if one.relative_effect is None else Percent(one.relative_effect)
            cells += [_change(view, one.effect, row.unit), relative]
            cells += [_change(view, end, row.unit) for end in one.interval]
            cells += [Percent(one.confidence_level), one.p_value, one.n_units, one.n_rows]
            cells += [_amount(view, one.mean_variant, row.unit), _amount(view, one.mean_control, row.unit)]
            cells.append(translate(METHODS[Method(one.method)]))
        stamps = "; ".join(translate(STAMPS[Stamp(stamp)]) for stamp in row.stamps)
        cells += [stamps, refusal or (translate(row.refusal) if row.refusal else "")]
        cells.append(None if row.truth is None else _change(view, row.truth, row.unit))
        rows.append(cells)
    return Table([_say(name) for name in columns], rows)


_UNITS = {"money": N_("money"), "ratio": N_("money"), "share": N_("percentage points"), "count": N_("count")}
_ROLES = {"primary": N_("Primary"), "secondary": N_("Secondary"), "guardrail": N_("Guardrail")}


def _key(row: Mapping[str, Any]) -> tuple[str, str, str | None]:
    return row["metric"], row["variant"], row["segment"]


def _amount(view: ReportView, value: float, unit: str) -> Cell:
    """A level of a metric: money in whole units of its currency, a share as a percentage."""
    if unit in ("money", "ratio"):
        return Money(value / 10 ** get_currency_precision(view.document.currency))
    return Percent(value) if unit == "share" else float(value)


def _change(view: ReportView, value: float | None, unit: str) -> Cell:
    """A difference; of shares it is in percentage points."""
    if value is None:
        return None
    return Points(value * 100) if unit == "share" else _amount(view, value, unit)


def _series(view: ReportView) -> Table:
    metric = library_metric(view.document.series_metric)
    columns = [N_("Week of"), N_("Variant"), N_("Mean"), N_("n units")]
    rows = [
        [point.week, variant_label(view, point.variant), _amount(view, point.value, metric.metric.unit.value),
         point.n_units]
        for point in view.series
    ]  # fmt: skip
    return Table([_say(name) for name in columns], rows, title=translate(metric.title))


def _balance(view: ReportView) -> Table:
    columns = [N_("Covariate"), N_("Variant"), N_("Difference in standard deviations")]
    rows = [
        [covariate_label(row.covariate), variant_label(view, row.variant), row.standardised_difference]
        for row in view.document.balance
    ]
    return Table([_say(name) for name in columns], rows)


def _checks(view: ReportView, said: Sequence[tuple[str, str]]) -> Table:
    columns = [N_("Check"), N_("Verdict"), N_("What it says")]
    verdicts = {"ok": N_("In order"), "warn": N_("Look closer"), "alarm": N_("Alarm")}
    rows = [
        [title, _say(verdicts[one.status.value]), says]
        for one, (title, says) in zip(view.document.analysis.diagnostics, said, strict=True)
    ]
    rows += [[_say(N_("Warning")), "", translate(one)] for one in view.document.analysis.warnings]
    return Table([_say(name) for name in columns], rows)


def _methods(view: ReportView) -> Iterator[Table]:
    """The metrics with formula and pitfall, the methods that were used, and what the stamps mean."""
    metrics = [library_metric(code) for code in dict.fromkeys(row.metric for row in view.rows)]
    columns = [N_("Metric"), N_("Formula"), N_("Watch out"), N_("Code")]
    rows = [[translate(m.title), translate(m.formula), translate(m.pitfall), m.code] for m in metrics]
    yield Table([_say(name) for name in columns], rows)
    used = {one.method for row in view.rows for one in (row.estimate, *row.alternatives) if one is not None}
    methods = [[translate(METHODS[Method(code)]), code] for code in sorted(used)]
    yield Table([_say(N_("Method")), _say(N_("Code"))], methods)
    stamps = sorted({stamp for row in view.rows for stamp in row.stamps})
    if stamps:
        yield Table([_say(N_("Stamp")), _say(N_("Code"))], [[translate(STAMPS[Stamp(one)]), one] for one in stamps])


def _moments(document: Mapping[str, Any]) -> Iterator[Table]:
    """The exact whole numbers behind the estimates, in the names that the statistics use."""
    for code, rows in document["moments"].items():
        columns = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_plain(row.get(name)) for name in columns] for row in rows[:_MOMENTS_ROWS]]
        yield Table(columns, cells, title=translate(library_metric(code).title))


def _plain(value: Any) -> Cell:
    """A stored value in one cell."""
    return value if value is None or isinstance(value, (str, int, float, date)) else str(value)


def _say(template: str) -> str:
    return translate(Message("workbook", template))
