"""The charts of a report as Vega-Lite specifications, with labels in the reader's language."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from experiments.charts import BalancePoint, Event, ForestRow, balance_plot, forest, over_time
from experiments.design.mechanisms import CONTROL
from pilot.evidence.queries import ReportView, RowView
from pilot.evidence.sentences import CONTROL as CONTROL_WORD
from pilot.planning.calendar_model import CalendarEvent
from pilot.planning.candidates import COVARIATES
from pilot.planning.metrics import library_metric
from pilot.words import N_, Message, translate


def forest_chart(report: ReportView) -> dict[str, Any]:
    """The relative effect of every whole-population row with its gate interval, the leading ones emphasised.

    Metrics have different units, so the axis is the effect in per cent of control; rows without an estimate or with a
    control mean of zero are left out (the table has them).
    """
    rows = [_forest_row(report, row) for row in report.rows if row.segment is None]
    return forest(
        [row for row in rows if row is not None],
        title=_say("chart_forest", N_("Effect of each variant")),
        effect_title=_say("chart_effect", N_("Effect, per cent of control")),
    )


def series_chart(
    report: ReportView, *, minor_per_unit: int = 100, events: Sequence[CalendarEvent] = ()
) -> dict[str, Any]:
    """Treated against control week by week, with the start and ``events`` marked. ``minor_per_unit`` of the currency
    (100: cents)."""
    metric = library_metric(report.document.series_metric)
    scale = minor_per_unit if metric.metric.unit in ("money", "ratio") else 1
    points = [replace(point, value=point.value / scale) for point in report.series]
    seen = sorted({point.variant for point in points}, key=lambda variant: (variant != CONTROL, variant))
    return over_time(
        points,
        start=report.starts_on,
        labels={variant: variant_label(report, variant) for variant in seen},
        title=_say("chart_series", N_("Week by week")),
        value_title=translate(metric.title),
        week_title=_say("chart_week", N_("Week")),
        start_label=_say("chart_start", N_("Start")),
        events=[Event(event.first_day, event.last_day, event.name) for event in events],
    )


def balance_chart(report: ReportView) -> dict[str, Any]:
    """Standardised differences before the start; covariates that do not vary have no point."""
    points = [
        BalancePoint(covariate_label(row.covariate), variant_label(report, row.variant), row.standardised_difference)
        for row in report.document.balance
        if row.standardised_difference is not None
    ]
    return balance_plot(
        points,
        title=_say("chart_balance", N_("Balance before the start")),
        difference_title=_say("chart_difference", N_("Difference in standard deviations")),
    )


def variant_label(report: ReportView, variant: str) -> str:
    """The variant's name; control's in the reader's language."""
    return translate(CONTROL_WORD) if variant == CONTROL else report.variant_names.get(variant, variant)


def covariate_label(covariate: str) -> str:
    """The covariate in words."""
    known = COVARIATES.get(covariate)
    return translate(known) if known else covariate


def _forest_row(report: ReportView, row: RowView) -> ForestRow | None:
    if row.estimate is None or not row.estimate.mean_control:
        return None
    per_cent = 100.0 / row.estimate.mean_control
    low, high = row.interval_gate or row.estimate.interval
    several = len({r.variant for r in report.rows}) > 1
    title = translate(row.title)
    label = f"{title} · {variant_label(report, row.variant)}" if several else title
    return ForestRow(
        label=label,
        effect=row.estimate.effect * per_cent,
        lower=None if low is None else low * per_cent,
        upper=None if high is None else high * per_cent,
        emphasised=row.leads,
    )


def _say(code: str, template: str) -> str:
    return translate(Message(code, template))
