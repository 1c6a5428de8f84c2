"""Sample ratio and adjusted p-values against R 4.2.2 (chisq.test, p.adjust)."""

import pytest

from experiments.monitor.multiplicity import benjamini_hochberg, holm
from experiments.monitor.sample_ratio import sample_ratio
from tests.experiments.building import SHARES


@pytest.mark.parametrize(("control", "treated", "p"), [(5000, 5200, 0.04767038), (821588, 815482, 1.821793e-6)])
def test_the_sample_ratio_equals_r(control: int, treated: int, p: float) -> None:
    """chisq.test(c(5000, 5200), p = c(.5, .5))"""
    assert sample_ratio({"control": control, "points": treated}, SHARES).p_value == pytest.approx(p, rel=1e-6)


def test_holm_equals_r() -> None:
    """p.adjust(c(.01, .02, .03, .04), "holm")"""
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx((0.04, 0.06, 0.06, 0.06), abs=1e-12)


def test_benjamini_hochberg_equals_r() -> None:
    """The 25 p-values of Benjamini and Hochberg (1995): p.adjust(p, "BH")[1:5]"""
    p = [
        0.001,
        0.008,
        0.039,
        0.041,
        0.042,
        0.06,
        0.074,
        0.205,
        0.212,
        0.216,
        0.222,
        0.251,
        0.269,
        0.275,
        0.34,
        0.341,
        0.384,
    ]
    p += [0.569, 0.594, 0.696, 0.762, 0.94, 0.942, 0.975, 0.986]
    assert benjamini_hochberg(p)[:5] == pytest.approx((0.025, 0.1, 0.21, 0.21, 0.21), abs=1e-12)
