"""Small tables and plans for tests of the door: only what matters is named."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def noise(n: int, seed: int = 1) -> Floats:
    """(n,) roughly normal numbers from raw words: the same on every machine."""
    words = np.random.PCG64(seed).random_raw(12 * n).reshape(n, 12)
    return np.asarray((words >> np.uint64(11)).astype(np.float64).sum(axis=1) / 2**53 - 6.0)


def stores(
    control: int = 10, treated: int = 10, *, weeks: int = 1, effect: float = 0.0, seed: int = 1
) -> dict[str, Any]:
    """``control`` + ``treated`` stores with ``weeks`` rows each; the column y."""
    n = control + treated
    arm = np.repeat(np.arange(2), [control, treated])
    level = 10 + noise(n, seed) + effect * arm
    return {
        "store": np.repeat([f"shop № {i:03d}" for i in range(n)], weeks),
        "arm": np.repeat(arm, weeks),
        "week": np.tile(np.arange(weeks), n),
        "y": np.repeat(level, weeks) + 0.1 * noise(n * weeks, seed + 1),
    }


def customers(n: int = 400, *, effect: float = 0.0, seed: int = 1) -> dict[str, Any]:
    """``n`` customers, every second one treated."""
    arm = np.arange(n) % 2
    return {"arm": arm, "y": noise(n, seed) + effect * arm}


def a_plan(*, unit: str | None = "store", metrics: list[dict[str, Any]] | None = None, **keys: Any) -> dict[str, Any]:
    """A plan on ``arm`` with one primary metric ``y``; ``data`` adds columns."""
    data = {"unit": unit, "variant": "arm", "control": 0, **keys.pop("data", {})}
    return {
        "data": data,
        "assignment": "complete",
        "metrics": metrics or [a_metric()],
        "draws": 999,
        "seed": 1,
        **keys,
    }


def a_metric(**keys: Any) -> dict[str, Any]:
    """The primary mean of ``y``."""
    return {"name": "y", "kind": "mean", "value": "y", "role": "primary", **keys}
