"""The worlds differ by what was injected, where it was injected, and by nothing else."""

import numpy as np
import pyarrow.compute as pc
import pytest

from pilot.demo.households import FIRST_WEEK, LAST_WEEK, business_day, load_baskets, load_segments, week_of
from pilot.demo.seeds import DEMO
from pilot.demo.stores import Before, before_the_pilot, home_stores
from pilot.demo.worlds import Copies, card_showing, injected, receipts, revealed_new


@pytest.fixture(scope="module")
def before() -> Before:
    return before_the_pilot(load_baskets(), DEMO, "before")


@pytest.fixture(scope="module")
def copies(before: Before) -> Copies:
    return injected(before, load_segments(), DEMO, "injection")


def test_92_to_94_stores_can_take_part(before: Before) -> None:
    assert 92 <= len(before.eligible) <= 94


def test_identification_averages_85_percent_and_differs_between_stores(before: Before) -> None:
    pre, during = before.rates.T
    assert abs(before.rates.mean() - 0.85) < 0.01
    assert 0.04 < pre.std() < 0.07
    assert 0.025 < (during - pre).std() < 0.045  # sqrt(2) x 2.5 points


def test_a_home_store_has_most_identified_visits_then_the_latest_then_the_lowest_number(before: Before) -> None:
    baskets = before.baskets
    for household in (1, 10, 100, 1000, 2000):
        mine = (baskets.household == household) & before.identified & (baskets.week <= 26)
        visits = [
            (int((mine & (baskets.store == s)).sum()), int(baskets.at[mine & (baskets.store == s)].max()), -int(s))
            for s in np.unique(baskets.store[mine])
        ]
        assert before.homes.get(household) == (-max(visits)[2] if visits else None)


def test_homes_do_not_read_the_weeks_of_the_pilot(before: Before) -> None:
    changed = before.identified | (before.baskets.week >= FIRST_WEEK)
    assert home_stores(before.baskets, changed) == before.homes


def test_copies_fall_in_weeks_without_a_purchase_of_their_household(before: Before, copies: Copies) -> None:
    baskets = before.baskets
    bought = set(zip(baskets.household.tolist(), baskets.week.tolist(), strict=True))
    made = list(zip(copies.household.tolist(), copies.week.tolist(), strict=True))
    assert not bought & set(made)
    assert len(made) == len(set(made))
    assert copies.week.min() >= FIRST_WEEK
    assert copies.week.max() <= LAST_WEEK


def test_a_copy_is_an_earlier_basket_of_the_household_at_its_home_store(before: Before, copies: Copies) -> None:
    baskets = before.baskets
    assert (baskets.household[copies.source] == copies.household).all()
    assert (baskets.store[copies.source] == copies.home).all()
    assert (baskets.week[copies.source] < copies.week).all()
    assert (business_day(copies.at) == copies.day).all()
    assert (week_of(copies.day) == copies.week).all()


def test_about_three_in_ten_empty_weeks_are_filled_and_sales_rise_by_about_12_percent(
    before: Before, copies: Copies
) -> None:
    baskets = before.baskets
    listed = before.listed()
    window = (baskets.week >= FIRST_WEEK) & (baskets.week <= LAST_WEEK)
    bought = {
        pair
        for pair in zip(baskets.household[window].tolist(), baskets.week[window].tolist(), strict=True)
        if pair[0] in listed
    }
    empty = len(listed) * (LAST_WEEK - FIRST_WEEK + 1) - len(bought)
    sales = baskets.net_minor[window & np.isin(baskets.store, before.eligible)].sum()
    assert 0.29 < len(copies) / empty < 0.34
    assert 0.11 < baskets.net_minor[copies.source].sum() / sales < 0.13


def test_treating_stores_adds_the_copies_of_those_stores_and_touches_nothing_else(
    before: Before, copies: Copies
) -> None:
    treated = before.eligible[:5]
    world = receipts(before, copies=copies, treated=treated)
    nobody = receipts(before, copies=copies, treated=())
    assert nobody.equals(receipts(before))
    assert world.slice(0, nobody.num_rows).equals(nobody)
    assert world.num_rows - nobody.num_rows == np.isin(copies.home, treated).sum()


def test_the_worlds_can_be_made_again(before: Before, copies: Copies) -> None:
    again = injected(before_the_pilot(load_baskets(), DEMO, "before"), load_segments(), DEMO, "injection")
    assert receipts(before, copies=again, treated=before.eligible).equals(
        receipts(before, copies=copies, treated=before.eligible)
    )


def test_revealed_shoppers_are_nobody_who_was_known_before_and_buy_nothing_more(before: Before) -> None:
    world = before_the_pilot(load_baskets(), DEMO, "before", cardless_share=0.1)
    also = revealed_new(world, world.eligible)
    assert also.sum() > 1000
    assert not set(world.baskets.household[also].tolist()) & set(world.homes)
    plain, shown = receipts(world), receipts(world, also_identified=also)
    assert pc.sum(plain["net_minor"]) == pc.sum(shown["net_minor"])


def test_card_showing_identifies_four_in_ten_anonymous_visits_of_listed_customers(before: Before) -> None:
    baskets = before.baskets
    also = card_showing(before, before.eligible, DEMO, "card")
    could = ~before.identified & (baskets.week >= FIRST_WEEK) & np.isin(baskets.store, before.eligible)
    could &= np.isin(baskets.household, list(before.listed()))
    assert not (also & ~could).any()
    assert abs(also.sum() / could.sum() - 0.40) < 0.02
