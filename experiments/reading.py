"""Reading a table by a plan: every column checked, one ``Frame`` made, and what spoils the whole file refused."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import arrow_columns as columns
from experiments.errors import ExperimentError
from experiments.frame import NEVER, Bools, Floats, Frame, Ints, Labels, RowNumbers
from experiments.messages import N_, Message
from experiments.plan import NOT_YET, TREATED, Kind, MetricSpec, Plan, WrongValue
from experiments.reading_windows import inside_windows

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 5
_MOST_VARIANTS = 50
_MOST_ORDERED = 100_000  # rows without a name that may be permuted: their order in the table must not matter
_MISSING = "(missing)"


class UnknownColumns(ExperimentError):
    """Columns that the plan names and the table does not have."""

    code = "unknown_columns"
    template = N_("the table has no column {missing}{hint}; its columns are {columns}")


class EmptyTable(ExperimentError):
    """A table without rows."""

    code = "empty_table"
    template = N_("the table has no rows{reason}")


class UnknownControl(ExperimentError):
    """A control label that no row carries."""

    code = "unknown_control"
    template = N_("no row of {column!r} carries the control label {control!r}; the labels there are {labels}{hint}")


class OneVariant(ExperimentError):
    """A table with nothing to compare."""

    code = "one_variant"
    template = N_("every unit of {column!r} is {label!r}; a comparison needs control and another variant")


class TooManyVariants(ExperimentError):
    """A variant column that is hardly one."""

    code = "too_many_variants"
    template = N_("column {column!r} holds {n} different labels; more than {most} variants are hardly a comparison")


class VariesInsideUnit(ExperimentError):
    """A property of the unit that changes from row to row of one unit."""

    code = "varies_inside_unit"
    template = N_("{what} {column!r} must be the same in all rows of a unit; it varies in {n} units: {units}{hint}")


class NotFinite(ExperimentError):
    """Outcomes that are empty, NaN or infinite."""

    code = "not_finite"
    template = N_(
        "column {column!r}: {n} of {of} values are empty, NaN or infinite ({rows}{units}); fill them, or leave these "
        "rows out and say so"
    )


class OutOfRange(ExperimentError):
    """Values that the column's meaning does not allow."""

    code = "out_of_range"
    template = N_("column {column!r}: {n} values are not possible ({rows}); {must_be}")


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A frame, and what the reader must know about how it came to be."""

    frame: Frame
    warnings: tuple[Message, ...]


def read(data: Any, plan: Plan, *, all_periods: bool = False) -> Reading:
    """The frame of ``data`` (pandas, polars, Arrow, Ibis, or a mapping of columns) under ``plan``.

    A panel keeps the rows of its two windows; with ``all_periods`` the rows outside them too.
    Raises the errors of this module and of ``arrow_columns`` for what spoils the whole file.
    """
    table = columns.to_arrow(data)
    _require_columns(table, plan)
    table = table.select(named_columns(plan))
    if table.num_rows == 0:
        raise EmptyTable(reason="")
    warnings: list[Message] = []
    units = None if plan.data.unit is None else columns.labels(table, plan.data.unit)
    frame = _bare_frame(table, plan, units)
    numbers = {name: columns.numbers(table, name) for name in _numeric(plan)}
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    frame = replace(
        frame,
        weight=_number_or_none(numbers, plan.data.weight),
        received=_number_or_none(numbers, plan.data.received),
        cost=_number_or_none(numbers, plan.data.cost),
        columns={name: numbers[name] for name in _metric_columns(plan)},
        segments={name: columns.labels(table, name, missing=_MISSING) for name in plan.segments},
        row_numbers=rows,
    )
    _check_numbers(frame, plan)
    if frame.weight is not None and not bool((frame.weight > 0).all()):
        n = int(np.count_nonzero(frame.weight == 0))
        warnings.append(Message("zero_weight", N_("{n} rows of weight 0 take no part"), {"n": n}))
        frame = frame.restrict(frame.weight > 0)
    if not all_periods:
        frame = inside_windows(frame, plan, warnings)
    _require_variants(frame, plan)
    if plan.data.unit is None and frame.n_rows <= _MOST_ORDERED:
        frame = frame.in_order()
    return Reading(frame, tuple(warnings))


def named_columns(plan: Plan) -> list[str]:
    """Every column that the plan names, each once."""
    data = plan.data
    named = (data.unit, data.variant, data.block, data.weight, data.period, data.treated_from, data.received, data.cost)
    return list(dict.fromkeys([*(name for name in named if name), *_metric_columns(plan), *plan.segments]))


def _metric_columns(plan: Plan) -> list[str]:
    found: list[str] = []
    for metric in plan.metrics:
        found += [name for name in (metric.value, metric.denominator, metric.event) if name]
        found += metric.covariates
    found += plan.rerandomized.covariates if plan.rerandomized else ()
    return list(dict.fromkeys(found))


def _numeric(plan: Plan) -> list[str]:
    named = [name for name in (plan.data.weight, plan.data.received, plan.data.cost) if name]
    return list(dict.fromkeys([*named, *_metric_columns(plan)]))


def _require_columns(table: pa.Table, plan: Plan) -> None:
    there = table.column_names
    missing = [name for name in named_columns(plan) if name not in there]
    doubled = [name for name in named_columns(plan) if there.count(name) > 1]
    if doubled:
        raise columns.NotATable(kind="a table", problem=f"the column {doubled[0]!r} stands there twice")
    if missing:
        near = [match for name in missing for match in difflib.get_close_matches(name, there, n=1)]
        raise UnknownColumns(
            missing=", ".join(repr(name) for name in missing),
            hint=f" (did you mean {near[0]!r}?)" if near else "",
            columns=", ".join(there[:30]) + (" …" if len(there) > 30 else ""),
        )


def _bare_frame(table: pa.Table, plan: Plan, units: Labels | None) -> Frame:
    """The frame without its numbers: units, variants, blocks, time."""
    n = table.num_rows
    unit_of = np.arange(n, dtype=np.int64) if units is None else units.codes
    names = RowNumbers(np.arange(1, n + 1, dtype=np.int64)) if units is None else units.names
    n_units = len(names)
    time = columns.periods(table, plan.data.period) if plan.data.period else None
    first: Ints | None = None
    if plan.data.treated_from is not None and time is not None:
        by_row = columns.starts(table, plan.data.treated_from, time)
        first = _of_units(by_row, unit_of, names, n_units, "the start", plan.data.treated_from)
    variants, variant_of = _variants(table, plan, unit_of, names, first)
    blocks: tuple[str, ...] = ("",)
    block_of = np.zeros(n_units, dtype=np.int64)
    if plan.data.block is not None:
        found = columns.labels(table, plan.data.block)
        blocks = found.names
        block_of = _of_units(found.codes, unit_of, names, n_units, "the block", plan.data.block)
    return Frame(
        units=names,
        unit_of=unit_of,
        rows_are_units=n_units == n,
        variants=variants,
        variant_of=variant_of,
        blocks=blocks,
        block_of=block_of,
        periods=time.names if time else (),
        period_of=time.of_row if time else None,
        first_treated=first,
    )


def _variants(
    table: pa.Table, plan: Plan, unit_of: Ints, names: Any, first: Ints | None
) -> tuple[tuple[str, ...], Ints]:
    column, control = plan.data.variant, plan.data.control
    if column is None or control is None:
        starts = np.full(len(names), NEVER) if first is None else first
        return (NOT_YET, TREATED), np.asarray(starts != NEVER, dtype=np.int64)
    found = columns.labels(table, column)
    if columns.is_numeric(table, column):
        control = columns.as_number_label(control)
    if control not in found.names:
        looks_like_yaml = control in ("true", "false") and not columns.is_numeric(table, column)
        raise UnknownControl(
            column=column,
            control=control,
            labels=", ".join(found.names[:20]),
            hint="; YAML reads unquoted yes, no, on and off as true and false: quote the label"
            if looks_like_yaml
            else "",
        )
    if len(found.names) > _MOST_VARIANTS:
        raise TooManyVariants(column=column, n=len(found.names), most=_MOST_VARIANTS)
    variants = (control, *(name for name in found.names if name != control))
    place = np.array([variants.index(name) for name in found.names], dtype=np.int64)
    by_row = place[found.codes]
    n_units = len(names)
    if first is None:
        hint = "; a panel whose units change over needs treated_from" if plan.data.period else ""
        return variants, _of_units(by_row, unit_of, names, n_units, "the variant", column, hint)
    # With a start per unit the column may say control before it: the unit's variant is the other label.
    variant_of = np.zeros(n_units, dtype=np.int64)
    np.maximum.at(variant_of, unit_of, by_row)
    other = (by_row != 0) & (by_row != variant_of[unit_of])
    if other.any():
        _raise_varies(other, unit_of, names, "the variant", column, "")
    return variants, variant_of


def _of_units(by_row: Ints, unit_of: Ints, names: Any, n_units: int, what: str, column: str, hint: str = "") -> Ints:
    """(U,) the one value of each unit; raises ``VariesInsideUnit``."""
    if len(by_row) == n_units:
        found = np.empty(n_units, dtype=np.int64)
        found[unit_of] = by_row
        return found
    found = np.zeros(n_units, dtype=np.int64)
    found[unit_of] = by_row
    differs = found[unit_of] != by_row
    if differs.any():
        _raise_varies(differs, unit_of, names, what, column, hint)
    return found


def _raise_varies(differs: Bools, unit_of: Ints, names: Any, what: str, column: str, hint: str) -> None:
    bad = np.unique(unit_of[differs])
    shown = ", ".join(str(names[int(place)]) for place in bad[:_SHOWN]) + (" …" if len(bad) > _SHOWN else "")
    raise VariesInsideUnit(what=what, column=column, n=len(bad), units=shown, hint=hint)


def _number_or_none(numbers: Mapping[str, Floats], name: str | None) -> Floats | None:
    return None if name is None else numbers[name]


def _check_numbers(frame: Frame, plan: Plan) -> None:
    """Outcomes are finite and possible, weights and costs too."""
    for metric in plan.metrics:
        for name in (metric.value, metric.denominator, metric.event):
            if name is not None:
                _require_finite(frame, plan, name, frame.columns[name])
        _check_metric(frame, metric)
    for name, values in ((plan.data.weight, frame.weight), (plan.data.cost, frame.cost)):
        if name is not None and values is not None:
            _require_finite(frame, plan, name, values)
            _require(name, values < 0, "it must not be negative")
    if plan.data.weight is not None and frame.weight is not None:
        _require(plan.data.weight, np.full(frame.n_rows, not (frame.weight > 0).any()), "some weight must be positive")
    if plan.data.received is not None and frame.received is not None:
        _require_finite(frame, plan, plan.data.received, frame.received)
        _require(plan.data.received, ~np.isin(frame.received, (0.0, 1.0)), "what was received is 0 or 1")


def _check_metric(frame: Frame, metric: MetricSpec) -> None:
    values = frame.columns[metric.value]
    if metric.kind is Kind.PROPORTION:
        _require(metric.value, (values < 0) | (values > 1), "a proportion lies from 0 to 1")
    if metric.kind in (Kind.COUNT, Kind.DURATION):
        _require(metric.value, values < 0, f"a {metric.kind.value} must not be negative")
    if metric.denominator is not None:
        _require(metric.denominator, frame.columns[metric.denominator] < 0, "a denominator must not be negative")
    if metric.event is not None:
        _require(metric.event, ~np.isin(frame.columns[metric.event], (0.0, 1.0)), "an event is 0 or 1")


def _require_finite(frame: Frame, plan: Plan, name: str, values: Floats) -> None:
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    units = ""
    if plan.data.unit is not None:
        found = list(dict.fromkeys(frame.units[int(place)] for place in frame.unit_of[bad][:1000]))
        units = f"; {plan.data.unit} {', '.join(found[:_SHOWN])}" + (" …" if len(found) > _SHOWN else "")
    raise NotFinite(column=name, n=int(bad.sum()), of=len(values), rows=columns.shown_rows(bad), units=units)


def _require(name: str, bad: Bools, must_be: str) -> None:
    if bad.any():
        raise OutOfRange(column=name, n=int(bad.sum()), rows=columns.shown_rows(bad), must_be=must_be)


def _require_variants(frame: Frame, plan: Plan) -> None:
    sizes = frame.arm_sizes()
    column = plan.data.variant or plan.data.treated_from or ""
    if frame.n_units == 0:
        raise EmptyTable(reason=" with a weight above 0")
    starts = 0 if frame.first_treated is None else len(np.unique(frame.first_treated[frame.first_treated != NEVER]))
    if np.count_nonzero(sizes) < 2 and starts < 2:  # with several starts, units not yet treated are the control
        raise OneVariant(column=column, label=frame.variants[int(np.argmax(sizes))])
    unknown = [name for name in frame.variants if plan.shares and name not in plan.shares]
    if unknown:
        raise WrongValue(
            path="shares",
            value=", ".join(plan.shares),
            must_be=f"the shares of all variants; {unknown[0]!r} is missing",
        )
