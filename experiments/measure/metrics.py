"""The metric library: what each metric counts, for whom, in what unit, and which way is good."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from experiments.errors import InvalidMetric, NotEstimable, NotMeasurable, UnknownMetric
from experiments.measure.unit_moments import UnitMoments
from experiments.messages import N_, Message


class AssignmentUnit(StrEnum):
    """The unit of assignment, which is the unit of analysis."""

    REGION = "region"
    STORE = "store"
    CUSTOMER = "customer"


class MetricKind(StrEnum):
    """The kinds of metrics; ``repeat_purchase`` and ``retention`` take days."""

    STORE_TOTAL = "store_total"
    REPEAT_PURCHASE = "repeat_purchase"
    RETENTION = "retention"
    PURCHASE_FREQUENCY = "purchase_frequency"
    SPEND_PER_CUSTOMER = "spend_per_customer"
    AVERAGE_BASKET = "average_basket"
    IDENTIFICATION_RATE = "identification_rate"
    SALES_OUTSIDE_LIST = "sales_outside_list"
    FULL_PRICE_SHARE = "full_price_share"


class MetricLevel(StrEnum):
    """Whose behaviour is measured: all shoppers of a store, or the listed (assigned) customers."""

    STORE = "store"
    CUSTOMER = "customer"


class MetricUnit(StrEnum):
    """What a value of the metric is: money in minor units, a share from 0 to 1, a count, a ratio of money to
    receipts."""

    MONEY = "money"
    SHARE = "share"
    COUNT = "count"
    RATIO = "ratio"


class Direction(StrEnum):
    """Which way is good."""

    UP = "up"
    DOWN = "down"


_LEVELS: Mapping[MetricKind, MetricLevel] = {
    MetricKind.STORE_TOTAL: MetricLevel.STORE,
    MetricKind.REPEAT_PURCHASE: MetricLevel.CUSTOMER,
    MetricKind.RETENTION: MetricLevel.CUSTOMER,
    MetricKind.PURCHASE_FREQUENCY: MetricLevel.CUSTOMER,
    MetricKind.SPEND_PER_CUSTOMER: MetricLevel.CUSTOMER,
    MetricKind.AVERAGE_BASKET: MetricLevel.STORE,
    MetricKind.IDENTIFICATION_RATE: MetricLevel.STORE,
    MetricKind.SALES_OUTSIDE_LIST: MetricLevel.STORE,
    MetricKind.FULL_PRICE_SHARE: MetricLevel.STORE,
}
_UNITS: Mapping[MetricKind, MetricUnit] = {
    MetricKind.STORE_TOTAL: MetricUnit.MONEY,
    MetricKind.REPEAT_PURCHASE: MetricUnit.SHARE,
    MetricKind.RETENTION: MetricUnit.SHARE,
    MetricKind.PURCHASE_FREQUENCY: MetricUnit.COUNT,
    MetricKind.SPEND_PER_CUSTOMER: MetricUnit.MONEY,
    MetricKind.AVERAGE_BASKET: MetricUnit.RATIO,
    MetricKind.IDENTIFICATION_RATE: MetricUnit.SHARE,
    MetricKind.SALES_OUTSIDE_LIST: MetricUnit.MONEY,
    MetricKind.FULL_PRICE_SHARE: MetricUnit.SHARE,
}
# Anonymous receipts belong to no customer: what counts them cannot be split between customers.
_NOT_FOR_CUSTOMERS = frozenset(
    {
        MetricKind.STORE_TOTAL,
        MetricKind.IDENTIFICATION_RATE,
        MetricKind.SALES_OUTSIDE_LIST,
        MetricKind.FULL_PRICE_SHARE,
    }
)
_OF_ALL_SHOPPERS = frozenset({MetricKind.STORE_TOTAL, MetricKind.SALES_OUTSIDE_LIST})  # money per store-day
_PARAMETERS: Mapping[MetricKind, tuple[str, ...]] = {
    MetricKind.REPEAT_PURCHASE: ("days",),
    MetricKind.RETENTION: ("first_day", "last_day"),
}
_SCALES: Mapping[MetricKind, Callable[[int], float]] = {
    **dict.fromkeys(_OF_ALL_SHOPPERS, lambda days: 7.0),  # store-days to a store-week
    MetricKind.PURCHASE_FREQUENCY: lambda days: 28.0 / days,
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``params`` are whole days; ``direction`` says which way is good."""

    kind: MetricKind
    params: Mapping[str, int] = field(default_factory=dict)
    direction: Direction = Direction.UP

    def __post_init__(self) -> None:
        names = _PARAMETERS.get(self.kind, ())
        if tuple(sorted(self.params)) != tuple(sorted(names)):
            raise InvalidMetric(
                kind=self.kind.value,
                parameters=str(dict(self.params)),
                must_be=f"it takes {', '.join(names) or 'none'}",
            )
        if any(isinstance(v, bool) or not isinstance(v, int) for v in self.params.values()):
            raise InvalidMetric(
                kind=self.kind.value, parameters=str(dict(self.params)), must_be="days are whole numbers"
            )
        if self.kind is MetricKind.REPEAT_PURCHASE and self.params["days"] < 2:
            raise InvalidMetric(kind=self.kind.value, parameters=str(dict(self.params)), must_be="at least 2 days")
        if self.kind is MetricKind.RETENTION and not 1 <= self.params["first_day"] <= self.params["last_day"]:
            raise InvalidMetric(
                kind=self.kind.value, parameters=str(dict(self.params)), must_be="1 ≤ first_day ≤ last_day"
            )

    @property
    def code(self) -> str:
        """The name of the metric in plans, moments and reports; ``metric_from_code`` reads it back."""
        if self.kind is MetricKind.REPEAT_PURCHASE:
            return f"{self.kind.value}_{self.params['days']}d"
        if self.kind is MetricKind.RETENTION:
            return f"{self.kind.value}_{self.params['first_day']}_{self.params['last_day']}d"
        return self.kind.value

    @property
    def level(self) -> MetricLevel:
        """Whether it counts all shoppers of a store or the listed customers."""
        return _LEVELS[self.kind]

    @property
    def unit(self) -> MetricUnit:
        """Money in minor units, a share from 0 to 1, a count, or a ratio."""
        return _UNITS[self.kind]

    @property
    def is_total(self) -> bool:
        """Whether it adds up sales per store-day, whoever bought: what may lead where store totals lead."""
        return self.kind in _OF_ALL_SHOPPERS

    @property
    def is_ratio(self) -> bool:
        """Whether numerator and denominator both vary from customer to customer (so the delta method is needed)."""
        return self.kind is MetricKind.AVERAGE_BASKET

    @property
    def has_fixed_window(self) -> bool:
        """Whether the metric brings its own number of days instead of using the whole observed window."""
        return self.kind in _PARAMETERS

    def require_measurable(self, unit: AssignmentUnit) -> None:
        """Raise ``NotMeasurable`` when the metric has no meaning for this unit of assignment."""
        if unit is AssignmentUnit.CUSTOMER and self.kind in _NOT_FOR_CUSTOMERS:
            raise NotMeasurable(metric=self.code, unit=unit.value)

    def scale(self, days: int) -> float:
        """What numerator / denominator is multiplied by, for a window of ``days``."""
        return _SCALES[self.kind](days) if self.kind in _SCALES else 1.0

    def value(self, moments: UnitMoments) -> float:
        """The unit's value in the window; ``NotEstimable`` when its denominator is zero."""
        return self._mean(moments.unit, moments.y, moments.n, moments.days)

    def baseline(self, moments: UnitMoments) -> float:
        """The unit's value before the start; ``NotEstimable`` when its denominator is zero."""
        return self._mean(moments.unit, moments.x, moments.n_x, moments.days_x)

    def _mean(self, unit: str, numerator: int, denominator: int, days: int) -> float:
        if denominator == 0:
            raise NotEstimable(
                Message(
                    "no_denominator",
                    N_("{metric} of {unit} has nothing to divide by"),
                    {"metric": self.code, "unit": unit},
                )
            )
        return numerator / denominator * self.scale(days)


