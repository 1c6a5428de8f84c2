"""Welch with pre-period adjustment and the delta method against tea-tasting 1.14.0.

The data are its ``make_users_data(seed=42, covariates=True)``: 4,000 users, of which only the sums are here (revenue
in hundredths). The metrics there: ``Mean("revenue", "revenue_covariate")`` and ``RatioOfMeans("orders", "sessions")``.
"""

import pytest

from experiments import ArmMoments, average_basket, spend_per_customer
from experiments.estimate.welch import welch
from tests.reference.oracles import expect

REVENUE = [
    ArmMoments(
        "control", "", n=2023, y=1060260, d=2023, x=1067843, e=2023, yy=2437364268, yd=1060260, yx=1934101949,
        ye=1060260, dd=2023, dx=1067843, de=2023, xx=4054810443, xe=1067843, ee=2023, days=28, days_x=28,
    ),
    ArmMoments(
        "points", "", n=1977, y=1132843, d=1977, x=933196, e=1977, yy=2780298889, yd=1132843, yx=1720167183,
        ye=1132843, dd=1977, dx=933196, de=1977, xx=2846768592, xe=933196, ee=1977, days=28, days_x=28,
    ),
]  # fmt: skip
ORDERS_PER_SESSION = [
    ArmMoments(
        "control", "", n=2023, y=1073, d=4038, x=0, e=0, yy=2073, yd=2648, yx=0, ye=0, dd=10098, dx=0, de=0, xx=0, xe=0,
        ee=0, days=28, days_x=0,
    ),
    ArmMoments(
        "points", "", n=1977, y=1133, d=3920, x=0, e=0, yy=2121, yd=2730, yx=0, ye=0, dd=9698, dx=0, de=0, xx=0, xe=0,
        ee=0, days=28, days_x=0,
    ),
]  # fmt: skip


def test_the_adjusted_mean_equals_tea_tasting() -> None:
    """p .00674 there; its θ also takes the variance between the arms, ours only that inside them: equal to 1e-4."""
    found = welch(spend_per_customer(), REVENUE, variant="points")
    expect("O32", "revenue_p").of(found.inference.p_value())
    assert found.inference.effect / 100 == pytest.approx(5.852 - 5.121, abs=2e-3)


def test_the_ratio_equals_tea_tasting() -> None:
    found = welch(average_basket(), ORDERS_PER_SESSION, variant="points")
    expect("O32", "orders_per_session_p").of(found.inference.p_value())
