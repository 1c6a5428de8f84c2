"""Simultaneous bands: wider than one interval, narrower than Bonferroni's, the same every time."""

import math

import numpy as np
import pytest

from experiments.errors import InvalidLevel, InvalidNumber
from experiments.estimate.simultaneous_band import Band, simultaneous_band


def _band(influence: np.ndarray, *, df: float = math.inf, level: float = 0.95, scale: float = 1.0) -> Band:
    errors = scale * np.sqrt((influence**2).sum(axis=0)) / len(influence)
    return simultaneous_band(np.zeros(influence.shape[1]), errors, influence, confidence_level=level, seed=5, df=df)


def test_one_effect_has_its_own_interval() -> None:
    influence = np.random.default_rng(1).normal(size=(400, 1))
    assert _band(influence).critical == pytest.approx(1.96, abs=0.12)


def test_independent_effects_need_more_and_copies_of_one_effect_do_not() -> None:
    rng = np.random.default_rng(2)
    independent = _band(rng.normal(size=(400, 10))).critical
    copies = _band(np.repeat(rng.normal(size=(400, 1)), 10, axis=1)).critical
    assert independent == pytest.approx(2.80, abs=0.15)  # of ten independent normals
    assert copies == pytest.approx(1.96, abs=0.12)


def test_few_degrees_of_freedom_widen_the_band_and_keep_the_scale_out() -> None:
    influence = np.random.default_rng(3).normal(size=(30, 4))
    assert _band(influence, df=5.0).critical > _band(influence).critical
    assert _band(influence, scale=3.0).critical == _band(influence).critical


def test_an_effect_without_an_error_takes_no_part() -> None:
    influence = np.random.default_rng(4).normal(size=(50, 2))
    with_constant = np.column_stack([influence, np.zeros(50)])
    band = _band(with_constant)
    assert band.critical == pytest.approx(_band(influence).critical)
    assert (band.low[2], band.high[2]) == (0.0, 0.0)
    flat = simultaneous_band(np.array([1.0]), np.zeros(1), np.zeros((5, 1)), confidence_level=0.95, seed=1)
    assert (flat.low, flat.high, flat.p_value) == ((1.0,), (1.0,), 1 / 4_000)


def test_the_p_value_of_all_effects_together_belongs_to_the_band() -> None:
    influence = np.random.default_rng(6).normal(size=(200, 3))
    errors = np.sqrt((influence**2).sum(axis=0)) / 200
    critical = _band(influence).critical
    outside, inside = (
        simultaneous_band(errors * critical * f, errors, influence, confidence_level=0.95, seed=5) for f in (1.05, 0.95)
    )
    assert outside.p_value <= 0.05 < inside.p_value


def test_levels_and_seeds_are_checked() -> None:
    influence = np.ones((3, 1))
    with pytest.raises(InvalidLevel):
        _band(influence, level=1.0)
    with pytest.raises(InvalidNumber):
        simultaneous_band(np.zeros(1), np.ones(1), influence, confidence_level=0.9, seed=-1)
