"""Any table becomes the same frame; what spoils the whole file is refused by name, with rows and units."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from experiments.arrow_columns import MissingLabels, MixedPeriods, NotATable, NotNumeric
from experiments.errors import ExperimentError
from experiments.frame import NEVER, Frame
from experiments.plan import WrongValue, plan_from_mapping
from experiments.reading import (
    EmptyTable,
    NotFinite,
    OneVariant,
    OutOfRange,
    UnknownColumns,
    UnknownControl,
    VariesInsideUnit,
    read,
)
from experiments.reading_windows import EmptyWindow
from tests.experiments.a_table import a_metric, a_plan, stores


def frame_of(data: Any, plan: dict[str, Any]) -> Frame:
    return read(data, plan_from_mapping(plan)).frame


def ibis_table(table: dict[str, Any]) -> Any:
    import ibis

    return ibis.memtable(pa.table({name: pa.array(values) for name, values in table.items()}))


@pytest.mark.parametrize(
    "make", [dict, pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table, ibis_table], ids=lambda make: make.__name__
)
def test_any_table_gives_the_same_frame(make: Any) -> None:
    table = stores(3, 4, weeks=2)
    frame = frame_of(make(table), a_plan())
    assert frame.n_units == 7
    assert frame.variants == ("0", "1")
    assert frame.arm_sizes().tolist() == [3, 4]
    assert np.array_equal(np.sort(frame.columns["y"]), np.sort(table["y"]))
    assert not frame.rows_are_units


def test_the_order_of_the_rows_says_nothing() -> None:
    table = stores(3, 4, weeks=2)
    turned = {name: values[::-1] for name, values in table.items()}
    plain, other = (frame_of(t, a_plan()) for t in (table, turned))
    assert plain.units == other.units
    assert np.array_equal(plain.variant_of, other.variant_of)
    assert plain.unit_mean(plain.columns["y"]) == pytest.approx(other.unit_mean(other.columns["y"]), rel=1e-12)


@pytest.mark.parametrize("control", [1, 1.0, "1", "1.0"])
@pytest.mark.parametrize("labels", [[1, 1, 2], [1.0, 1.0, 2.0], [Decimal("1.0"), Decimal("1.0"), Decimal("2.0")]])
def test_a_label_of_a_numeric_column_is_the_same_however_it_is_written(control: Any, labels: list[Any]) -> None:
    plan = a_plan(unit=None, data={"control": control})
    assert frame_of({"arm": labels, "y": [1.0, 2.0, 3.0]}, plan).variants == ("1", "2")


def test_dates_and_booleans_are_labels_too() -> None:
    table = {"arm": [True, False, True], "y": [1, 2, 3]}
    assert frame_of(table, a_plan(unit=None, data={"control": False})).variants == ("false", "true")


def broken(**columns: Any) -> dict[str, Any]:
    return {**stores(3, 3, weeks=2), **columns}


def with_value(value: float, *rows: int) -> dict[str, Any]:
    table = stores(3, 3, weeks=2)
    table["y"] = table["y"].copy()
    table["y"][list(rows)] = value
    return table


@pytest.mark.parametrize(
    ("table", "plan", "error", "said"),
    [
        ({"a": [1]}, a_plan(), UnknownColumns, "no column 'store', 'arm', 'y'"),
        (with_value(np.nan, 3), a_plan(), NotFinite, "1 of 12 values are empty, NaN or infinite (row 4; store"),
        (with_value(np.inf, 0, 11), a_plan(), NotFinite, "2 of 12"),
        (broken(arm=[0, 1] * 6), a_plan(), VariesInsideUnit, "it varies in 6 units"),
        (broken(b=[1, 2] * 6), a_plan(data={"block": "b"}), VariesInsideUnit, "the block 'b'"),
        (broken(arm=[0] * 12), a_plan(), OneVariant, "every unit of 'arm' is '0'"),
        (broken(arm=["a"] * 12), a_plan(), UnknownControl, "the labels there are a"),
        (broken(y=["x"] + ["1"] * 11), a_plan(), NotNumeric, "row 1 holds 'x'"),
        (broken(store=[None] + ["s"] * 11), a_plan(), MissingLabels, "row 1"),
        (broken(w=[-1.0] + [1.0] * 11), a_plan(data={"weight": "w"}), OutOfRange, "must not be negative"),
        (broken(w=[0.0] * 12), a_plan(data={"weight": "w"}), OutOfRange, "some weight must be positive"),
        (broken(), a_plan(metrics=[a_metric(kind="proportion")]), OutOfRange, "from 0 to 1"),
        (broken(r=[0.5] * 12), a_plan(data={"received": "r"}), OutOfRange, "0 or 1"),
        (
            {name: values[:0] for name, values in broken().items()}, a_plan(), EmptyTable, "no rows",
        ),
        (
            broken(),
            a_plan(data={"period": "week"}, windows={"before": [0, 0], "during": [5, 9]}),
            EmptyWindow,
            "windows.during: no row lies from 5 to 9; the periods go from 0 to 1",
        ),
        (
            broken(),
            a_plan(data={"period": "week"}, windows={"before": [0, 1], "during": [1, 1]}),
            WrongValue,
            "ends before the test begins",
        ),
        (
            broken(week=[0, "spring"] * 6) | {"week": [str(w) for w in [0, "spring"] * 6]},
            a_plan(data={"period": "week"}, windows={"during": [0, 1]}),
            MixedPeriods,
            "numbers or dates throughout",
        ),
        (broken(), a_plan(shares={"0": 1, "2": 1}), WrongValue, "the shares of all variants; '1' is missing"),
    ],
)  # fmt: skip
def test_what_spoils_the_whole_file_is_named(
    table: dict[str, Any], plan: dict[str, Any], error: type[ExperimentError], said: str
) -> None:
    with pytest.raises(error) as caught:
        frame_of(table, plan)
    assert said in str(caught.value)


def test_what_is_no_table_is_named() -> None:
    with pytest.raises(NotATable, match="list is not a table"):
        frame_of([1, 2, 3], a_plan())


def test_an_unquoted_no_of_yaml_is_explained() -> None:
    table = {"arm": ["no", "yes"], "y": [1, 2]}
    with pytest.raises(UnknownControl, match="quote the label"):
        frame_of(table, a_plan(unit=None, data={"control": False}))


def test_rows_of_weight_nothing_take_no_part() -> None:
    table = broken(w=[0.0] * 2 + [2.0] * 10)
    reading = read(table, plan_from_mapping(a_plan(data={"weight": "w"})))
    assert reading.frame.n_units == 5
    assert [message.code for message in reading.warnings] == ["zero_weight"]


def test_periods_are_ordered_as_time_and_windows_hold_both_their_ends() -> None:
    days = [date(2024, 1, 9), date(2024, 1, 10), date(2023, 12, 31)]
    table = {"store": ["a"] * 3 + ["b"] * 3, "arm": [0] * 3 + [1] * 3, "day": days * 2, "y": [1.0, 2, 3, 4, 5, 6]}
    windows = {"before": ["2023-12-31", "2024-01-09"], "during": ["2024-01-10", "2024-02-01"]}
    frame = frame_of(table, a_plan(data={"period": "day"}, windows=windows))
    assert frame.periods == ("2023-12-31", "2024-01-09", "2024-01-10")
    assert frame.matrix("y").tolist() == [[3.0, 1.0, 2.0], [6.0, 4.0, 5.0]]


def test_weeks_are_ordered_by_number_and_rows_outside_the_windows_are_counted() -> None:
    table = stores(2, 2, weeks=12)
    plan = a_plan(data={"period": "week"}, windows={"before": [2, 9], "during": [10, 10]})
    reading = read(table, plan_from_mapping(plan))
    assert reading.frame.periods == tuple(str(week) for week in range(2, 11))
    assert reading.warnings[0].values["n"] == 12
    whole = read(table, plan_from_mapping(plan), all_periods=True).frame
    assert len(whole.periods) == 12


def test_a_start_of_nothing_or_after_the_data_is_never() -> None:
    table = {
        "store": ["a", "a", "b", "b", "c", "c"],
        "week": [1, 2] * 3,
        "first": [2, 2, 0, 0, 9, 9],
        "y": [1.0] * 5 + [2.0],
    }
    plan = {"data": {"unit": "store", "period": "week", "treated_from": "first"}, "metrics": [a_metric()]}
    frame = frame_of(table, plan)
    assert frame.first_treated is not None
    assert frame.first_treated.tolist() == [1, NEVER, NEVER]
    assert frame.variants == ("not yet", "treated")


def test_a_part_of_a_frame_keeps_its_names() -> None:
    frame = frame_of(stores(3, 3, weeks=2), a_plan())
    part = frame.restrict(frame.unit_of >= 4)
    assert part.units == frame.units[4:]
    assert part.arm_sizes().tolist() == [0, 2]
    numbered = frame_of({"arm": [0, 1, 0], "y": [1, 2, 3]}, a_plan(unit=None))
    assert list(numbered.restrict(np.array([False, True, True])).units) == ["3", "2"]  # by variant


@pytest.mark.parametrize("months", [["2024-02", "2023-12"], ["2024-02-01", "2023-12-01"], ["2", "1"], [10, 9]])
def test_periods_may_be_months_days_or_numbers(months: list[Any]) -> None:
    table = {"store": ["a", "a", "b", "b"], "arm": [0, 0, 1, 1], "month": months * 2, "y": [1.0, 2.0, 3.0, 5.0]}
    frame = frame_of(table, a_plan(data={"period": "month"}, windows={"during": [min(months), max(months)]}))
    assert frame.periods == tuple(str(month) for month in sorted(months))


def weeks_with_starts(*starts: int) -> dict[str, Any]:
    n = len(starts)
    return {
        "u": np.repeat(np.arange(n), 6),
        "w": np.tile(np.arange(1, 7), n),
        "f": np.repeat(starts, 6),
        "y": range(6 * n),
    }


def starts_plan(before: list[int], during: list[int]) -> dict[str, Any]:
    data = {"unit": "u", "period": "w", "treated_from": "f"}
    return {"data": data, "windows": {"before": before, "during": during}, "metrics": [a_metric()]}


def test_a_unit_that_starts_after_the_test_is_not_treated_yet() -> None:
    frame = frame_of(weeks_with_starts(3, 3, 6, 0), starts_plan([1, 2], [3, 5]))
    assert frame.variant_of.tolist() == [1, 1, 0, 0]


def test_a_window_before_that_holds_treated_periods_is_refused() -> None:
    with pytest.raises(WrongValue, match="first treated period, 3"):
        frame_of(weeks_with_starts(3, 3, 0, 0), starts_plan([1, 3], [4, 6]))


@pytest.mark.parametrize(("opens", "warned"), [(4, False), (3, True), (5, True)])
def test_a_test_window_that_does_not_open_with_the_treatment_is_told(opens: int, warned: bool) -> None:
    found = read(weeks_with_starts(4, 4, 0, 0), plan_from_mapping(starts_plan([1, 2], [opens, 6])))
    codes = [message.code for message in found.warnings]
    assert ("window_and_start_differ" in codes) is warned


def test_rows_that_are_units_are_the_same_in_any_order() -> None:
    rng = np.random.default_rng(1)
    table = {"arm": np.arange(20) % 2, "y": rng.normal(size=20), "b": rng.integers(0, 2, 20), "x": rng.normal(size=20)}
    turn = rng.permutation(20)
    plan = a_plan(unit=None, data={"block": "b"}, segments=["b"], metrics=[a_metric(covariates=["x"])])
    plain, other = (frame_of(t, plan) for t in (table, {name: values[turn] for name, values in table.items()}))
    for name in ("y", "x"):
        assert np.array_equal(plain.columns[name], other.columns[name])
    assert np.array_equal(plain.variant_of, other.variant_of)
    assert np.array_equal(plain.block_of, other.block_of)
    assert np.array_equal(plain.segments["b"].codes, other.segments["b"].codes)
    assert [str(turn[int(unit) - 1] + 1) for unit in other.units] == list(plain.units)
