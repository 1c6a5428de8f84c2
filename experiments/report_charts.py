"""The charts of a report, as Altair charts: effects with intervals, metrics over time, balance before the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.charts import BalancePoint, ForestRow, balance_plot, forest
from experiments.report import Report

if TYPE_CHECKING:
    import altair as alt


class Charts:
    """``report.charts``: each method makes one chart."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def forest(self, metric: str | None = None) -> alt.Chart:
        """Effects and intervals of all tested rows, or of those of ``metric``; primary rows are emphasised."""
        rows = [
            ForestRow(_label(row), row.effect, *(row.interval or (None, None)), emphasised=row.role == "primary")
            for row in self._report.rows
            if row.effect is not None and metric in (None, row.metric)
        ]
        return _chart(forest(rows, title=f"Effects against {self._report.control}", effect_title="effect"))

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
        order = list(dict.fromkeys(point.period for point in self._report.series))
        data = [{"period": p.period, "variant": p.variant, "value": p.value, "n": p.n_units} for p in points]
        x = alt.X("period:O", title="period", sort=order, axis=alt.Axis(labelOverlap=True))
        lines = (
            alt.Chart(alt.InlineData(values=data))
            .mark_line(point=True)
            .encode(
                x=x,
                y=alt.Y("value:Q", title=name, scale=alt.Scale(zero=False)),
                color=alt.Color("variant:N", title=None, legend=alt.Legend(orient="top")),
            )
        )
        rule = (
            alt.Chart(alt.InlineData(values=[{"period": self._report.start}]))
            .mark_rule(strokeDash=[4, 3])
            .encode(x=alt.X("period:O", sort=order))
        )
        return _chart(alt.layer(lines, rule).properties(title=f"{name} over time").to_dict())

    def balance(self) -> alt.Chart:
        """Standardised differences of the covariates before the start."""
        points = [BalancePoint(p.covariate, p.variant, p.difference) for p in self._report.balance]
        return _chart(balance_plot(points, title="Balance before the start", difference_title="standard deviations"))


def _label(row: Any) -> str:
    return f"{row.metric}, {row.variant}" + (f" [{row.segment}]" if row.segment else "")


def _chart(specification: dict[str, Any]) -> alt.Chart:
    import altair as alt

    chart: alt.Chart = alt.Chart.from_dict(specification)
    return chart
