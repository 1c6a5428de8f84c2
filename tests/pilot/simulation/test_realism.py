"""A simulated network behaves like a real one: rhythms, baskets, returns, cards, cross-shopping, within bounds."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pilot.simulation.people import Customers, make_customers
from pilot.simulation.places import Stores, make_stores
from pilot.simulation.receipts import simulate_receipts
from pilot.simulation.shape import Shape
from pilot.simulation.tables import lake_table

SHAPE = Shape(stores=60, customers=6_000, receipts=300_000, seed=11, weeks=26)
EPOCH = date(1970, 1, 1)


@pytest.fixture(scope="module")
def stores() -> Stores:
    return make_stores(SHAPE)


@pytest.fixture(scope="module")
def customers(stores: Stores) -> Customers:
    return make_customers(SHAPE, stores)


@pytest.fixture(scope="module")
def receipts(stores: Stores, customers: Customers) -> pd.DataFrame:
    """All receipts in the order in which they were made."""
    first_day = (SHAPE.first_day - EPOCH).days
    parts = [lake_table(part, first_day).to_pandas() for part in simulate_receipts(SHAPE, stores, customers)]
    found = pd.concat(parts, ignore_index=True)
    found["business_date"] = pd.to_datetime(found["business_date"])
    return found


@pytest.fixture(scope="module")
def sales(receipts: pd.DataFrame) -> pd.DataFrame:
    return receipts[receipts.kind == "sale"]


def test_there_are_exactly_as_many_receipts_as_were_asked_for(receipts: pd.DataFrame) -> None:
    assert len(receipts) == SHAPE.receipts
    assert receipts.receipt_id.is_unique
    assert not receipts.duplicated(["store_id", "till", "number", "business_date"]).any()


def test_every_store_sells_and_sells_from_its_first_day_only(receipts: pd.DataFrame, stores: Stores) -> None:
    first = receipts.groupby("store_id").business_date.min()
    assert sorted(first.index) == list(range(1, SHAPE.stores + 1))
    assert (first.to_numpy() >= np.array(stores.opened_on, "datetime64[D]")[first.index - 1]).all()
    assert (stores.opens > 0).any()


def test_one_to_three_in_a_hundred_receipts_are_returns(receipts: pd.DataFrame) -> None:
    assert 0.01 <= (receipts.kind == "return").mean() <= 0.03


def test_a_return_gives_back_at_most_what_an_earlier_sale_took(receipts: pd.DataFrame, sales: pd.DataFrame) -> None:
    returns = receipts[receipts.kind == "return"]
    assert returns.refers_to.is_unique
    both = returns.merge(sales, left_on="refers_to", right_on="receipt_id", suffixes=("", "_sold"))
    assert len(both) == len(returns)
    assert sales.refers_to.isna().all()
    assert (both.business_date > both.business_date_sold).all()
    for column in ("net_minor", "vat_minor", "cost_minor", "reward_minor"):
        assert (both[column] <= 0).all()
        assert (-both[column] <= both[f"{column}_sold"]).all()
    known = both.dropna(subset="customer_key")
    assert (known.customer_key == known.customer_key_sold).all()
    elsewhere = (both.store_id != both.store_id_sold).mean()
    assert 0.02 <= elsewhere <= 0.15


def test_a_quarter_to_four_tenths_of_the_receipts_have_no_customer(receipts: pd.DataFrame) -> None:
    assert 0.25 <= receipts.customer_key.isna().mean() <= 0.40


def test_some_customers_never_show_their_card(receipts: pd.DataFrame, customers: Customers) -> None:
    never = customers.key[customers.shows_card == 0]
    assert 0.04 <= len(never) / len(customers) <= 0.10
    assert not receipts.customer_key.isin(never).any()
    assert receipts.customer_key.dropna().isin(customers.key).all()


def test_a_fifth_to_four_tenths_of_the_visits_are_elsewhere_mostly_nearby(
    sales: pd.DataFrame, stores: Stores, customers: Customers
) -> None:
    home = np.empty(len(customers) + 1, np.int64)
    home[customers.key] = customers.home.astype(np.int64)
    known = sales.dropna(subset="customer_key")
    at, own = known.store_id.to_numpy() - 1, home[known.customer_key.astype(int).to_numpy()]
    is_elsewhere = at != own
    assert 0.20 <= is_elsewhere.mean() <= 0.40
    same_region = stores.region[at[is_elsewhere]] == stores.region[own[is_elsewhere]]
    assert same_region.mean() >= 0.8  # of three regions


def test_saturdays_are_the_busiest_and_sundays_the_quietest_days(sales: pd.DataFrame) -> None:
    by_day = sales.groupby(sales.business_date.dt.day_of_week).size()
    assert by_day.idxmax() == 5
    assert by_day.idxmin() == 6
    assert 1.3 <= by_day.max() / by_day.min() <= 2.5


def test_customers_keep_to_their_weekday_more_than_the_crowd_does(sales: pd.DataFrame, customers: Customers) -> None:
    favourite = np.full(len(customers) + 1, -1)
    favourite[customers.key] = np.repeat(np.arange(8), np.diff(customers.bounds))
    known = sales.dropna(subset="customer_key")
    days, loved = known.business_date.dt.day_of_week.to_numpy(), favourite[known.customer_key.astype(int).to_numpy()]
    for weekday in range(7):
        of_lovers, of_all = (days[loved == weekday] == weekday).mean(), (days[loved == 7] == weekday).mean()
        assert of_lovers >= 1.8 * of_all


def test_few_customers_make_many_of_the_visits(sales: pd.DataFrame, customers: Customers) -> None:
    visits = sales.customer_key.dropna().value_counts().sort_values(ascending=False)
    assert 0.25 <= visits.iloc[: len(customers) // 10].sum() / visits.sum() <= 0.5


def test_gaps_between_visits_are_more_irregular_than_chance(sales: pd.DataFrame) -> None:
    known = sales.dropna(subset="customer_key").sort_values(["customer_key", "at"])
    gaps = known.groupby("customer_key")["at"].diff().dropna().dt.total_seconds()
    per_customer = gaps.groupby(known.customer_key.loc[gaps.index]).agg(["mean", "std", "size"])
    often = per_customer[per_customer["size"] >= 20]
    assert len(often) > 500
    assert 1.0 < (often["std"] / often["mean"]).median() < 2.0  # visits by chance alone have 1


def test_baskets_are_skewed_and_their_parts_fit_together(sales: pd.DataFrame) -> None:
    net = sales.net_minor
    assert net.min() > 0
    assert 1.3 <= net.mean() / net.median() <= 2.2
    assert 500 <= net.median() <= 4_000
    rate = sales.vat_minor / net
    assert rate.max() <= 0.256
    assert 0.13 <= rate.median() <= 0.145
    assert 0.25 <= (sales.discount_minor > 0).mean() <= 0.40
    assert (sales.discount_minor < 0.27 * (net + sales.vat_minor + sales.discount_minor) + 1).all()
    assert (sales.cost_minor < net).all()
    assert (sales.n_items >= 1).all()
    assert (sales.loc[sales.customer_key.isna(), "reward_minor"] == 0).all()


def test_numbers_run_on_from_one_on_every_till_in_the_order_of_time(receipts: pd.DataFrame) -> None:
    for _, roll in receipts.groupby(["store_id", "till"]):
        assert (roll.number.astype(int).to_numpy() == np.arange(1, len(roll) + 1)).all()
        assert roll["at"].dt.floor("s").is_monotonic_increasing


def test_receipts_are_written_in_opening_hours_of_the_stores_own_clock(receipts: pd.DataFrame, stores: Stores) -> None:
    zone = stores.zone[receipts.store_id.to_numpy() - 1]
    for number, name in enumerate(stores.zones):
        local = receipts["at"][zone == number].dt.tz_convert(name)
        assert (local.dt.hour >= 7).all()
        assert (local.dt.normalize().dt.tz_localize(None) == receipts.business_date[zone == number]).all()
    assert set(zone) == {0, 1}


def test_many_receipts_on_one_day_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilot.simulation.receipts.PART_RECEIPTS", 1_000)
    shape = Shape(stores=3, customers=500, receipts=40_000, seed=2, weeks=1)
    stores = make_stores(shape)
    parts = list(simulate_receipts(shape, stores, make_customers(shape, stores)))
    assert max(len(part) for part in parts) <= 1_000
    assert sum(len(part) for part in parts) == shape.receipts
    rows = pd.concat([lake_table(part, 0).to_pandas() for part in parts], ignore_index=True)
    for _, roll in rows.groupby(["store_id", "till"]):
        assert (roll.number.astype(int).to_numpy() == np.arange(1, len(roll) + 1)).all()
        assert roll["at"].dt.floor("s").is_monotonic_increasing
