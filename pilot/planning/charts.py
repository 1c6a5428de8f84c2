"""The charts of planning as Vega-Lite specifications, with labels in the reader's language."""

from collections.abc import Mapping
from typing import Any

from experiments.charts import CurvePoint, curve
from pilot.words import N_, Message, translate


def weeks_chart(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest effect of the present design over the weeks that it runs, with the break-even lift as a line."""
    points = [CurvePoint(row["weeks"], row["smallest_share"]) for row in answer["curve"]]
    lifts = [row["break_even"] for row in answer["curve"] if row["break_even"] is not None]
    return curve(
        points,
        line=lifts[0] if lifts else None,
        title=_say("chart_weeks", N_("What more weeks would let it see")),
        x_title=_say("chart_weeks_of_stage", N_("Weeks of the stage")),
        y_title=_say("chart_smallest", N_("Smallest visible effect, share of sales")),
        line_label=_say("chart_break_even", N_("Break-even")),
    )


def _say(code: str, template: str) -> str:
    return translate(Message(code, template))
