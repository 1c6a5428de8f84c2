"""Sample ratio, multiplicity and identification: their rules, by hand."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import Estimate, NotEstimable, Share, smallest_p
from experiments.errors import InvalidNumber, UnknownVariant
from experiments.monitor.identification import can_be_tested, identification
from experiments.monitor.multiplicity import benjamini_hochberg, holm
from experiments.monitor.sample_ratio import sample_ratio
from tests.experiments.building import SHARES, complete_draw, paired_draw


def test_equal_counts_are_no_surprise() -> None:
    found = sample_ratio({"control": 46, "points": 46}, SHARES)
    assert (found.statistic, found.df, found.p_value) == (0.0, 1, 1.0)


def test_a_variant_that_lost_everybody_is_counted_as_none() -> None:
    assert sample_ratio({"control": 20}, SHARES).p_value < 1e-4


def test_three_variants_have_two_degrees_of_freedom() -> None:
    found = sample_ratio({"control": 20, "a": 10, "b": 14}, [Share("control", 2), Share("a", 1), Share("b", 1)])
    assert found.df == 2
    assert found.statistic == pytest.approx(4 / 22 + 1 / 11 + 9 / 11)


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(UnknownVariant):
        sample_ratio({"gift": 3}, SHARES)
    with pytest.raises(InvalidNumber):
        sample_ratio({"control": -3}, SHARES)
    with pytest.raises(NotEstimable):
        sample_ratio({}, SHARES)


P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(P_VALUES)
def test_adjusted_values_never_shrink_and_keep_their_order(p_values: list[float]) -> None:
    for adjusted in (holm(p_values), benjamini_hochberg(p_values)):
        assert all(p - 1e-12 <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
        pairs = sorted(zip(p_values, adjusted, strict=True))
        assert all(first[1] <= second[1] + 1e-12 for first, second in pairwise(pairs))


def test_a_family_of_one_is_left_alone_and_nonsense_is_refused() -> None:
    assert holm([0.03]) == benjamini_hochberg([0.03]) == (0.03,)
    assert holm([]) == ()
    with pytest.raises(InvalidNumber):
        holm([1.2])
    with pytest.raises(InvalidNumber):
        benjamini_hochberg([float("nan")])


def _share(effect: float, p: float, *, control: float = 0.8) -> Estimate:
    return Estimate(effect, None, 0.01, None, (None, None), 0.95, p, 40, 4000, control, control + effect, "permutation")


def test_a_shift_at_ten_percent_is_said_to_have_moved() -> None:
    assert identification(_share(0.02, 0.099), std_error=0.01, df=37).moved
    assert not identification(_share(0.02, 0.10), std_error=0.01, df=37).moved


def test_a_draw_too_small_to_stamp_cannot_be_called_quiet() -> None:
    assert not can_be_tested(smallest_p(complete_draw(6), "points"))  # 3 against 3: never below .10
    assert can_be_tested(smallest_p(paired_draw(10), "points"))


def test_a_quiet_test_says_what_it_could_have_missed() -> None:
    found = identification(_share(0.001, 0.9), std_error=0.01, df=1e6)
    assert found.detectable_shift == pytest.approx(0.01 * (1.644854 + 0.841621), rel=1e-3)
    assert found.hidden_artefact == pytest.approx(found.detectable_shift / 0.8)
    assert identification(_share(0.0, 0.9, control=0.0), std_error=0.01, df=30).hidden_artefact is None
