"""The charts of a report, as Altair charts: effects with intervals, metrics over time, balance before the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from experiments.charts import BalancePoint, ForestRow, balance_plot, forest
from experiments.plan import Kind, Role
from experiments.report import Report, Row

if TYPE_CHECKING:
    import altair as alt

_OF_THE_WHOLE = ("$schema", "config")  # Vega-Lite wants them once
_WIDTH = 560  # of charts under each other, which cannot follow the page


class Charts:
    """``report.charts``: each method makes one chart."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def forest(self, metric: str | None = None) -> alt.Chart | alt.VConcatChart:
        """Effects and intervals of all tested rows, or of those of ``metric``; primary rows are emphasised.

        Each metric has an axis of its own, in its unit: points of a hundred for a proportion. Raises ``KeyError`` where
        no row of ``metric`` was tested.
        """
        tested = [row for row in self._report.rows if row.effect is not None and metric in (None, row.metric)]
        names = list(dict.fromkeys(row.metric for row in tested))
        if not names:
            raise KeyError(metric or "no row could be tested")
        title = f"Effects against {self._report.control}"
        if len(names) == 1:
            return _chart(_forest(tested, title))
        plots = [_forest([row for row in tested if row.metric == name], name) for name in names]
        whole = {key: plots[0][key] for key in _OF_THE_WHOLE if key in plots[0]}
        datasets = {key: rows for plot in plots for key, rows in plot["datasets"].items()}
        apart = [{key: plot[key] for key in plot if key not in (*whole, "datasets")} for plot in plots]
        under = [plot | {"width": _WIDTH} for plot in apart]
        return _chart({**whole, "title": title, "datasets": datasets, "vconcat": under})

    def over_time(self, metric: str | None = None) -> alt.Chart:
        """The mean of ``metric`` (the first one) over each variant's units, period by period, the start marked.

        Raises ``KeyError`` for a report without periods, or without ``metric``.
        """
        import altair as alt

        names = list(dict.fromkeys(point.metric for point in self._report.series))
        name = names[0] if metric is None and names else metric
        points = [point for point in self._report.series if point.metric == name]
        if not points:
            raise KeyError(metric or "a report without periods has nothing over time")
        variants = list(dict.fromkeys([self._report.control, *(point.variant for point in points)]))
        order = list(dict.fromkeys(point.period for point in self._report.series))
        data = [{"period": p.period, "variant": p.variant, "value": p.value, "n": p.n_units} for p in points]
        x = alt.X("period:O", title="period", sort=order, axis=alt.Axis(labelOverlap=True))
        lines = (
            alt.Chart(alt.InlineData(values=data))
            .mark_line(point=True)
            .encode(
                x=x,
                y=alt.Y("value:Q", title=name, scale=alt.Scale(zero=False)),
                color=alt.Color("variant:N", title=None, sort=variants, legend=alt.Legend(orient="top")),
            )
        )
        rule = (
            alt.Chart(alt.InlineData(values=[{"period": self._report.start}]))
            .mark_rule(strokeDash=[4, 3])
            .encode(x=alt.X("period:O", sort=order))
        )
        chart = alt.layer(lines, rule).properties(title=f"{name} over time", width="container", height=280)
        return _chart(chart.to_dict())

    def balance(self) -> alt.Chart:
        """Standardised differences of the covariates before the start.

        Raises ``KeyError`` for a report whose plan names no covariates.
        """
        if not self._report.balance:
            raise KeyError("a report without covariates has no balance to show")
        points = [BalancePoint(p.covariate, p.variant, p.difference) for p in self._report.balance]
        return _chart(balance_plot(points, title="Balance before the start", difference_title="standard deviations"))


def _forest(rows: Sequence[Row], title: str) -> dict[str, Any]:
    """One metric: its rows on one axis."""
    scale, unit = (100.0, "effect, points") if rows[0].kind == Kind.PROPORTION else (1.0, "effect")
    shown = []
    for row in rows:
        low, high = (None if end is None else scale * end for end in row.interval or (None, None))
        leads = row.role == Role.PRIMARY and row.segment is None
        shown.append(ForestRow(_label(row), scale * (row.effect or 0.0), low, high, emphasised=leads))
    return forest(shown, title=title, effect_title=unit)


def _label(row: Row) -> str:
    return f"{row.metric}, {row.variant}" + (f" [{row.segment}]" if row.segment else "")


def _chart(specification: dict[str, Any]) -> alt.Chart:
    import altair as alt

    chart: alt.Chart = alt.Chart.from_dict(specification)
    return chart
