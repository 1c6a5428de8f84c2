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


def test_effects_in_different_units_do_not_share_an_axis() -> None:
    table = stores(10, 10) | {"bought": noise(20, 4) > 0}
    metrics = [a_metric(), a_metric(name="bought", value="bought", kind="proportion", role="secondary")]
    report = analyze(table, a_plan(metrics=metrics))
    apart = report.charts.forest().to_dict()["vconcat"]
    assert [chart["title"] for chart in apart] == [metrics[0]["name"], "bought"]
    assert ["effect, points" in str(chart) for chart in apart] == [False, True]
    alone = report.charts.forest("bought").to_dict()
    effect = report.row("bought", "1").effect
    assert effect is not None
    assert repr(effect * 100) in str(alone)
    with pytest.raises(KeyError):
        report.charts.forest("never measured")


def test_a_report_without_covariates_has_no_balance_chart() -> None:
    with pytest.raises(KeyError, match="covariates"):
        a_panel().charts.balance()


def test_the_text_says_how_many_units_count_and_what_its_columns_mean() -> None:
    text = str(a_report())
    lines = text.splitlines()
    header, row = lines[2].split(), lines[3].split()
    assert row[header.index("units")] == "20"
    assert "units: how many count in the comparison" in text
    assert "The effect allows for blocks, earlier values or other covariates" in " ".join(text.split())


def test_an_adjusted_p_value_names_what_adjusted_it() -> None:
    two = analyze(stores(10, 10), a_plan(metrics=[a_metric(), a_metric(name="again", role="primary")]))
    assert "its family count (Holm)" in " ".join(str(two).split())
    one = analyze(stores(10, 10), a_plan(metrics=[a_metric()]))
    assert "adjusted: the p-value" not in str(one)


def test_the_level_of_a_look_is_the_confidence_of_its_intervals() -> None:
    looks = {"planned": 2, "spending": "equal", "information": [0.5]}
    report = analyze(stores(10, 10), a_plan(looks=looks))
    assert str(report).startswith("Against 0, 97.5 % confidence; look 1 of 2, tested at a level of 0.025\n")
    few = analyze(stores(8, 8), a_plan(looks=looks))
    assert "95 % confidence; look 1 of 2, tested at a level of 0.025 on the side of harm alone" in str(few)


def test_an_alarm_stands_before_every_number() -> None:
    report = analyze(stores(12, 40), a_plan(shares={"0": 1, "1": 1}))
    text = str(report)
    assert text.index("!! ALARM: units") < text.index("metric  ")
    assert text.count("against the drawn shares") == 1
    assert report._repr_html_().startswith("<h2>Alarms</h2>")


def test_the_effect_on_those_who_took_it_up_is_said_and_not_only_filed() -> None:
    table = stores(10, 10, weeks=4) | {"took": np.repeat([0, 1], 40) * (np.arange(80) % 4 > 0)}
    text = " ".join(str(analyze(table, a_plan(data={"received": "took"}))).split())
    assert "Other questions to the same data - y, 1, per complier:" in text
    assert "Other questions" not in str(analyze(stores(10, 10), a_plan()))


def test_a_panel_shows_its_means_over_time_and_its_start() -> None:
    report = a_panel()
    assert report.start == "4"
    assert len(report.series) == 2 * 6
    assert np.isfinite([point.value for point in report.series]).all()
