"""Charts as Vega-Lite specifications: titles and labels are arguments, so that callers pass translated text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from experiments.measure.series import WeekPoint

if TYPE_CHECKING:
    import altair as alt

_ROW_HEIGHT = 44
_TREATED = "#206bc4"
_CONTROL = "#667382"
_GAIN = "#2b8a57"
_LOSS = "#b3412f"


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One line of a forest plot: a label, an effect and the ends of its interval (None: no limit on that side)."""

    label: str
    effect: float
    lower: float | None
    upper: float | None
    emphasised: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a waterfall, from ``start`` to ``end``; a total stands on the line of zero."""

    label: str
    start: float
    end: float
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class BalancePoint:
    """One line of a balance plot: a covariate's label, a variant's label and the standardised difference."""

    label: str
    variant: str
    difference: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point of a curve."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened beside: its days and what it is called."""

    first: date
    last: date
    label: str


def forest(rows: Sequence[ForestRow], *, title: str, effect_title: str) -> dict[str, Any]:
    """Effects with their intervals, one row each in the order given, and a line at zero. An open end reaches the
    edge."""
    import altair as alt

    ends = [end for row in rows for end in (row.effect, row.lower, row.upper, 0.0) if end is not None]
    low, high = (min(ends), max(ends)) if ends else (-1.0, 1.0)
    reach = (high - low) * 0.2 or 1.0
    data = [
        {
            "label": row.label,
            "effect": row.effect,
            "lower": low - reach if row.lower is None else row.lower,
            "upper": high + reach if row.upper is None else row.upper,
            "emphasised": row.emphasised,
        }
        for row in rows
    ]
    x = alt.X("lower:Q", title=effect_title, scale=alt.Scale(nice=True, padding=8))
    y = alt.Y("label:N", title=None, sort=[row.label for row in rows])
    colour = alt.condition("datum.emphasised", alt.value(_TREATED), alt.value(_CONTROL))
    base = alt.Chart(_inline(data))
    intervals = base.mark_rule(strokeWidth=2).encode(x=x, x2="upper:Q", y=y, color=colour)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x=alt.X("effect:Q"), y=y, color=colour)
    zero = alt.Chart(_inline([{"zero": 0.0}])).mark_rule(strokeDash=[4, 3], color=_CONTROL).encode(x="zero:Q")
    return _specification(alt.layer(zero, intervals, points), title, height=_ROW_HEIGHT * max(len(rows), 1))


def waterfall(bars: Sequence[Bar], *, title: str, value_title: str) -> dict[str, Any]:
    """Amounts that add up, a bar each from where the last one ended, in the order given; totals have their own tone."""
    import altair as alt

    data = [
        {
            "label": bar.label,
            "start": bar.start,
            "end": bar.end,
            "amount": bar.end - bar.start,
            "tone": _TREATED if bar.is_total else _GAIN if bar.end >= bar.start else _LOSS,
        }
        for bar in bars
    ]
    base = alt.Chart(_inline(data)).encode(y=alt.Y("label:N", title=None, sort=[bar.label for bar in bars]))
    drawn = base.mark_bar(height=22).encode(
        x=alt.X("start:Q", title=value_title, scale=alt.Scale(nice=True, padding=8)),
        x2="end:Q",
        color=alt.Color("tone:N", scale=None),
        tooltip=[alt.Tooltip("label:N", title=" "), alt.Tooltip("amount:Q", title=value_title, format=",.2f")],
    )
    zero = alt.Chart(_inline([{"zero": 0.0}])).mark_rule(strokeDash=[4, 3], color=_CONTROL).encode(x="zero:Q")
    return _specification(alt.layer(drawn, zero), title, height=_ROW_HEIGHT * max(len(bars), 1))


def over_time(
    points: Sequence[WeekPoint],
    *,
    start: date,
    labels: Mapping[str, str],
    title: str,
    value_title: str,
    week_title: str,
    start_label: str,
    events: Sequence[Event] = (),
) -> dict[str, Any]:
    """The variants' weekly means as lines, with the start and events marked. ``labels`` maps variants to the text of
    the legend."""
    import altair as alt

    data = [
        {"week": point.week.isoformat(), "variant": labels[point.variant], "value": point.value, "n": point.n_units}
        for point in points
    ]
    order = [labels[variant] for variant in labels]
    palette = [_CONTROL if variant == "control" else _TREATED for variant in labels]
    if len(labels) > 2:
        palette = [_CONTROL, _TREATED, "#ae3ec9", "#2fb344", "#f76707", "#d63939"][: len(labels)]
    lines = (
        alt.Chart(_inline(data))
        .mark_line(point=True)
        .encode(
            x=alt.X("week:T", title=week_title, axis=alt.Axis(format="%x", labelOverlap=True)),
            y=alt.Y("value:Q", title=value_title, scale=alt.Scale(nice=True, zero=False, padding=8)),
            color=alt.Color(
                "variant:N", title=None, scale=alt.Scale(domain=order, range=palette), legend=alt.Legend(orient="top")
            ),
        )
    )
    mark = _inline([{"start": start.isoformat(), "label": start_label}])
    rule = alt.Chart(mark).mark_rule(strokeDash=[4, 3], color=_CONTROL).encode(x="start:T")
    text = (
        alt.Chart(mark)
        .mark_text(align="left", dx=5, baseline="top")
        .encode(x="start:T", y=alt.value(0), text="label:N")
    )
    return _specification(alt.layer(*_event_layers(events), lines, rule, text), title, height=280)


