"""How much of control was treated, and the bound that follows: by hand, and where it is refused."""

import pytest

from experiments.errors import NotEstimable
from experiments.look.account import Crossed
from experiments.look.crossing import HomeSales, contamination_by_home, dilution
from experiments.monitor.contamination import Contamination
from tests.experiments.building import complete_draw
from tests.experiments.look.a_look import a_plan

MECHANISM = complete_draw(8)
PLAN = a_plan(MECHANISM)
ARMS = {arm: [unit for unit in MECHANISM.codes if PLAN.assignment[unit] == arm] for arm in ("control", "points")}


def _homes(*, lift: int = 0) -> list[HomeSales]:
    return [
        HomeSales(unit, 28, 42, 100_000 + 997 * i + (lift if unit in ARMS["points"] else 0), 150_000 + 1_500 * i)
        for i, unit in enumerate(MECHANISM.codes)
    ]


def test_the_shares_are_of_all_that_homes_bought_also_beyond_the_draw() -> None:
    homes = [HomeSales(unit, 28, 42, 1000, 500) for unit in MECHANISM.codes]
    window = {(home, home): 600 for home in MECHANISM.codes}  # 400 of each 1,000 were bought elsewhere
    window[ARMS["control"][0], ARMS["points"][0]] = 200
    before = {(unit, unit): 500 for unit in ARMS["points"]}
    crossed = Crossed(window, before, {})
    found = contamination_by_home(PLAN, crossed, homes, "points", before=False)
    assert (found.control_share, found.variant_share) == (200 / 4000, 0.6)
    earlier = contamination_by_home(PLAN, crossed, homes, "points", before=True)
    assert (earlier.control_share, earlier.variant_share) == (0.0, 1.0)


def test_the_bound_is_the_effect_by_home_divided_by_what_lies_between_the_shares() -> None:
    found = dilution(PLAN, _homes(lift=8_000), Contamination(0.1, 0.6), "points", gate_confidence=0.9)
    assert found.undiluted == pytest.approx(found.estimate.effect * 2)
    assert found.interval == pytest.approx([(end or 0.0) * 2 for end in found.estimate.interval])
    assert found.undiluted_gate == pytest.approx([(end or 0.0) * 2 for end in found.interval_gate])
    assert found.estimate.effect == pytest.approx(8_000 / 28 * 7, rel=0.1)


@pytest.mark.parametrize(("control", "treated"), [(0.4, 0.59), (0.5, 0.5), (0.6, 0.3)])
def test_with_little_between_the_shares_there_is_no_bound(control: float, treated: float) -> None:
    with pytest.raises(NotEstimable) as refused:
        dilution(PLAN, _homes(), Contamination(control, treated), "points", gate_confidence=0.9)
    assert refused.value.message.code == "too_diluted"


def test_an_arm_that_bought_nothing_has_no_share() -> None:
    homes = [HomeSales(unit, 28, 42, 0, 0) for unit in MECHANISM.codes]
    with pytest.raises(NotEstimable):
        contamination_by_home(PLAN, Crossed({}, {}, {}), homes, "points", before=True)
