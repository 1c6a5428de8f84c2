"""The size of the account's rows and of what moved: no effect, many worlds, pairs and complete draws.

The tolerance was fixed before the first run: three Monte-Carlo errors around the level that the draw can attain.
"""

import math
import random
from itertools import combinations

import pytest

from experiments import LookPlan, Mechanism
from experiments.look.account import CardShowing, Crossed, Part, UnitSales, account, moved_sales
from tests.experiments.building import complete_draw, paired_draw
from tests.experiments.look.a_look import a_plan

WORLDS, LEVEL = 400, 0.05
DAYS, BEFORE_DAYS = 28, 56
MECHANISMS = {"complete": (complete_draw(12), 924), "pairs": (paired_draw(20), 1024)}


def _plan(mechanism: Mechanism, seed: int) -> LookPlan:
    return a_plan(mechanism, seed=seed)


def _world(plan: LookPlan, seed: int, *, shown: float = 0.0, gain: int = 0) -> tuple[list[UnitSales], Crossed]:
    """Stores that differ and keep differing; customers cross to stores near theirs. In treated stores a share
    ``shown`` of what was outside the list carries a card; treated homes buy ``gain`` more in each control store."""
    rng, units = random.Random(seed), plan.mechanism.codes
    sales, window, before = [], {}, {}
    for place, unit in enumerate(units):
        base, kept, treated = rng.lognormvariate(0, 0.4), rng.uniform(0.4, 0.7), plan.assignment[unit] != "control"
        year = base * (1 + rng.gauss(0, 0.06))
        outside = round(year * (1 - kept) * (1 + rng.gauss(0, 0.05)) * 1_000_000)
        listed = round(year * kept * (1 + rng.gauss(0, 0.05)) * 1_000_000)
        revealed = round(outside * shown) if treated else 0
        sales.append(UnitSales(unit, DAYS, BEFORE_DAYS, listed + revealed, outside - revealed,
                               round(base * 2_000_000)))  # fmt: skip
        for other, at in enumerate(units):
            near = math.exp(-abs(place - other)) * base * 100_000
            if other != place:
                before[unit, at] = round(2 * near * (1 + rng.gauss(0, 0.2)))
                extra = gain if treated and plan.assignment[at] == "control" else 0
                window[unit, at] = round(near * (1 + rng.gauss(0, 0.2)) + extra * DAYS / 7)
    return sales, Crossed(window, before, dict.fromkeys(units, (DAYS, BEFORE_DAYS)))


def _within(rejected: int, n_draws: int) -> bool:
    attainable = math.floor(LEVEL * n_draws + 1e-9) / n_draws
    return abs(rejected / WORLDS - attainable) <= 3 * math.sqrt(LEVEL * (1 - LEVEL) / WORLDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MECHANISMS)
def test_without_an_effect_each_row_and_what_moved_reject_at_the_level_of_the_draw(kind: str) -> None:
    mechanism, n_draws = MECHANISMS[kind]
    rejected = dict.fromkeys([*(part.value for part in Part), "moved"], 0)
    for world in range(WORLDS):
        plan = _plan(mechanism, seed=world)
        sales, crossed = _world(plan, 10_000 + world)
        found = account(plan, sales, "points", gate_confidence=0.95)
        for row in found.rows:
            assert row.estimate is not None
            rejected[row.part.value] += row.estimate.p_value <= LEVEL
        rejected["moved"] += moved_sales(plan, sales, crossed, "points", gate_confidence=0.95).p_value <= LEVEL
    assert all(_within(n, n_draws) for n in rejected.values()), rejected


@pytest.mark.slow
@pytest.mark.parametrize("kind", MECHANISMS)
def test_what_moved_is_covered_by_its_interval(kind: str) -> None:
    mechanism, _ = MECHANISMS[kind]
    covered = 0
    for world in range(WORLDS):
        plan = _plan(mechanism, seed=world)
        sales, crossed = _world(plan, 20_000 + world, gain=-1_000)
        low, high = moved_sales(plan, sales, crossed, "points", gate_confidence=0.95).interval
        truth = -1_000 * len(mechanism.codes) // 2
        covered += (low is None or low <= truth) and (high is None or truth <= high)
    assert 0.95 - 3 * math.sqrt(LEVEL * (1 - LEVEL) / WORLDS) <= covered / WORLDS <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("kind", MECHANISMS)
def test_where_only_identification_rises_the_total_stays_at_its_level(kind: str) -> None:
    mechanism, n_draws = MECHANISMS[kind]
    rejected = shown = listed = 0
    for world in range(WORLDS):
        plan = _plan(mechanism, seed=world)
        sales, _ = _world(plan, 30_000 + world, shown=0.4)
        found = account(plan, sales, "points", gate_confidence=0.95)
        total, mine = (found.row(part).estimate for part in (Part.TOTAL, Part.LISTED))
        assert total is not None
        assert mine is not None
        rejected += total.p_value <= LEVEL
        shown += found.card_showing is CardShowing.SHOWN
        listed += found.row(Part.LISTED).effect_micro > 0 > found.row(Part.OUTSIDE).effect_micro
    assert _within(rejected, n_draws)
    assert shown >= 0.8 * WORLDS
    assert listed >= 0.95 * WORLDS


def test_over_every_draw_of_a_small_design_p_values_are_never_too_small() -> None:
    """Exactly: of all 70 draws of one world without an effect at most a share p has a p-value of p or less."""
    mechanism = complete_draw(8)
    sales, crossed = _world(_plan(mechanism, 1), 7)
    found = []
    for treated in combinations(mechanism.codes, 4):
        assignment = {unit: "points" if unit in treated else "control" for unit in mechanism.codes}
        plan = LookPlan(**{name: getattr(_plan(mechanism, 1), name) for name in LookPlan.__slots__}
                        | {"assignment": assignment})  # fmt: skip
        found.append(moved_sales(plan, sales, crossed, "points", gate_confidence=0.95).p_value)
    for level in sorted(set(found)):
        assert sum(p <= level for p in found) / 70 <= level + 1e-9
    assert min(found) == pytest.approx(1 / 70)
