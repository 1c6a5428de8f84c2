"""Winsorising: one threshold for all variants, numpy's quantile, and the estimand that changes is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidNumber
from experiments.measure.winsorise import winsorise

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


def test_values_above_the_threshold_are_set_to_it() -> None:
    found = winsorise(np.array([5.0, 1.0, 900.0, 3.0, 2.0, 4.0, 6.0, 7.0, 8.0, 9.0]), quantile=0.9)
    assert (found.threshold, found.n_capped, found.share_capped) == (9.0, 1, 0.1)
    assert found.values.tolist() == [5, 1, 9, 3, 2, 4, 6, 7, 8, 9]


@given(VALUES, st.sampled_from([0.51, 0.75, 0.9, 0.99]))
def test_the_threshold_is_the_inverse_of_the_distribution_function(values: list[float], quantile: float) -> None:
    found = winsorise(np.array(values), quantile=quantile)
    assert found.threshold == np.quantile(values, quantile, method="inverted_cdf")


@given(VALUES)
def test_a_weight_counts_a_row_more_than_once(values: list[float]) -> None:
    times = np.arange(len(values)) % 3 + 1
    weighted = winsorise(np.array(values), quantile=0.9, weight=times.astype(float))
    assert weighted.threshold == winsorise(np.repeat(values, times), quantile=0.9).threshold


@given(VALUES)
def test_capping_twice_changes_nothing_and_scaling_scales(values: list[float]) -> None:
    once = winsorise(np.array(values), quantile=0.9)
    assert winsorise(once.values, quantile=0.9).values.tolist() == once.values.tolist()
    assert winsorise(2 * np.array(values), quantile=0.9).threshold == 2 * once.threshold


def test_the_report_says_that_the_estimand_changed() -> None:
    text = str(winsorise(np.array([1.0, 2.0, 30.0]), quantile=0.6).assumption)
    assert "the mean of the capped values, not on the mean" in text
    assert "pooled quantile 0.6" in text


@pytest.mark.parametrize("quantile", [0.5, 1.0, 0.0, float("nan")])
def test_a_quantile_that_is_none_is_refused(quantile: float) -> None:
    with pytest.raises(InvalidNumber, match=r"above 0\.5"):
        winsorise(np.array([1.0]), quantile=quantile)


def test_missing_values_are_refused() -> None:
    with pytest.raises(InvalidNumber, match="finite"):
        winsorise(np.array([1.0, np.nan]), quantile=0.9)
