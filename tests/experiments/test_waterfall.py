"""The waterfall is valid Vega-Lite, draws each amount from where the last one ended, and tells gains from losses."""

import json

import altair as alt

from experiments.charts import Bar, waterfall


def test_each_bar_is_drawn_between_its_ends_with_a_tone_of_its_own() -> None:
    bars = [Bar("Marge", 0.0, 10.0), Bar("Prämien", 10.0, 4.0), Bar("Netto", 0.0, 4.0, is_total=True)]
    chart = waterfall(bars, title="Rechnung", value_title="EUR")
    alt.Chart.from_dict(json.loads(json.dumps(chart, allow_nan=False)), validate=True)
    rows = next(rows for rows in chart["datasets"].values() if len(rows) == 3)
    assert [(row["label"], row["start"], row["end"], row["amount"]) for row in rows] == [
        ("Marge", 0.0, 10.0, 10.0),
        ("Prämien", 10.0, 4.0, -6.0),
        ("Netto", 0.0, 4.0, 4.0),
    ]
    assert len({row["tone"] for row in rows}) == 3
    assert (chart["title"], chart["width"]) == ("Rechnung", "container")
