"""What a page gets: words for every code, charts that draw, verdicts that follow from intervals."""

import json
from pathlib import Path

import pytest

from experiments.estimate.estimate import Method
from experiments.look.report import Stamp
from pilot.errors import NotFound
from pilot.evidence.charts import balance_chart, forest_chart, series_chart
from pilot.evidence.queries import ReportView, report
from pilot.evidence.recommendation import Recommended, RuleCode
from pilot.evidence.sentences import METHODS, RECOMMENDATIONS, RULES, STAMPS, check_title
from tests.pilot.evidence.small_network import START
from tests.pilot.evidence.snapshots import Point, installation


@pytest.fixture
def shown(tmp_path: Path) -> ReportView:
    with installation(Point.AT_GATE, tmp_path) as network:
        return network.read(lambda s, p: report(s, "points-1-1"))


def test_every_code_of_a_report_has_words(shown: ReportView) -> None:
    assert set(RULES) == set(RuleCode)
    assert set(RECOMMENDATIONS) == set(Recommended)
    assert set(STAMPS) == set(Stamp)
    assert set(METHODS) == set(Method)
    for diagnostic in shown.document.analysis.diagnostics:
        assert check_title(diagnostic.check).code != "check", diagnostic.check


def test_the_headline_is_the_leading_row(shown: ReportView) -> None:
    assert shown.headline is shown.leading
    assert shown.headline is not None
    assert (shown.headline.metric, shown.headline.leads, shown.headline.verdict) == ("store_total", True, "better")
    assert str(shown.headline.title) == "Store total"
    assert shown.headline.variant_name == "Points card"
    assert (shown.pilot_name, shown.owner_name) == ("Points card", "A manager")


def test_an_interval_over_zero_is_no_evidence(shown: ReportView) -> None:
    frequency = next(row for row in shown.rows if row.metric == "purchase_frequency")
    assert frequency.estimate is not None
    assert frequency.verdict == "no_evidence"


def test_a_row_without_an_estimate_has_no_verdict(shown: ReportView) -> None:
    refused = next(row for row in shown.rows if row.metric == "repeat_purchase_60d")
    assert (refused.estimate, refused.verdict) == (None, None)
    assert refused.refusal is not None


def test_the_charts_are_specifications_with_words_and_the_start(shown: ReportView) -> None:
    forest, series, balance = forest_chart(shown), series_chart(shown), balance_chart(shown)
    for chart in (forest, series, balance):
        assert chart["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    assert "Store total" in json.dumps(forest)
    assert START.isoformat() in json.dumps(series)
    assert "Control" in json.dumps(series)
    assert "Net sales per week" in json.dumps(balance)


def test_money_is_drawn_in_whole_units_of_the_currency(shown: ReportView) -> None:
    first = shown.series[0]
    values = json.dumps(series_chart(shown, minor_per_unit=100))
    assert f"{first.value / 100}" in values


def test_a_report_that_is_not_there_is_named(tmp_path: Path) -> None:
    with installation(Point.DRAFT, tmp_path) as network, pytest.raises(NotFound, match="points-1-9"):
        network.read(lambda s, p: report(s, "points-1-9"))
