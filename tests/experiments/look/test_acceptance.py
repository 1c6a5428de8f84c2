"""A look at a draw with a rule: only assignments that the rule would have let pass are compared."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import LookPlan, Mechanism, PlannedMetric, Role, Share, UnitMoments, analyze_look, store_total
from experiments.design.acceptance import accepted
from experiments.design.constraints import Constraints
from experiments.design.mechanisms import complete, rerandomized
from experiments.design.reach import possible_draws, smallest_p
from experiments.estimate.max_t import Labels, max_t
from experiments.look.rows import rows_per_unit, unit_effect
from tests.experiments.building import SHARES, candidates, moments
from tests.experiments.look.a_look import TOTAL, a_plan, shares_of, values_of

THREE = (Share("control", 1), Share("points", 1), Share("gift", 1))
NEIGHBOURS = Constraints(never_together=(("s000", "s001"), ("s002", "s003"), ("s004", "s006")))


def _apart(n: int, shares: tuple[Share, ...] = SHARES) -> Mechanism:
    return complete(candidates(n), shares, constraints=NEIGHBOURS)


def _balanced(n: int, shares: tuple[Share, ...] = SHARES) -> Mechanism:
    sizes = [(37 * i * i + 11 * i) % 101 for i in range(n)]
    return rerandomized(candidates(n, size=sizes), shares, ["size"], best_share="0.2")


def _bare(values: list[UnitMoments]) -> list[UnitMoments]:
    """Without the value before, so that a loop can do the test by hand."""
    return [replace(row, x=0, n_x=0, days_x=0) for row in values]


@pytest.mark.parametrize("mechanism", [_apart(10), _balanced(10)])
def test_a_p_value_is_a_share_of_the_draws_that_the_rule_lets_pass(mechanism: Mechanism) -> None:
    """By a plain loop over every draw that the mechanism can make, with its Welch error."""
    plan = a_plan(mechanism, TOTAL)
    values = _bare(values_of(plan, lift=0.05, noise=0.3, seed=2))
    y = {row.unit: row.y / row.days for row in values}
    effect = unit_effect(plan, store_total(), values, "points")
    listed = possible_draws(mechanism)
    assert listed is not None

    def statistic(row: np.ndarray) -> float:
        of = [np.array([y[u] for u, arm in zip(mechanism.codes, row, strict=True) if arm == code]) for code in (0, 1)]
        return float(abs(of[1].mean() - of[0].mean()) / np.sqrt(sum(v.var(ddof=1) / len(v) for v in of)))

    own = statistic(np.array([mechanism.variants.index(plan.assignment[u]) for u in mechanism.codes]))
    hits = sum(statistic(row) >= own * (1 - 1e-9) for row in listed)
    assert effect.estimate.p_value == pytest.approx(hits / len(listed), abs=1e-12)
    free = unit_effect(_freed(plan), store_total(), values, "points")
    assert free.estimate.p_value != effect.estimate.p_value
    assert free.estimate.effect == effect.estimate.effect


def _freed(plan: LookPlan) -> LookPlan:
    """The same draw as if it had had no rule."""
    return replace(plan, mechanism=complete(plan.mechanism.candidates, plan.mechanism.shares))


def test_a_huge_effect_has_the_smallest_p_value_that_the_draw_promised() -> None:
    plan = a_plan(_balanced(10), TOTAL)
    units = plan.mechanism.codes
    far = [moments(u, 10**6 * (plan.assignment[u] == "points") + i, None) for i, u in enumerate(units)]
    row = analyze_look(plan, {"store_total": far}).row("store_total", "points")
    assert row.estimate is not None
    assert row.estimate.p_value == pytest.approx(smallest_p(plan.mechanism, "points"), abs=1e-12)


def test_rows_beneath_units_are_compared_over_the_same_draws() -> None:
    plan = a_plan(_balanced(10), TOTAL)
    counts = [
        moments(u, 7, n=40 + 9 * i + 25 * (plan.assignment[u] == "points")) for i, u in enumerate(plan.mechanism.codes)
    ]
    draws = possible_draws(plan.mechanism)
    assert draws is not None
    p = rows_per_unit(plan, counts, "points").p_value
    assert p * len(draws) == pytest.approx(round(p * len(draws)), abs=1e-9)
    assert p != rows_per_unit(_freed(plan), counts, "points").p_value


@pytest.mark.parametrize("mechanism", [_apart(9, THREE), _balanced(9, THREE)])
def test_several_variants_are_adjusted_over_joint_draws_that_the_rule_lets_pass(mechanism: Mechanism) -> None:
    """Against max-T itself with the rule written out; the variants of the plan in another order than in the draw."""
    plan = a_plan(mechanism, PlannedMetric(store_total(), Role.PRIMARY))
    values = _bare(values_of(plan, lift=0.3, noise=0.3, seed=5))
    report = analyze_look(plan, {"store_total": values}, shares_of(plan))
    rows = [report.row("store_total", variant) for variant in ("points", "gift")]
    plain = [row.estimate.p_value for row in rows if row.estimate is not None]
    units = sorted(mechanism.codes)
    y = {row.unit: row.y / row.days for row in values}
    labels = Labels(
        y=np.array([y[u] for u in units]),
        label=np.array([mechanism.variants.index(plan.assignment[u]) for u in units], dtype=np.int64),
        block=np.zeros(len(units), dtype=np.int64),
        covariates=np.zeros((len(units), 0)),
    )
    order = [units.index(code) for code in mechanism.codes]
    rule = accepted(mechanism)
    expected = max_t(labels, plain, seed=1, draws=999, accept=lambda found: rule(found[:, order]))
    assert [row.p_value_adjusted for row in rows] == pytest.approx(list(expected))
    freed = analyze_look(_freed(plan), {"store_total": values}, shares_of(plan))
    assert [row.p_value_adjusted for row in rows] != [
        freed.row("store_total", variant).p_value_adjusted for variant in ("points", "gift")
    ]


def test_a_draw_that_breaks_its_own_rule_is_refused() -> None:
    plan = a_plan(_apart(10), TOTAL)
    pair = ("s000", "s001")
    others = [u for u in plan.mechanism.codes if u not in pair]
    broken = {**dict.fromkeys((*pair, *others[:3]), "points"), **dict.fromkeys(others[3:], "control")}
    row = analyze_look(replace(plan, assignment=broken), {"store_total": values_of(plan)}).row("store_total", "points")
    assert row.refusal is not None
    assert row.refusal.code == "draw_not_acceptable"
