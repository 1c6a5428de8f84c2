"""The coverage benchmark in short: the bars hold, a wrong analysis would miss them, and the shortcut is exact."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.bars import WIDEST, card_bars, coverage_bars
from benchmarks.coverage import page
from benchmarks.nobody_buys_more import cards_shown_more, new_shoppers, report_of
from benchmarks.one_draw import headline, judge
from benchmarks.tally import Tally
from benchmarks.trials import CARD, CEILING, IDENTIFICATION, JUDGED, TrialWorld, trial_world
from experiments.design.mechanisms import draw
from experiments.look.plan import Leads
from pilot.demo.households import load_baskets, load_segments
from pilot.demo.truth import world_moments
from pilot.demo.worlds import receipts, store_code

SHOWN = (*JUDGED, CEILING)


@pytest.fixture(scope="module")
def world() -> TrialWorld:
    return trial_world(0, load_baskets(), load_segments(), (*SHOWN, IDENTIFICATION))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_moments_put_together_from_two_worlds_are_those_of_the_draw_s_own_receipts(
    world: TrialWorld, seed: int
) -> None:
    assignment = draw(world.pairs, seed).assignment
    codes = {store_code(store): store for store in world.before.eligible}
    treated = [codes[unit] for unit, variant in assignment.items() if variant == CARD]
    own = receipts(world.before, copies=world.copies, treated=treated)
    for metric in (*SHOWN, IDENTIFICATION):
        moments = world_moments(world.before, own, metric)
        assert tuple(moments[unit] for unit in sorted(assignment)) == world.seen(metric, assignment, lifted=True)


def test_the_headline_is_the_row_of_the_product_s_own_report(world: TrialWorld) -> None:
    assignment = draw(world.pairs, 1).assignment
    measured = {metric.code: world.treated[metric.code] for metric in (*JUDGED, IDENTIFICATION)}
    report = report_of(measured, world.pairs, assignment, 7, Leads.STORE_TOTALS)
    for metric in JUDGED:
        seen = tuple(measured[metric.code][unit] for unit in sorted(assignment))
        row = headline(metric, seen, world.pairs, assignment, seed=7)
        estimate = report.row(metric.code, CARD).estimate
        assert estimate is not None
        assert (row.effect, row.p_value, row.interval) == (estimate.effect, estimate.p_value, estimate.interval)
        assert row.regression_interval == report.row(metric.code, CARD).alternatives[0].interval


def test_a_world_where_nothing_is_injected_is_the_untreated_one(world: TrialWorld) -> None:
    assignment = draw(world.pairs, 1).assignment
    for metric in SHOWN:
        assert world.seen(metric, assignment, lifted=False) == tuple(
            world.untreated[metric.code][unit] for unit in sorted(assignment)
        )


def test_new_shoppers_change_no_digit_of_any_customer_row() -> None:
    tally = Tally()
    new_shoppers(0, load_baskets(), 4, tally)
    assert tally.rate("new/same_rows").mean == 1.0
    assert tally.rate("new/identified_more").mean > 0.05


def test_cards_shown_more_often_raise_customer_rows_and_the_stamp_finds_it() -> None:
    tally = Tally()
    for number in range(2):
        cards_shown_more(number, load_baskets(), 6, tally)
    assert 0.04 < tally.rate("shown/identified_more").mean < 0.08
    assert tally.rate("shown/purchase_frequency/effect").mean > 0.05
    assert tally.rate("shown/stamped").mean >= 0.9
    assert tally.rate("shown/advances").mean <= 0.2


@pytest.mark.slow
def test_the_bars_hold_in_short() -> None:
    tally = Tally()
    for number in range(3):
        world = trial_world(number, load_baskets(), load_segments(), (*SHOWN, IDENTIFICATION))
        for k in range(80):
            judge(world, k, SHOWN, tally)
    new_shoppers(0, load_baskets(), 3, tally)
    cards_shown_more(0, load_baskets(), 20, tally)
    bars = coverage_bars(tally) + card_bars(tally)
    assert [bar.what for bar in bars if not bar.holds] == []
    assert "repeat_purchase_28d" in page(tally, bars, worlds=3, card_worlds=1)


def test_an_analysis_without_pairs_and_past_fails_the_width_bar_and_sees_little(world: TrialWorld) -> None:
    total = JUDGED[0]
    ratios, found, missed = [], 0, 0
    for seed in range(12):
        assignment = draw(world.pairs, seed).assignment
        seen = world.seen(total, assignment, lifted=True)
        without_past = tuple(replace(moments, n_x=0, x=0, xx=0, xy=0) for moments in seen)
        wrong = headline(total, without_past, world.free, assignment, seed=1)
        right = headline(total, seen, world.pairs, assignment, seed=1)
        ratios.append(np.subtract(*wrong.interval) / np.subtract(*right.regression_interval))
        found += right.p_value <= 0.05
        missed += wrong.p_value > 0.05
    assert min(ratios) > WIDEST
    assert found >= 11
    assert missed >= 8


def test_an_interval_half_as_wide_would_miss_the_truth_too_often(world: TrialWorld) -> None:
    metric = JUDGED[1]
    truth, n = world.truth(metric), 60
    misses = 0
    for seed in range(n):
        assignment = draw(world.pairs, seed).assignment
        row = headline(metric, world.seen(metric, assignment, lifted=True), world.pairs, assignment, seed=1)
        lower, upper = row.interval
        assert lower is not None
        assert upper is not None
        misses += abs(row.effect - truth) > (upper - lower) / 4
    assert misses / n > 0.2


def test_the_naive_test_of_a_complete_draw_raises_far_more_false_alarms_than_it_says(world: TrialWorld) -> None:
    tally = Tally()
    for k in range(40):
        judge(world, k, JUDGED[1:2], tally)
    assert tally.rate("purchase_frequency/naive_complete_rejects_null").mean > 0.12
