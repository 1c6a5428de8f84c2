"""The error of a plan whose units start at different times, in closed form from the spread of its untreated past.

In the model of Hussey and Hughes, y_it = level of unit i (variance τ²) + period t + noise (σ², independent), the
statistic that the plan reports, θ̂ = Σ_k L_k ȳ_k over starts k (``starts_of``; each L_k sums to zero over time), has the
variance σ² Σ_k |L_k|²/n_k, free of τ². Generalised least squares with period effects, inside blocks, would have
1/Σ_b 1/V_b with V_b of ``stepped_wedge_variance``: never more, for it knows τ² and σ² and uses all untreated periods.
Reference: Hussey and Hughes (2007), Contemporary Clinical Trials 28.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.design.cluster_power import stepped_wedge_variance
from experiments.errors import NotEstimable
from experiments.messages import N_, Message

if TYPE_CHECKING:
    from experiments.estimate.unit_panel import Ints, UnitPanel

HUSSEY_HUGHES = "hussey_hughes"
_FEWEST_PAST = 2


@dataclass(frozen=True, slots=True)
class WedgePower:
    """Errors of the reported statistic and of generalised least squares, ``df`` units less (block, start) groups.
    ``between_variance`` τ² and ``period_variance`` σ² are those of ``n_past`` periods before the first start, ``mean``
    theirs. ``smallest_p`` is the least p-value over launch orders."""

    std_error: float
    least_squares_error: float
    df: float
    mean: float
    between_variance: float
    period_variance: float
    n_past: int
    n_control: int
    n_variant: int
    smallest_p: float


def wedge_power(panel: UnitPanel, block: Ints, *, seed: int, draws: int) -> WedgePower:
    """Both errors for the starts of ``panel``, whose periods before the first start are its untreated past.

    τ² and σ² are the analysis of variance of units × past periods (σ² the mean square of what units and periods leave,
    τ² the mean square between units less σ², over the periods, not below 0). Assumes noise that is as independent and
    as large later. Raises ``NotEstimable`` with fewer than two past periods, no noise, or no comparison.
    """
    from experiments.estimate.stepped_wedge import launch_orders, starts_of, tied_orders
    from experiments.estimate.unit_panel import NEVER, usable

    kept, _ = usable(panel, keep_alone=True)
    blocks = block[np.isin(np.array(panel.units), np.array(kept.units))]
    n_past = min(kept.starts)
    if n_past < _FEWEST_PAST:
        template = N_("{n} periods before the first start: two are needed to tell the units' spread from its change")
        raise NotEstimable(Message("wedge_without_past", template, {"n": n_past}))
    past = kept.y[:, :n_past]
    noise = past - past.mean(axis=1, keepdims=True) - past.mean(axis=0, keepdims=True) + past.mean()
    variance = float((noise**2).sum()) / ((kept.n_units - 1) * (n_past - 1))
    between = max(0.0, float(past.mean(axis=1).var(ddof=1)) - variance / n_past)
    starts = starts_of(kept.first_treated, blocks, kept.n_periods)
    df = kept.n_units - len(starts.size)
    if variance <= 1e-18 * (1.0 + float((past**2).mean())):
        raise NotEstimable(Message("no_variation", N_("every unit has the same value; nothing can be estimated"), {}))
    if df < 1:
        template = N_("{n} units leave no degree of freedom for an error")
        raise NotEstimable(Message("design_too_small", template, {"n": kept.n_units}))
    codes, _ = launch_orders(starts, seed=seed, draws=draws)
    return WedgePower(
        std_error=math.sqrt(variance * float(((starts.loading**2).sum(axis=1) / starts.size).sum())),
        least_squares_error=math.sqrt(_least_squares(kept, blocks, between, variance)),
        df=float(df),
        mean=float(past.mean()),
        between_variance=between,
        period_variance=variance,
        n_past=n_past,
        n_control=int(np.count_nonzero(kept.first_treated == NEVER)),
        n_variant=int(np.count_nonzero(kept.first_treated != NEVER)),
        smallest_p=float(np.count_nonzero(tied_orders(starts, codes))) / len(codes),
    )


def _least_squares(panel: UnitPanel, block: Ints, between: float, variance: float) -> float:
    """Blocks have their own periods, so their estimates are independent and weigh by their precision."""
    precision = 0.0
    for number in np.unique(block):
        treated = panel.treated[block == number]
        try:
            precision += 1.0 / stepped_wedge_variance(treated, between_variance=between, period_variance=variance)
        except NotEstimable:  # a block of one unit, or all alike: it compares nothing
            continue
    return 1.0 / precision
