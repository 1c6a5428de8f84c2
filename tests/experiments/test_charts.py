"""Charts: valid Vega-Lite with the data inside and the caller's words on it."""

import json
from datetime import date
from typing import Any

import altair as alt
import pytest

from experiments import BalancePoint, ForestRow, WeekPoint, balance_plot, forest, over_time

ROWS = [ForestRow("Umsatz je Woche", 12.0, 3.0, 21.0, emphasised=True), ForestRow("Häufigkeit", -0.5, None, 0.4)]
POINTS = [WeekPoint(date(2026, 1, 1 + 7 * i), v, 10.0 * i, 4) for i in range(3) for v in ("control", "points")]


def _charts() -> list[dict[str, Any]]:
    return [
        forest(ROWS, title="Wirkung", effect_title="Unterschied"),
        over_time(
            POINTS,
            start=date(2026, 1, 8),
            labels={"control": "Kontrolle", "points": "Punktekarte"},
            title="Verlauf",
            value_title="Umsatz",
            week_title="Woche",
            start_label="Beginn",
        ),
        balance_plot([BalancePoint("Größe", "Punktekarte", 0.1)], title="Ausgleich", difference_title="Unterschied"),
    ]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_chart_is_a_valid_specification(number: int) -> None:
    specification = json.loads(json.dumps(_charts()[number], allow_nan=False))
    alt.Chart.from_dict(specification, validate=True)
    assert specification["title"] in ("Wirkung", "Verlauf", "Ausgleich")
    assert specification["width"] == "container"


def _inline(specification: dict[str, Any]) -> str:
    return json.dumps(specification, ensure_ascii=False)


def test_every_row_of_a_forest_is_drawn_even_with_an_open_end() -> None:
    text = _inline(_charts()[0])
    assert "Umsatz je Woche" in text
    assert "Häufigkeit" in text
    assert '"zero"' in text


def test_the_start_is_marked_in_the_callers_words() -> None:
    text = _inline(_charts()[1])
    assert "Beginn" in text
    assert "2026-01-08" in text
    assert "Kontrolle" in text
    assert "control" not in text


def test_ends_of_intervals_are_not_clipped() -> None:
    assert '"padding": 8' in _inline(_charts()[0])


def test_an_empty_forest_is_still_a_chart() -> None:
    alt.Chart.from_dict(forest([], title="t", effect_title="e"), validate=True)
