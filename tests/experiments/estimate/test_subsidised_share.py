"""The subsidised share: by hand, at its limits, and how often its interval holds the truth."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.errors import NotEstimable
from experiments.estimate.estimate import Estimate
from experiments.estimate.subsidised_share import subsidised_share
from experiments.look.plan import Leads, LookPlan, PlannedMetric, Role
from experiments.look.unit_effects import Ratio, ratio_effect
from experiments.measure.metrics import AssignmentUnit, store_total
from tests.experiments.building import complete_draw

FOUND = Estimate(
    effect=3.0, relative_effect=0.6, std_error=1.0, df=None, interval=(1.0, 5.0), confidence_level=0.95, p_value=0.01,
    n_units=10, n_rows=100, mean_control=5.0, mean_variant=8.0, method="permutation",
)  # fmt: skip


def test_by_hand_three_of_eight_were_brought_and_five_would_have_come_anyway() -> None:
    found = subsidised_share(FOUND)
    assert (found.share, found.low, found.high) == (0.625, 0.375, 0.875)
    assert found.confidence_level == 0.95


def test_no_more_is_subsidised_than_was_paid_and_open_ends_are_nothing_and_all() -> None:
    harm = subsidised_share(replace(FOUND, effect=-1.0, interval=(-2.0, 0.5)))
    assert (harm.share, harm.high) == (1.0, 1.0)
    assert harm.low == pytest.approx(1 - 0.5 / 8)
    open_ends = subsidised_share(replace(FOUND, interval=(None, None)))
    assert (open_ends.low, open_ends.high) == (0.0, 1.0)


def test_a_larger_effect_means_a_smaller_share_and_money_of_another_unit_the_same() -> None:
    assert subsidised_share(replace(FOUND, effect=4.0)).share < subsidised_share(FOUND).share
    cents = replace(FOUND, effect=300.0, interval=(100.0, 500.0), mean_control=500.0, mean_variant=800.0)
    assert subsidised_share(cents) == subsidised_share(FOUND)


def test_without_sales_there_is_nothing_to_subsidise() -> None:
    with pytest.raises(NotEstimable, match="bought nothing"):
        subsidised_share(replace(FOUND, mean_variant=0.0))


@pytest.mark.parametrize("lift", [0.0, 0.3])
def test_its_interval_holds_the_truth_as_often_as_it_says(lift: float) -> None:
    """Twenty stores, ten treated, additive effect: 95 % within the Monte-Carlo error of 400 worlds."""
    rng = np.random.default_rng(20261122)
    mechanism = complete_draw(20)
    units = list(mechanism.codes)
    metrics = (PlannedMetric(store_total(), Role.PRIMARY),)
    held = 0
    for _ in range(400):
        treated = set(rng.permutation(units)[:10])
        assignment = {unit: "points" if unit in treated else "control" for unit in units}
        plan = LookPlan(AssignmentUnit.STORE, mechanism, assignment, metrics, Leads.STORE_TOTALS, seed=1, draws=299)
        before = rng.normal(10_000, 1_500, 20)
        anyway = 0.8 * before + rng.normal(2_000, 700, 20)
        after = [round(a + lift * 10_000 * (u in treated)) for u, a in zip(units, anyway, strict=True)]
        ratios = [Ratio(u, y, 1, round(x), 1) for u, y, x in zip(units, after, before, strict=True)]
        found = subsidised_share(ratio_effect(ratios, plan, "points"))
        mine = [a for u, a in zip(units, anyway, strict=True) if u in treated]
        sales = [y for u, y in zip(units, after, strict=True) if u in treated]
        truth = min(sum(mine) / sum(sales), 1.0)  # sales are whole numbers
        held += found.low - 1e-9 <= truth <= found.high + 1e-9
    assert held / 400 == pytest.approx(0.95, abs=0.033)  # 99.7 % of runs at exactly 95 %
