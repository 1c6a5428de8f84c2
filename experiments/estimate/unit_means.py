"""The regression on unit means: treatment, block indicators and the value before the start.

    y_i = τ t_i + θ x_i + α_block(i) + ε_i          (one row per unit of assignment, unweighted)

Everything but t is taken out first (Frisch, Waugh and Lovell): with M the residual maker of the block indicators and x,
t̂ = M t and ŷ = M y, the coefficient is b = t̂'ŷ / t̂'t̂. Blocks are taken out by subtracting block means and x by one
projection, so no matrix is inverted and the result does not depend on threads.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats, UnitTable
from experiments.messages import N_, Message

NO_VARIATION = "no_variation"
_NEGLIGIBLE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """The fitted regression. Vectors have one entry per unit of ``table``, in its order.

    ``y_hat`` and ``t_hat`` are y and t with blocks and covariate taken out, ``x_unit`` the covariate with blocks
    taken out, scaled to length 1 (None: no covariate), ``leverage`` the diagonal of the hat matrix of blocks and
    covariate without t. ``df`` = units − blocks − covariates − 1; ``std_error`` = √(RSS / df / t̂'t̂), the error of
    the ordinary regression.
    """

    table: UnitTable
    effect: float
    std_error: float
    df: int
    y_hat: Floats
    t_hat: Floats
    x_unit: Floats | None
    leverage: Floats

    @property
    def inference(self) -> TInference:
        """Student's t on ``df`` degrees of freedom."""
        return TInference(self.effect, self.std_error, float(self.df))

    @property
    def residual(self) -> Floats:
        """The residuals of the full regression."""
        return self.y_hat - self.effect * self.t_hat


def fit(table: UnitTable) -> Regression:
    """The regression of ``table``; the covariate is left out where it does not vary inside blocks or too few units
    remain.

    Raises ``NotEstimable`` when fewer than three units more than blocks' parameters remain, or when no unit differs.
    """
    y, t = within_blocks(table, table.y), within_blocks(table, table.treated)
    leverage = 1.0 / np.bincount(table.block)[table.block]
    df = table.n_units - table.n_blocks - 1
    if df < 1 or not _dot(t, t) > _NEGLIGIBLE:
        raise NotEstimable(
            Message(
                "too_few_units",
                N_(
                    "{n} units in {n_blocks} blocks are too few: "
                    "the effect needs one block with both arms and a unit to spare"
                ),
                {"n": table.n_units, "n_blocks": table.n_blocks},
            )
        )
    spread = _dot(table.y - table.y.mean(), table.y - table.y.mean())
    if spread <= _NEGLIGIBLE**2 * max(1.0, _dot(table.y, table.y)):
        raise NotEstimable(Message(NO_VARIATION, N_("every unit has the same value; nothing can be estimated"), {}))
    x_unit = _unit_covariate(table, t) if df >= 3 else None
    if x_unit is not None:
        y, t = y - _dot(x_unit, y) * x_unit, t - _dot(x_unit, t) * x_unit
        leverage, df = leverage + x_unit**2, df - 1
    effect = _dot(t, y) / _dot(t, t)
    residual = y - effect * t
    std_error = float(np.sqrt(_dot(residual, residual) / df / _dot(t, t)))
    return Regression(table, effect, std_error, df, y, t, x_unit, leverage)


def residual_on_blocks(table: UnitTable) -> tuple[Floats, Floats | None, int]:
    """Without treatment: the residuals of y on blocks and covariate, the unit-length covariate, and the degrees of
    freedom."""
    y = within_blocks(table, table.y)
    x_unit = _unit_covariate(table, None)
    df = table.n_units - table.n_blocks - (x_unit is not None)
    return (y if x_unit is None else y - _dot(x_unit, y) * x_unit), x_unit, df


def within_blocks(table: UnitTable, values: Floats) -> Floats:
    """``values`` less the mean of their block."""
    means = np.bincount(table.block, weights=values) / np.bincount(table.block)
    centred: Floats = values - means[table.block]
    return centred


def _unit_covariate(table: UnitTable, t: Floats | None) -> Floats | None:
    if table.x is None:
        return None
    x = within_blocks(table, table.x)
    total = _dot(x, x)
    if total <= _NEGLIGIBLE * max(_dot(table.x, table.x), 1e-300):
        return None
    unit: Floats = x / np.sqrt(total)
    if t is not None:
        rest = t - _dot(unit, t) * unit
        if _dot(rest, rest) <= 1e-9 * _dot(t, t):  # the covariate is the treatment itself
            return None
    return unit


def _dot(a: Floats, b: Floats) -> float:
    return float((a * b).sum())
