"""A report reads as text, as an accessible table and as charts."""

from html.parser import HTMLParser
from typing import Any

import altair as alt
import numpy as np
import pytest

from experiments.analysis import analyze
from tests.experiments.a_table import a_metric, a_plan, noise, stores


def a_report() -> Any:
    table = stores(10, 10) | {"x": noise(20, 4)}
    return analyze(table, a_plan(metrics=[a_metric(covariates=["x"]), a_metric(name="g", role="guardrail")]))


def a_panel() -> Any:
    table = stores(10, 10, weeks=6)
    return analyze(table, a_plan(data={"period": "week"}, windows={"before": [0, 3], "during": [4, 5]}))


def test_the_text_fits_a_terminal_and_tells_verdicts_refusals_and_methods() -> None:
    text = str(a_report())
    assert max(map(len, text.splitlines())) <= 120
    assert "no evidence of a difference" in text
    assert "g, 1: not tested." in text
    assert "permutation_studentised" in text
    assert "Seed 1." in text


class Tags(HTMLParser):
    """The tags and header scopes of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scopes: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "th":
            self.scopes.append(dict(attrs).get("scope"))


def test_the_html_is_a_table_with_a_caption_and_header_cells() -> None:
    tags = Tags()
    tags.feed(a_report()._repr_html_())
    assert tags.tags.count("table") == tags.tags.count("caption") == 1
    assert set(tags.scopes) == {"col", "row"}
    assert tags.scopes.count("row") == 2


def test_charts_are_altair_charts() -> None:
    charts = a_panel().charts
    for chart in (charts.forest(), charts.over_time(), a_report().charts.balance()):
        assert isinstance(chart, alt.TopLevelMixin)
        assert chart.to_dict()
    with pytest.raises(KeyError):
        a_report().charts.over_time()


def test_a_panel_shows_its_means_over_time_and_its_start() -> None:
    report = a_panel()
    assert report.start == "4"
    assert len(report.series) == 2 * 6
    assert np.isfinite([point.value for point in report.series]).all()
