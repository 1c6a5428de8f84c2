"""Panels of stores and weeks for tests of replay and power: lists of columns as a retailer's file has them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.plan import Plan, plan_from_mapping


def panel(
    n_units: int = 24,
    n_weeks: int = 40,
    *,
    seed: int = 1,
    noise: float = 0.06,
    variants: int = 1,
    treated: tuple[int, ...] | None = None,
    restless: float = 1.0,
    weights: bool = False,
) -> dict[str, list[Any]]:
    """Weekly sales of stores that differ in size. ``treated`` names the stores of variant "v1" (default: every second,
    third, … in turn); their noise is ``restless`` times that of the others. ``weights`` lets customers differ."""
    rng = np.random.default_rng(seed)
    arm = np.arange(n_units) % (variants + 1)
    if treated is not None:
        arm = np.isin(np.arange(n_units), treated).astype(np.int64)
    spread = np.where(arm[:, None] > 0, restless * noise, noise)
    sales = np.exp(rng.normal(9.0, 0.4, size=(n_units, 1)) + spread * rng.normal(size=(n_units, n_weeks)))
    labels = ["control", *(f"v{i}" for i in range(1, variants + 1))]
    return {
        "store": [f"s{u:02}" for u in range(n_units) for _ in range(n_weeks)],
        "week": [w for _ in range(n_units) for w in range(n_weeks)],
        "arm": [labels[arm[u]] for u in range(n_units) for _ in range(n_weeks)],
        "pair": [f"p{u // 2:02}" for u in range(n_units) for _ in range(n_weeks)],
        "customers": [100 + 10 * u + 3 * (w % 5) * weights for u in range(n_units) for w in range(n_weeks)],
        "sales": [float(value) for value in sales.ravel()],
    }


def plan(
    assignment: str = "complete",
    *,
    before: tuple[Any, Any] | None = (32, 35),
    during: tuple[Any, Any] | None = (36, 39),
    metric: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    **rest: Any,
) -> Plan:
    """A plan for ``panel``; windows are the last weeks, so that everything before them is past."""
    mapping: dict[str, Any] = {
        "data": {"unit": "store", "variant": "arm", "control": "control", "period": "week", **(data or {})},
        "assignment": assignment,
        "metrics": [{"name": "sales", "kind": "mean", "value": "sales", "role": "primary", **(metric or {})}],
        "seed": 1,
        **rest,
    }
    if during is not None:
        mapping["windows"] = {"during": list(during)} | ({"before": list(before)} if before else {})
    return plan_from_mapping(mapping)
