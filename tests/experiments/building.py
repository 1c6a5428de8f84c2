"""Builders of designs, moments and receipts that name only what a test is about."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from experiments import ArmMoments, Candidate, Mechanism, Share, UnitMoments, complete, matched_pairs, stratified
from experiments.estimate.unit_table import UnitTable, columns

SHARES = (Share("control", 1), Share("points", 1))


def candidates(n: int, *, strata: int = 0, **covariates: Sequence[int]) -> list[Candidate]:
    """``n`` stores s000, s001, …, in ``strata`` strata (0: none), with the given covariates."""
    return [
        Candidate(f"s{i:03}", f"r{i % strata}" if strata else None, {name: v[i] for name, v in covariates.items()})
        for i in range(n)
    ]


def complete_draw(n: int, shares: Sequence[Share] = SHARES) -> Mechanism:
    return complete(candidates(n), shares)


def stratified_draw(n: int, strata: int, shares: Sequence[Share] = SHARES) -> Mechanism:
    return stratified(candidates(n, strata=strata), shares)


def paired_draw(n: int) -> Mechanism:
    """Pairs of neighbours: the covariate rises with the number of the store."""
    return matched_pairs(candidates(n, size=[100 * (i // 2) + i % 2 for i in range(n)]), SHARES, ["size"])


def moments(unit: str, value: int, before: int | None = 0, *, n: int = 7, days: int = 7) -> UnitMoments:
    """A unit whose numerator is ``value`` over a denominator of ``n``; ``before`` likewise (None: nothing known)."""
    n_x = 0 if before is None else n
    return UnitMoments(unit, n, value, 0, before or 0, 0, 0, n_x, days, 0 if before is None else days)


def arm(
    variant: str, y: Sequence[int], x: Sequence[int] | None = None, *, stratum: str = "", days: int = 28
) -> ArmMoments:
    """Customers with the outcomes ``y`` and, before the start, ``x``; every denominator is 1."""
    n = len(y)
    x_, e = (list(x), 1) if x is not None else ([0] * n, 0)
    return arm_of_ratio(variant, y, [1] * n, x_, [e] * n, stratum=stratum, days=days, days_x=28 * e)


def arm_of_ratio(
    variant: str,
    y: Sequence[int],
    d: Sequence[int],
    x: Sequence[int],
    e: Sequence[int],
    *,
    stratum: str = "",
    days: int = 28,
    days_x: int = 28,
) -> ArmMoments:
    """Customers with numerators ``y`` and denominators ``d``, and ``x``, ``e`` before the start."""
    columns = {"y": y, "d": d, "x": x, "e": e}
    sums = {name: sum(values) for name, values in columns.items()}
    products = {
        a + b: sum(p * q for p, q in zip(columns[a], columns[b], strict=True))
        for a, b in ("yy", "yd", "yx", "ye", "dd", "dx", "de", "xx", "xe", "ee")
    }
    return ArmMoments(variant, stratum, len(y), **sums, **products, days=days, days_x=days_x)


def table(
    y: Sequence[float],
    treated: Sequence[float],
    *,
    block: Sequence[int] | None = None,
    x: Sequence[float] | Sequence[Sequence[float]] | None = None,
    bystanders: Sequence[Sequence[float]] = (),
    weight: Sequence[float] | None = None,
) -> UnitTable:
    """A unit table from plain lists; one block unless told otherwise. ``x`` is one covariate, or a list of them."""
    n = len(y)
    covariates = np.array(x if x is not None else [], dtype=float).reshape(-1, n).T
    return UnitTable(
        tuple(f"s{i:03}" for i in range(n)),
        np.array(y, dtype=float),
        np.array(treated, dtype=float),
        np.array(block if block is not None else [0] * n, dtype=np.int64),
        covariates,
        columns(n, *(np.array(b, dtype=float) for b in bystanders)),
        None if weight is None else np.array(weight, dtype=float),
        n,
    )


def receipts(rows: Sequence[tuple[str, str, date, int | None, int]]) -> Any:
    """An Ibis table of receipts: (store, kind, business date, customer or None, net in minor units)."""
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], [], []]
    return ibis.memtable(
        pa.table(
            {
                "store_id": pa.array(columns[0], pa.string()),
                "kind": pa.array(columns[1], pa.string()),
                "business_date": pa.array(columns[2], pa.date32()),
                "customer_key": pa.array(columns[3], pa.int64()),
                "net_minor": pa.array(columns[4], pa.int64()),
            }
        )
    )


def stores(units: Mapping[str, str]) -> pa.Table:
    """Which stores make which unit."""
    return pa.table(
        {"store_id": pa.array(list(units), pa.string()), "unit": pa.array(list(units.values()), pa.string())}
    )


def homes(units: Mapping[int, str]) -> pa.Table:
    """The home unit of each customer."""
    return pa.table(
        {"customer_key": pa.array(list(units), pa.int64()), "unit": pa.array(list(units.values()), pa.string())}
    )
