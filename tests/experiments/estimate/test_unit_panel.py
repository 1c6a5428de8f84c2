"""Unit panels: valid from birth, and who can take part."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.errors import DuplicateUnit, InvalidNumber
from experiments.estimate.unit_panel import UnitPanel, usable
from tests.experiments.panels import unit_panel

PANEL = unit_panel([[1, 2, 3], [2, 3, 4], [3, 4, 5]], [1, 1, -1])


def test_treatment_once_begun_stays() -> None:
    assert PANEL.treated.tolist() == [[False, True, True], [False, True, True], [False, False, False]]
    assert PANEL.starts == (1,)
    assert PANEL.unit_weights.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"y": np.zeros((3, 2))},
        {"y": np.full((3, 3), np.inf)},
        {"first_treated": np.array([1, 3, -1])},
        {"first_treated": np.array([1, -2, -1])},
        {"covariates": np.zeros((2, 1))},
        {"covariates": np.full((3, 1), np.nan)},
        {"weight": np.array([1.0, 0.0, 1.0])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(wrong: dict[str, np.ndarray]) -> None:
    with pytest.raises(InvalidNumber):
        replace(PANEL, **wrong)


def test_a_unit_appears_once() -> None:
    with pytest.raises(DuplicateUnit):
        UnitPanel(("a", "a"), ("0",), np.zeros((2, 1)), np.array([-1, -1]))


def test_weights_and_covariates_follow_their_units() -> None:
    panel = replace(PANEL, weight=np.array([1.0, 2.0, 3.0]), covariates=np.array([[1.0], [2.0], [3.0]]))
    kept = panel.keep(np.array([False, True, True]))
    assert (kept.units, kept.unit_weights.tolist()) == (("u01", "u02"), [2.0, 3.0])
    assert kept.covariates is not None
    assert kept.covariates.tolist() == [[2.0], [3.0]]


def test_a_single_unit_of_a_start_stays_only_where_it_is_asked_for() -> None:
    panel = replace(PANEL, first_treated=np.array([1, 2, -1]))
    assert usable(panel, keep_alone=True)[1].alone == ()
    four = unit_panel([*PANEL.y.tolist(), [1, 1, 1]], [1, 1, -1, -1])
    assert usable(four)[0].n_units == 4