def curve(
    points: Sequence[CurvePoint], *, line: float | None, title: str, x_title: str, y_title: str, line_label: str
) -> dict[str, Any]:
    """A curve of shares; ``line`` is a share that it is held against."""
    import altair as alt

    drawn = (
        alt.Chart(_inline([{"x": point.x, "y": point.y} for point in points]))
        .mark_line(point=True, color=_TREATED)
        .encode(
            x=alt.X("x:Q", title=x_title, scale=alt.Scale(nice=True, padding=8), axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("y:Q", title=y_title, scale=alt.Scale(domainMin=0), axis=alt.Axis(format=".1%")),
        )
    )
    if line is None:
        return _specification(alt.layer(drawn), title, height=240)
    held = alt.Chart(_inline([{"y": line, "label": line_label}]))
    rule = held.mark_rule(strokeDash=[4, 3], color=_CONTROL).encode(y="y:Q")
    text = held.mark_text(align="left", dx=5, dy=-6).encode(y="y:Q", x=alt.value(0), text="label:N")
    return _specification(alt.layer(drawn, rule, text), title, height=240)


def balance_plot(points: Sequence[BalancePoint], *, title: str, difference_title: str) -> dict[str, Any]:
    """Standardised differences before the start, one row per covariate, and a line at zero."""
    import altair as alt

    data = [{"label": p.label, "variant": p.variant, "difference": p.difference} for p in points]
    chart = (
        alt.Chart(_inline(data))
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X("difference:Q", title=difference_title, scale=alt.Scale(nice=True, padding=8)),
            y=alt.Y("label:N", title=None, sort=list(dict.fromkeys(p.label for p in points))),
            color=alt.Color("variant:N", title=None, legend=alt.Legend(orient="top")),
        )
    )
    zero = alt.Chart(_inline([{"zero": 0.0}])).mark_rule(strokeDash=[4, 3], color=_CONTROL).encode(x="zero:Q")
    rows = len({p.label for p in points})
    return _specification(alt.layer(zero, chart), title, height=_ROW_HEIGHT * max(rows, 1))


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of a heat map: a share from 0 to 1 (None: it is not shown) and the text that stands in it."""

    row: str
    column: str
    share: float | None
    text: str


def heat_map(
    cells: Sequence[HeatCell],
    *,
    title: str,
    row_title: str,
    column_title: str,
    share_title: str,
    row_height: int = 2 * _ROW_HEIGHT,
    upright: bool = False,
) -> dict[str, Any]:
    """Shares as shades, each with its text; rows and columns in the order given. A cell that is not shown is grey.

    ``upright`` turns the labels of many columns."""
    import altair as alt

    data = [{"row": c.row, "column": c.column, "share": c.share, "text": c.text} for c in cells]
    x = alt.X("column:N", title=column_title, sort=list(dict.fromkeys(c.column for c in cells)),
              axis=alt.Axis(labelAngle=-90 if upright else 0, orient="top", labelLimit=140))  # fmt: skip
    y = alt.Y("row:N", title=row_title, sort=list(dict.fromkeys(c.row for c in cells)), axis=alt.Axis(labelLimit=140))
    scale = alt.Scale(domain=[0, 1], range=["#f3f7fe", _TREATED])
    shade = alt.condition(
        "datum.share === null",
        alt.value("#e8ecf1"),
        alt.Color("share:Q", title=share_title, scale=scale, legend=alt.Legend(format=".0%", orient="bottom")),
    )
    ink = alt.condition("datum.share > 0.55", alt.value("#ffffff"), alt.value("#182433"))
    base = alt.Chart(_inline(data))
    squares = base.mark_rect(stroke="#ffffff", strokeWidth=2).encode(x=x, y=y, color=shade)
    words = base.mark_text(fontSize=13).encode(x=x, y=y, text="text:N", color=ink)
    rows = len({c.row for c in cells})
    return _specification(alt.layer(squares, words), title, height=row_height * max(rows, 1))


def _event_layers(events: Sequence[Event]) -> list[alt.Chart]:
    """Bands behind the lines, each with its name at the foot, so that names do not meet those of the start."""
    import altair as alt

    if not events:
        return []
    rows = [{"first": e.first.isoformat(), "last": e.last.isoformat(), "label": e.label} for e in events]
    base = alt.Chart(_inline(rows))
    bands = base.mark_rect(color="#f59f00", opacity=0.18).encode(x="first:T", x2="last:T")
    names = base.mark_text(align="left", dx=3, dy=-4, baseline="bottom", fontSize=10, color="#6b3f00").encode(
        x="first:T", y=alt.value("height"), text="label:N"
    )
    return [bands, names]


def _inline(rows: list[dict[str, Any]]) -> alt.InlineData:
    import altair as alt

    return alt.InlineData(values=rows)


def _specification(chart: alt.LayerChart | alt.FacetChart, title: str, *, height: int) -> dict[str, Any]:
    specification: dict[str, Any] = chart.properties(title=title, width="container", height=height).to_dict()
    return specification
