"""Two-way fixed effects: a diagnostic, never an answer, because it uses units already treated as controls.

    y_it = α_i + λ_t + β D_it + e_it,   β̂ = Σ D̃ y / Σ D̃²,   D̃ the residual of D on unit and period effects

β̂ is Σ w_it τ_it over the treated cells with w_it = D̃_it / Σ_{D=1} D̃_it; with several starts some w are negative, and β̂
can have the wrong sign although every effect has the right one. ``negative_share`` is the share of treated cells with a
negative weight, ``negative_sum`` the sum of these weights. The error is clustered by unit with the factor G/(G−1) ·
(N−1)/(N−2): slope and constant are counted, unit and period effects are not (pyfixest's CRV1). Reference: de
Chaisemartin and D'Haultfœuille (2020), American Economic Review 110.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.two_way_effects import TwoWayEffects
from experiments.estimate.unit_panel import Floats, UnitPanel
from experiments.messages import N_, Message

_NEGLIGIBLE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class TwoWayFixedEffects:
    """The coefficient, its error, and the weights (U, T) that it gives each treated cell's effect (0 elsewhere)."""

    effect: float
    std_error: float
    n_units: int
    weights: Floats
    negative_share: float
    negative_sum: float

    @property
    def inference(self) -> TInference:
        """Student's t on units − 1 degrees of freedom."""
        return TInference(self.effect, self.std_error, float(self.n_units - 1))


def two_way_fixed_effects(panel: UnitPanel) -> TwoWayFixedEffects:
    """The regression on all observed cells of ``panel``.

    Raises ``NotEstimable`` when treatment does not vary beyond unit and period effects.
    """
    observed = np.isfinite(panel.y)
    model = TwoWayEffects(observed)
    treated = panel.treated & observed
    d = model.residual(treated.astype(np.float64))
    total = float((d * d).sum())
    if not total > _NEGLIGIBLE * max(1, int(np.count_nonzero(treated))):
        raise NotEstimable(
            Message(
                "treatment_absorbed", N_("unit and period effects already tell who is treated; no effect is left"), {}
            )
        )
    y = model.residual(np.where(observed, panel.y, 0.0))
    effect = float((d * y).sum()) / total
    scores = (d * (y - effect * d)).sum(axis=1)
    groups = int(np.count_nonzero(observed.any(axis=1)))
    n = int(np.count_nonzero(observed))
    factor = groups / (groups - 1) * (n - 1) / (n - 2)
    error = float(np.sqrt(factor * (scores**2).sum())) / total
    weights = np.where(treated, d, 0.0) / float(d[treated].sum())
    negative = treated & (weights < -_NEGLIGIBLE)
    return TwoWayFixedEffects(
        effect,
        error,
        groups,
        weights,
        float(np.count_nonzero(negative)) / float(np.count_nonzero(treated)),
        float(weights[negative].sum()),
    )