def store_total() -> Metric:
    """Net sales of all shoppers, per store-week (money)."""
    return Metric(MetricKind.STORE_TOTAL)


def repeat_purchase(days: int) -> Metric:
    """Share of assigned customers with at least two purchase days in the ``days`` days that begin with the index
    day."""
    return Metric(MetricKind.REPEAT_PURCHASE, {"days": days})


def retention(first_day: int, last_day: int) -> Metric:
    """Share of assigned customers with a purchase from ``first_day`` to ``last_day`` days after the index day."""
    return Metric(MetricKind.RETENTION, {"first_day": first_day, "last_day": last_day})


def purchase_frequency() -> Metric:
    """Purchase days per assigned customer per 28 days."""
    return Metric(MetricKind.PURCHASE_FREQUENCY)


def spend_per_customer() -> Metric:
    """Net sales per assigned customer over the window (money)."""
    return Metric(MetricKind.SPEND_PER_CUSTOMER)


def average_basket() -> Metric:
    """Net sales per sale receipt."""
    return Metric(MetricKind.AVERAGE_BASKET)


def identification_rate() -> Metric:
    """Share of sale receipts that carry a customer."""
    return Metric(MetricKind.IDENTIFICATION_RATE)


def sales_outside_list() -> Metric:
    """Net sales to all who are not listed customers, per store-week (money)."""
    return Metric(MetricKind.SALES_OUTSIDE_LIST)


def full_price_share() -> Metric:
    """Net sales of receipts without a discount / net sales."""
    return Metric(MetricKind.FULL_PRICE_SHARE)


_CODES: tuple[tuple[re.Pattern[str], Callable[..., Metric]], ...] = (
    (re.compile(r"repeat_purchase_(\d{1,4})d"), repeat_purchase),
    (re.compile(r"retention_(\d{1,4})_(\d{1,4})d"), retention),
    (re.compile(r"store_total"), store_total),
    (re.compile(r"purchase_frequency"), purchase_frequency),
    (re.compile(r"spend_per_customer"), spend_per_customer),
    (re.compile(r"average_basket"), average_basket),
    (re.compile(r"identification_rate"), identification_rate),
    (re.compile(r"sales_outside_list"), sales_outside_list),
    (re.compile(r"full_price_share"), full_price_share),
)


def metric_from_code(code: str) -> Metric:
    """The metric whose ``code`` this is, such as ``repeat_purchase_60d``; ``UnknownMetric`` otherwise."""
    for pattern, make in _CODES:
        match = pattern.fullmatch(code)
        if match:
            return make(*(int(days) for days in match.groups()))
    raise UnknownMetric(metric=code)
