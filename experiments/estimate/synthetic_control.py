"""Synthetic control: the weighted donors that follow the treated units before the start say what would have been after.

With x_t the mean of the treated units and C_jt the donors, the unit weights ω ≥ 0, Σω = 1 minimise Σ_{t < start} (x_t
− c − Σω_j C_jt)² + T₀ζ²‖ω‖², ζ = 10⁻⁶ noise (it only makes ω unique); c = 0 (plain) or free (demeaned: every unit
loses its own mean before the start; taking the period means away too changes nothing because Σω = 1). The effect is
the mean after the start of x_t − c − Σω_j C_jt. Estimand: the mean effect on the treated units over the periods after
the start, in the unit of the outcome. Assumes that treatment moves no donor, that nothing else happens to the treated
units alone, and that what moved them before in step with the donors still does. References: Abadie, Diamond and
Hainmueller (2010), JASA 105; Doudchenko and Imbens (2016), NBER 22791 (the intercept).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.simplex import GAP_TOLERANCE, SimplexFit, simplex_least_squares
from experiments.estimate.unit_table import Floats

WeightFit = Callable[[Floats, Floats, bool, float], SimplexFit]  # design, target, intercept, ridge
TINY_RIDGE = 1e-6  # in units of the noise


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticFit:
    """``effect`` in the unit of the outcome; ``unit_weights`` (J,) and ``time_weights`` (T₀,), each summing to one
    (time weights all zero: none used); ``path`` (T,) treated − synthetic, for demeaned fits and synthetic DiD less
    its (weighted) mean before the start; ``gap`` the larger duality gap of the two sets of weights. ``imbalance`` is
    the root of Σ path² before the start, ``scaled_imbalance`` the same as a share of that of equal weights (None when
    that is zero)."""

    effect: float
    unit_weights: Floats
    time_weights: Floats
    path: Floats
    gap: float
    imbalance: float
    scaled_imbalance: float | None

    @property
    def converged(self) -> bool:
        """Whether both sets of weights are proven to be the best ones."""
        return self.gap <= GAP_TOLERANCE


def exact_weights(design: Floats, target: Floats, intercept: bool, ridge: float) -> SimplexFit:
    """The proven weights; see ``simplex``."""
    return simplex_least_squares(design, target, intercept=intercept, ridge=ridge)


def synthetic_control(panel: DonorPanel, *, demeaned: bool, weight_fit: WeightFit = exact_weights) -> SyntheticFit:
    """The plain or demeaned synthetic control of ``panel``. ``weight_fit`` replaces the proven weights by those of
    another program, for comparisons; raises ``NotConverged`` where no proof is found."""
    start = panel.n_before
    ridge = start * (TINY_RIDGE * panel.noise) ** 2
    fit = weight_fit(panel.donors[:, :start].T, panel.treated_mean[:start], demeaned, ridge)
    level = np.full(start, 1 / start) if demeaned else np.zeros(start)
    return synthetic_fit(panel, fit.weights, level, fit.gap, time_weights=np.zeros(start))


def difference_in_differences_fit(panel: DonorPanel) -> SyntheticFit:
    """Equal weights for donors and periods: the plain difference in differences, on the same footing."""
    n_donors, start = len(panel.donors), panel.n_before
    level = np.full(start, 1 / start)
    return synthetic_fit(panel, np.full(n_donors, 1 / n_donors), level, 0.0, time_weights=level)


def synthetic_fit(
    panel: DonorPanel, unit_weights: Floats, level: Floats, gap: float, *, time_weights: Floats
) -> SyntheticFit:
    """The fit of given weights: the path is treated − synthetic less its mean before the start by the weights ``level``
    (T₀,), zeros for none."""
    start = panel.n_before
    path = _path(panel, unit_weights, level)
    n_donors = len(panel.donors)
    equal = _path(panel, np.full(n_donors, 1 / n_donors), level)
    imbalance, of_equal = _length(path[:start]), _length(equal[:start])
    return SyntheticFit(
        effect=float(path[start:].mean()),
        unit_weights=unit_weights,
        time_weights=time_weights,
        path=path,
        gap=gap,
        imbalance=imbalance,
        scaled_imbalance=imbalance / of_equal if of_equal > 0.0 else None,
    )


def _path(panel: DonorPanel, unit_weights: Floats, level: Floats) -> Floats:
    path = panel.treated_mean - np.einsum("j,jt->t", unit_weights, panel.donors)
    shifted: Floats = path - float((level * path[: panel.n_before]).sum())
    return shifted


def _length(values: Floats) -> float:
    return float(np.sqrt((values**2).sum()))
