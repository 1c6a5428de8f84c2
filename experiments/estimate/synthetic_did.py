"""Synthetic difference in differences: donors weighted to run parallel, periods weighted to look like those after.

Unit weights ω (intercept, ridge T₀ζ² with ζ = (k T₁)^¼ σ) fit the treated mean by the donors before the start; time
weights λ (intercept, ridge Jζ_λ², ζ_λ = 10⁻⁶σ) fit each donor's mean after the start by its periods before; σ is the
standard deviation of the donors' first differences before the start, k the treated units, T₁ the periods after, J the
donors. Effect = mean over t ≥ start of (x_t − Σω_j C_jt) − Σ_{t < start} λ_t (x_t − Σω_j C_jt). Estimand: the mean
effect on the treated units over the periods after the start, in the unit of the outcome. Assumes that treatment moves
no donor and that a low-rank structure of units and periods, plus noise, carries the outcomes. Raises ``NotConverged``
where weights cannot be proven. Reference: Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), American Economic
Review 111, 4088–4118.
"""

from experiments.estimate.donor_panel import DonorPanel
from experiments.estimate.synthetic_control import TINY_RIDGE, SyntheticFit, WeightFit, exact_weights, synthetic_fit


def synthetic_did(
    panel: DonorPanel, *, noise: float | None = None, weight_fit: WeightFit = exact_weights
) -> SyntheticFit:
    """The synthetic difference in differences of ``panel``. ``noise`` is σ where it comes from elsewhere (placebo
    panels keep that of the actual one); ``weight_fit`` replaces the proven weights by those of another program."""
    sigma = panel.noise if noise is None else noise
    start = panel.n_before
    zeta = (len(panel.treated) * panel.n_after) ** 0.25 * sigma
    before = panel.donors[:, :start]
    units = weight_fit(before.T, panel.treated_mean[:start], True, start * zeta**2)
    periods = weight_fit(
        before, panel.donors[:, start:].mean(axis=1), True, len(panel.donors) * (TINY_RIDGE * sigma) ** 2
    )
    return synthetic_fit(
        panel, units.weights, periods.weights, max(units.gap, periods.gap), time_weights=periods.weights
    )
