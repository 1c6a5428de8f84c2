"""Metrics: what they are called, what they refuse, and what a value is worth."""

from typing import Any

import pytest

from experiments import (
    AssignmentUnit,
    Metric,
    MetricKind,
    NotEstimable,
    average_basket,
    identification_rate,
    metric_from_code,
    purchase_frequency,
    repeat_purchase,
    retention,
    spend_per_customer,
    store_total,
)
from experiments.errors import InvalidMetric, InvalidMoments, NotMeasurable, UnknownMetric
from experiments.measure.unit_moments import UnitMoments, unit_rows
from tests.experiments.building import arm, moments

ALL = [
    store_total(),
    repeat_purchase(60),
    retention(30, 60),
    purchase_frequency(),
    spend_per_customer(),
    average_basket(),
    identification_rate(),
]


@pytest.mark.parametrize("metric", ALL, ids=lambda m: m.code)
def test_a_code_names_its_metric(metric: Metric) -> None:
    assert metric_from_code(metric.code) == metric


@pytest.mark.parametrize("code", ["", "lift", "repeat_purchase_d", "repeat_purchase_60d ", "retention_30d"])
def test_a_code_that_names_no_metric_is_refused(code: str) -> None:
    with pytest.raises(UnknownMetric):
        metric_from_code(code)


@pytest.mark.parametrize(("first", "last"), [(0, 3), (5, 4)])
def test_days_that_make_no_sense_are_refused(first: int, last: int) -> None:
    with pytest.raises(InvalidMetric):
        retention(first, last)
    with pytest.raises(InvalidMetric, match="at least 2"):
        repeat_purchase(1)
    with pytest.raises(InvalidMetric, match="takes none"):
        Metric(MetricKind.STORE_TOTAL, {"days": 3})
    with pytest.raises(InvalidMetric, match="whole"):
        Metric(MetricKind.REPEAT_PURCHASE, {"days": True})


def test_what_counts_anonymous_receipts_cannot_be_split_between_customers() -> None:
    for metric in ALL:
        metric.require_measurable(AssignmentUnit.STORE)
        metric.require_measurable(AssignmentUnit.REGION)
    for metric in (store_total(), identification_rate()):
        with pytest.raises(NotMeasurable, match="customer"):
            metric.require_measurable(AssignmentUnit.CUSTOMER)


def test_a_store_total_is_money_per_store_week() -> None:
    two_stores_for_ten_days = moments("north", 8000, 5000, n=20, days=10)
    assert store_total().value(two_stores_for_ten_days) == 2800.0
    assert store_total().baseline(two_stores_for_ten_days) == 1750.0


def test_a_frequency_is_per_28_days() -> None:
    assert purchase_frequency().value(moments("s", 30, n=10, days=84)) == pytest.approx(1.0)


def test_a_share_is_a_plain_quotient() -> None:
    assert repeat_purchase(28).value(moments("s", 3, n=4, days=28)) == 0.75


def test_nothing_to_divide_by_is_said_not_counted_as_zero() -> None:
    with pytest.raises(NotEstimable, match="nothing to divide by"):
        average_basket().value(moments("s", 0, n=0))
    with pytest.raises(NotEstimable):
        average_basket().baseline(moments("s", 10, None))


def test_moments_are_whole_numbers_that_data_can_have() -> None:
    with pytest.raises(InvalidMoments, match="whole number"):
        moments("s", 1.5)  # type: ignore[arg-type]  # what a caller without a type checker does
    with pytest.raises(InvalidMoments, match="not negative"):
        moments("s", 1, n=-1)
    with pytest.raises(InvalidMoments, match="same unit"):
        moments("s", 1) + moments("t", 1)
    with pytest.raises(InvalidMoments, match="same variant"):
        arm("control", [1]) + arm("points", [1])


def test_rows_made_from_columns_are_those_made_one_by_one_and_refused_alike() -> None:
    columns: dict[str, Any] = {"n": [3, 2], "y": [-5, 2**70], "yy": [9, 2**140], "x": [0, 1], "xx": [0, 1]}
    columns |= {"xy": [0, -7], "n_x": [3, 2]}
    one, other = ({name: column[place] for name, column in columns.items()} for place in (0, 1))
    rows = (UnitMoments(unit="a", days=7, days_x=14, **one), UnitMoments(unit="b", days=7, days_x=14, **other))
    assert unit_rows("ab", days=7, days_x=14, **columns) == rows
    assert unit_rows((), days=7, days_x=14, **dict.fromkeys(columns, ())) == ()
    wrongs: list[dict[str, Any]] = [{"y": [1, 2.0]}, {"y": [1, True]}, {"yy": [1, -1]}, {"n": [0, -1]}]
    for wrong in wrongs:
        with pytest.raises(InvalidMoments, match="b"):
            unit_rows("ab", days=7, days_x=14, **(columns | wrong))
    with pytest.raises(InvalidMoments):
        unit_rows("ab", days=0, days_x=14, **columns)
    with pytest.raises(ValueError, match="shorter"):
        unit_rows("abc", days=7, days_x=14, **columns)
