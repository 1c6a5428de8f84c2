"""The forecast of contamination: what a draw would treat in control, against draws that are really made."""

import random
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import Mechanism, Share, complete, draw
from experiments.design.constraints import Constraints
from experiments.design.spillover import forecast
from experiments.errors import NotEstimable
from tests.experiments.building import candidates, complete_draw, paired_draw, stratified_draw

MECHANISMS = [
    complete_draw(7),
    paired_draw(8),
    stratified_draw(9, 3),
    stratified_draw(8, 2, (Share("control", 1), Share("points", 1), Share("card", 1))),
    complete(candidates(6), (Share("control", 2), Share("points", 1)),
             constraints=Constraints(never_together=(("s000", "s001"),))),
]  # fmt: skip


def _sales(mechanism: Mechanism, seed: int) -> dict[tuple[str, str], int]:
    rng = random.Random(seed)
    where = [*mechanism.codes, "beyond"]
    return {
        (home, at): rng.randrange(50_000, 90_000) if home == at else rng.choice([0, 0, rng.randrange(9_000)])
        for home, at in product(mechanism.codes, where)
    }


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda mechanism: f"{mechanism.kind}-{len(mechanism.codes)}")
def test_the_expected_shares_are_those_of_many_draws(mechanism: Mechanism) -> None:
    sales, n_draws = _sales(mechanism, 4), 6_000
    sums = dict.fromkeys(("c", "control", "e", "treated"), 0)
    for seed in range(n_draws):
        assignment = draw(mechanism, 10_000 + seed).assignment
        for (home, at), net in sales.items():
            arm = "control" if assignment[home] == "control" else "treated"
            sums[arm] += net
            if assignment.get(at, "control") != "control":
                sums["c" if arm == "control" else "e"] += net
    found = forecast(sales, mechanism)
    tolerance = 0.03 if mechanism.rejects else 0.008  # specimens of 400 draws, or Monte-Carlo error alone
    assert found.control_share == pytest.approx(sums["c"] / sums["control"], rel=tolerance * 4)
    assert found.treated_share == pytest.approx(sums["e"] / sums["treated"], rel=tolerance)
    assert found.dilution == found.treated_share - found.control_share


def test_two_stores_that_share_their_customers_are_suggested_as_one_by_hand() -> None:
    mechanism = complete_draw(4)
    sales = {(unit, unit): 80 for unit in mechanism.codes}
    sales |= {("s000", "s001"): 40, ("s001", "s000"): 40, ("s002", "s003"): 4}
    found = forecast(sales, mechanism, threshold=0.05)
    # any two of four stand apart, the first in control, with probability 1/3; half of all sales are control's
    assert found.control_share == pytest.approx((84 / 3) / (404 / 2))
    assert found.too_much
    assert [one.units for one in found.merges] == [("s000", "s001")]
    assert found.merges[0].control_share == pytest.approx((4 / 3) / 202)
    assert found.drops[0].units in {("s000",), ("s001",)}
    assert found.drops[0].control_share == pytest.approx((4 / 3) / (202 - 60))
    worst = found.neighbours[0]
    assert (worst.unit, worst.to, worst.share) == ("s000", "s001", pytest.approx(1 / 3))


def test_nothing_is_suggested_where_little_leaks() -> None:
    mechanism = complete_draw(4)
    found = forecast({(unit, unit): 80 for unit in mechanism.codes} | {("s000", "s001"): 1}, mechanism)
    assert (found.too_much, found.merges, found.drops) == (False, (), ())


def test_sales_beyond_the_candidates_are_never_treated_and_dilute_e() -> None:
    mechanism = complete_draw(4)
    found = forecast({(unit, at): 50 for unit in mechanism.codes for at in (unit, "beyond")}, mechanism)
    assert (found.control_share, found.treated_share) == (0.0, 0.5)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(MECHANISMS[:4]), st.integers(0, 10**6))
def test_each_suggestion_lowers_what_leaks_and_the_list_ends_at_the_threshold(mechanism: Mechanism, seed: int) -> None:
    found = forecast(_sales(mechanism, seed), mechanism, threshold=0.01, most=4)
    for suggestions in (found.merges, found.drops):
        shares = [found.control_share, *(one.control_share for one in suggestions)]
        assert all(later <= earlier + 1e-12 for earlier, later in pairwise(shares))
        assert len(suggestions) <= 4
        assert all(share > 0.01 for share in shares[:-1]) or not suggestions


def test_without_anybody_at_home_there_is_nothing_to_forecast() -> None:
    with pytest.raises(NotEstimable):
        forecast({("elsewhere", "s000"): 5}, complete_draw(4))
