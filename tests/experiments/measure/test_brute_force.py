"""Every metric against its definition in plain Python, receipt by receipt, for stores, regions and customers."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product

import pyarrow as pa
import pytest

from experiments import (
    Metric,
    Window,
    arm_moments,
    average_basket,
    identification_rate,
    purchase_frequency,
    repeat_purchase,
    retention,
    sales_outside_list,
    spend_per_customer,
    store_total,
    unit_moments,
    windows_for,
)
from tests.experiments.building import homes, receipts, stores

Receipt = tuple[str, str, date, int | None, int]

WINDOW = Window(date(2025, 12, 8), date(2026, 1, 18))  # over the turn of the year
BEFORE = Window(date(2025, 9, 1), date(2025, 12, 7))
SHOPS = ["s1", "s2", "s3", "s4", "s5"]
REGION_OF = {"s1": "north", "s2": "north", "s3": "south", "s4": "south", "s5": "south"}
HOME_OF = {key: SHOPS[key % 5] for key in range(1, 41) if key % 5 != 4}  # nobody is at home in s5
ARM_OF = {key: ("control", "points")[key % 2] for key in range(1, 41)}
SEGMENT_OF = {key: ("young", "old", "none")[key % 3] for key in range(1, 41)}


def _many(seed: int) -> list[Receipt]:
    """Few receipts a customer, so that every count happens: nobody, one day, the same day twice, a return alone."""
    rng = random.Random(seed)
    rows: list[Receipt] = []
    for _ in range(900):
        day = BEFORE.first - timedelta(days=9) + timedelta(days=rng.randrange(160))
        customer = rng.choice([None, rng.randrange(1, 50), rng.randrange(1, 50)])  # 41 to 49 are on no list
        is_return = rng.random() < 0.15
        net = -rng.randrange(1, 3000) if is_return else rng.randrange(0, 9000)
        rows.append((rng.choice(SHOPS), "return" if is_return else "sale", day, customer, net))
    return rows


@dataclass(frozen=True, slots=True)
class Plain:
    """A metric in words of one syllable: the receipts of a group and its members give numerator and denominator."""

    metric: Metric
    days: tuple[int, int] | None  # counted from the index day; None: the whole window
    of_customer: Callable[[list[Receipt], int], float] | None  # receipts of one customer, days → value
    of_shop: Callable[[list[Receipt], int, int], float] | None  # receipts in the shops, shops, days → value


def _days(rows: Iterable[Receipt]) -> set[date]:
    return {day for _, kind, day, _, _ in rows if kind == "sale"}


def _net(rows: Iterable[Receipt]) -> int:
    return sum(net for *_, net in rows)


def _sales(rows: Iterable[Receipt]) -> list[Receipt]:
    return [row for row in rows if row[1] == "sale"]


DEFINITIONS = [
    Plain(store_total(), None, None, lambda rows, n, days: _net(rows) / n / days * 7),
    Plain(repeat_purchase(14), (0, 13), lambda rows, _: float(len(_days(rows)) >= 2), None),
    Plain(retention(5, 30), (5, 30), lambda rows, _: float(len(_days(rows)) >= 1), None),
    Plain(purchase_frequency(), None, lambda rows, days: len(_days(rows)) / days * 28, None),
    Plain(spend_per_customer(), None, lambda rows, _: float(_net(rows)), None),
    Plain(average_basket(), None, None, lambda rows, *_: _net(rows) / len(_sales(rows))),
    Plain(
        identification_rate(),
        None,
        None,
        lambda rows, *_: sum(row[3] is not None for row in _sales(rows)) / len(_sales(rows)),
    ),
    Plain(
        sales_outside_list(),
        None,
        None,
        lambda rows, n, days: _net(row for row in rows if row[3] not in HOME_OF) / n / days * 7,
    ),
]


def _window(plain: Plain) -> Window:
    if plain.days is None:
        return WINDOW
    return Window(WINDOW.first + timedelta(days=plain.days[0]), WINDOW.first + timedelta(days=plain.days[1]))


def _before(plain: Plain) -> Window:
    """Before the start: all of it, or the last as many days as the metric reads."""
    days = _window(plain).days
    return BEFORE if plain.days is None else Window(BEFORE.last - timedelta(days=days - 1), BEFORE.last)


def _value(plain: Plain, rows: list[Receipt], window: Window, unit: str, unit_of: dict[str, str]) -> float:
    inside = [row for row in rows if window.contains(row[2])]
    shops = [shop for shop, unit_ in unit_of.items() if unit_ == unit]
    if plain.of_shop is not None:
        return plain.of_shop([row for row in inside if row[0] in shops], len(shops), window.days)
    assert plain.of_customer is not None
    listed = [key for key, home in HOME_OF.items() if home in shops]
    values = [plain.of_customer([row for row in inside if row[3] == key], window.days) for key in listed]
    return sum(values) / len(values)


@pytest.mark.parametrize("plain", DEFINITIONS, ids=lambda plain: plain.metric.code)
@pytest.mark.parametrize(("seed", "by"), list(product([1, 2], ["store", "region"])))
def test_a_unit_has_the_value_of_the_definition(plain: Plain, seed: int, by: str) -> None:
    rows, metric = _many(seed), plain.metric
    unit_of = REGION_OF if by == "region" else {shop: shop for shop in SHOPS if shop != "s5"}
    windows = windows_for(metric, window=WINDOW, before=BEFORE, data_through=WINDOW.last)
    assert (windows.window, windows.before) == (_window(plain), _before(plain))
    listed = homes({key: unit_of[home] for key, home in HOME_OF.items()})
    found = unit_moments(
        receipts(rows), metric, windows, units=sorted(set(unit_of.values())), stores=stores(unit_of), homes=listed
    )
    for m in found:
        assert metric.value(m) == pytest.approx(_value(plain, rows, _window(plain), m.unit, unit_of))
        assert metric.baseline(m) == pytest.approx(_value(plain, rows, _before(plain), m.unit, unit_of))


def _of_one(metric: Metric, rows: list[Receipt]) -> tuple[int, int]:
    """Numerator and denominator of one assigned customer."""
    if metric == average_basket():
        return _net(rows), len(_sales(rows))
    if metric == spend_per_customer():
        return _net(rows), 1
    if metric == purchase_frequency():
        return len(_days(rows)), 1
    return int(len(_days(rows)) >= (2 if metric == repeat_purchase(14) else 1)), 1


NOT_FOR_CUSTOMERS = (store_total(), identification_rate(), sales_outside_list())
FOR_CUSTOMERS = [p for p in DEFINITIONS if p.metric not in NOT_FOR_CUSTOMERS]


@pytest.mark.parametrize("plain", FOR_CUSTOMERS, ids=lambda plain: plain.metric.code)
@pytest.mark.parametrize("seed", [1, 2])
def test_assigned_customers_have_the_moments_of_the_definition(plain: Plain, seed: int) -> None:
    rows, metric = _many(seed), plain.metric
    customers = pa.table(
        {"customer_key": list(ARM_OF), "variant": list(ARM_OF.values()), "stratum": list(SEGMENT_OF.values())}
    )
    found = arm_moments(
        receipts(rows), metric, customers=customers, window=WINDOW, before=BEFORE, data_through=WINDOW.last
    )
    assert [(m.variant, m.stratum) for m in found] == sorted(
        set(zip(ARM_OF.values(), SEGMENT_OF.values(), strict=True))
    )
    for m in found:
        keys = [key for key in ARM_OF if (ARM_OF[key], SEGMENT_OF[key]) == (m.variant, m.stratum)]
        each = []
        for key in keys:
            own = [row for row in rows if row[3] == key]
            y, d = _of_one(metric, [row for row in own if _window(plain).contains(row[2])])
            x, e = _of_one(metric, [row for row in own if _before(plain).contains(row[2])])
            each.append({"y": y, "d": d, "x": x, "e": e})
        assert m.n == len(keys)
        assert {name: getattr(m, name) for name in "ydxe"} == {name: sum(v[name] for v in each) for name in "ydxe"}
        for pair in ("yy", "yd", "yx", "ye", "dd", "dx", "de", "xx", "xe", "ee"):
            assert getattr(m, pair) == sum(v[pair[0]] * v[pair[1]] for v in each), pair


def test_a_customer_with_a_later_index_day_is_read_from_that_day() -> None:
    rows, metric = _many(3), repeat_purchase(14)
    index_of = {key: WINDOW.first + timedelta(days=key % 36) for key in ARM_OF}
    customers = pa.table(
        {"customer_key": list(ARM_OF), "variant": list(ARM_OF.values()), "index_date": list(index_of.values())}
    )
    found = arm_moments(
        receipts(rows), metric, customers=customers, window=WINDOW, before=None, data_through=WINDOW.last
    )
    for m in found:
        passed = [
            key for key in ARM_OF if ARM_OF[key] == m.variant and index_of[key] + timedelta(days=13) <= WINDOW.last
        ]
        again = [
            key
            for key in passed
            if len({d for _, k, d, c, _ in rows if c == key and k == "sale" and 0 <= (d - index_of[key]).days <= 13})
            >= 2
        ]
        assert (m.n, m.y) == (len(passed), len(again))
        assert 0 < len(passed) < 20
