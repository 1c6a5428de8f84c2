"""Builders of panels that name only what matters: starts, series, and the effects put into them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.estimate.unit_panel import NEVER, UnitPanel

Floats = npt.NDArray[np.float64]


def unit_panel(y: Sequence[Sequence[float]] | Floats, starts: Sequence[int]) -> UnitPanel:
    """Units u00, u01, … in periods 0, 1, …; ``starts`` are positions, −1 for never."""
    values = np.asarray(y, dtype=np.float64)
    return UnitPanel(
        tuple(f"u{i:02}" for i in range(len(values))),
        tuple(str(t) for t in range(values.shape[1])),
        values,
        np.asarray(starts, dtype=np.int64),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """A panel and the mean effect over its treated cells."""

    panel: UnitPanel
    effects: Floats

    @property
    def truth(self) -> float:
        return float(self.effects[self.panel.treated].mean())


def simulated(
    rng: np.random.Generator,
    sizes: Sequence[int],
    starts: Sequence[int],
    n_periods: int,
    *,
    path: Sequence[float] = (),
    reaction: float = 0.0,
    persistence: float = 0.5,
) -> Simulated:
    """Stores with levels, a common path and AR(1) noise of standard deviation 1; the order is drawn.

    ``path`` is the effect by periods since the start (the last value stays); each store reacts ``reaction`` standard
    deviations more or less, centred over the stores.
    """
    first = rng.permutation(np.repeat(starts, sizes))
    n = len(first)
    noise = rng.normal(size=(n, n_periods))
    for t in range(1, n_periods):
        noise[:, t] = persistence * noise[:, t - 1] + np.sqrt(1.0 - persistence**2) * noise[:, t]
    y = rng.normal(size=(n, 1)) + 0.3 * np.cumsum(rng.normal(size=n_periods)) + noise
    since = np.arange(n_periods)[None, :] - first[:, None]
    treated = (since >= 0) & (first != NEVER)[:, None]
    known = np.asarray(path or [0.0])
    own = rng.normal(size=n) * reaction
    effects = np.where(treated, known[np.clip(since, 0, len(known) - 1)] + (own - own.mean())[:, None], 0.0)
    return Simulated(unit_panel(y + effects, first.tolist()), effects)
