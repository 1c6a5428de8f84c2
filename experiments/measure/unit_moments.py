"""Moments: the exact whole numbers per unit (or per arm of customers) that every estimate starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter

from experiments.errors import InvalidMoments


@dataclass(frozen=True, slots=True)
class UnitMoments:
    """One unit of assignment, one metric. All Python whole numbers: minor units, counts, days, and their products.

    ``n`` is the denominator in the window (assigned customers; store-days for a store total; sale receipts for basket
    and identification), ``y`` the numerator, ``yy`` the sum of squares over the rows of the denominator; ``n_x``,
    ``x``, ``xx`` the same in the window before the start; ``xy`` the sum of products where the rows are the same
    customers in both windows, else 0. ``days`` and ``days_x`` are the lengths of the two windows. A unit without a
    receipt has zeros.
    """

    unit: str
    n: int
    y: int
    yy: int
    x: int
    xx: int
    xy: int
    n_x: int
    days: int
    days_x: int

    def __post_init__(self) -> None:
        _require_whole(self, "unit")
        if min(self.n, self.n_x, self.yy, self.xx, self.days_x) < 0 or self.days < 1:
            raise InvalidMoments(
                unit=self.unit, must_be="counts and sums of squares are not negative, a window has days"
            )

    def __add__(self, other: UnitMoments) -> UnitMoments:
        """The moments of the union of two disjoint groups of rows of one unit in the same windows."""
        if (self.unit, self.days, self.days_x) != (other.unit, other.days, other.days_x):
            raise InvalidMoments(unit=other.unit, must_be="a sum needs the same unit and the same windows")
        sums = {name: getattr(self, name) + getattr(other, name) for name in ("n", "y", "yy", "x", "xx", "xy", "n_x")}
        return UnitMoments(unit=self.unit, days=self.days, days_x=self.days_x, **sums)


def unit_rows(units: Sequence[str], *, days: int, days_x: int, **sums: Sequence[int]) -> tuple[UnitMoments, ...]:
    """One row for each of ``units``, in their order, from the columns of the other numbers.

    A report has thousands of rows: their columns are checked as a whole, and then filled in without ``__init__``.
    """
    columns: dict[str, Sequence[int]] = {name: sums[name] for name in _SUMS}
    are_whole = all(set(map(type, column)) <= {int} for column in columns.values())
    if not are_whole or days < 1 or min(days_x, *(min(columns[name], default=0) for name in _COUNTS)) < 0:
        rows = zip(*columns.values(), strict=True)  # made one by one they say which is wrong, and why
        return tuple(
            UnitMoments(unit=unit, days=days, days_x=days_x, **dict(zip(columns, row, strict=True)))
            for unit, row in zip(units, rows, strict=True)
        )
    found = [object.__new__(UnitMoments) for _ in units]
    same = {"days": [days] * len(found), "days_x": [days_x] * len(found)}
    for name, column in {"unit": units, **columns, **same}.items():
        put = getattr(UnitMoments, name).__set__  # of the slot itself: the class is frozen
        for row, value in zip(found, column, strict=True):
            put(row, value)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ArmMoments:
    """Customers of one variant in one stratum, one metric: sums over ``n`` customers of what each customer has.

    Each customer i has a numerator ``y`` and a denominator ``d`` in the window, ``x`` and ``e`` before the start.
    ``d`` and ``e`` are 1 for a mean per customer and the customer's sale receipts for the average basket. Two letters
    are the sum of products. ``days``, ``days_x`` are the lengths of the windows.
    """

    variant: str
    stratum: str
    n: int
    y: int
    d: int
    x: int
    e: int
    yy: int
    yd: int
    yx: int
    ye: int
    dd: int
    dx: int
    de: int
    xx: int
    xe: int
    ee: int
    days: int
    days_x: int

    def __post_init__(self) -> None:
        _require_whole(self, "variant", "stratum")
        if min(self.n, self.d, self.e, self.yy, self.dd, self.xx, self.ee, self.days_x) < 0 or self.days < 1:
            raise InvalidMoments(
                unit=f"{self.variant}/{self.stratum}",
                must_be="counts and sums of squares are not negative, a window has days",
            )

    def __add__(self, other: ArmMoments) -> ArmMoments:
        """The moments of two disjoint groups of customers of one variant and stratum in the same windows."""
        mine = (self.variant, self.stratum, self.days, self.days_x)
        if mine != (other.variant, other.stratum, other.days, other.days_x):
            raise InvalidMoments(unit=other.variant, must_be="a sum needs the same variant, stratum and windows")
        fixed = ("variant", "stratum", "days", "days_x")
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name not in fixed}
        return ArmMoments(self.variant, self.stratum, **sums, days=self.days, days_x=self.days_x)


def _require_whole(moments: UnitMoments | ArmMoments, *names: str) -> None:
    if set(map(type, _NUMBERS[type(moments)](moments))) == {int}:
        return
    unit = str(getattr(moments, names[0]))
    for field in fields(moments):
        value = getattr(moments, field.name)
        if field.name not in names and (isinstance(value, bool) or not isinstance(value, int)):
            raise InvalidMoments(unit=unit, must_be=f"{field.name} is {value!r}, not a whole number")


_COUNTS = ("n", "yy", "xx", "n_x")
_SUMS = ("n", "y", "yy", "x", "xx", "xy", "n_x")
# What gets all numbers of a row at once: thousands of rows are made for one report.
_NUMBERS: Mapping[type, attrgetter[tuple[object, ...]]] = {
    UnitMoments: attrgetter(*(field.name for field in fields(UnitMoments) if field.name != "unit")),
    ArmMoments: attrgetter(*(field.name for field in fields(ArmMoments) if field.name not in ("variant", "stratum"))),
}
