"""The regression on unit means: treatment, block indicators, covariates and indicators of the variants that stand by.

    y_i = τ t_i + x_i'θ + α_block(i) + ε_i          (one row per unit of assignment; weighted in the rows estimand)

Everything but t is taken out first (Frisch, Waugh and Lovell): with M the residual maker of the nuisance columns, all
rows multiplied by √w, t̂ = M t and ŷ = M y, the coefficient is b = t̂'ŷ / t̂'t̂. Blocks are taken out by subtracting
block means; bystanders and covariates by an orthonormal basis of what blocks leave of them (Gram and Schmidt, twice),
so no matrix is inverted, none is n × n, and the result does not depend on threads.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats, Ints, UnitTable
from experiments.messages import N_, Message

NO_VARIATION = "no_variation"
_NEGLIGIBLE = 1e-12
_SAME = 1e-9
_ROUNDING = 1e-28  # of squares: what is left of a value once itself is taken out
_SPARE = 2  # degrees of freedom that a covariate must leave


@dataclass(frozen=True, slots=True, eq=False)
class Nuisance:
    """The columns that are taken out: blocks by their means, the others by ``basis`` (n × q, orthonormal).

    ``root`` (n) is √w; every vector is multiplied by it first. ``leverage`` (n) is the diagonal of the hat matrix.
    ``covariates`` are the positions of the table's covariates that are in the basis.
    """

    block: Ints
    root: Floats
    basis: Floats
    covariates: tuple[int, ...]

    @property
    def block_weight(self) -> Floats:
        """(blocks) The sum of weights of each block."""
        return np.asarray(np.bincount(self.block, weights=self.root**2), dtype=np.float64)

    @property
    def leverage(self) -> Floats:
        """(n) The diagonal of the hat matrix of the nuisance columns."""
        blocks = self.root**2 / self.block_weight[self.block]
        return np.asarray(blocks + (self.basis**2).sum(axis=1))

    def within_blocks(self, values: Floats) -> Floats:
        """√w times ``values`` (n) less their weighted block means."""
        means = np.bincount(self.block, weights=values * self.root**2) / self.block_weight
        return np.asarray(self.root * (values - means[self.block]))

    def out_of(self, values: Floats) -> Floats:
        """√w times ``values`` (n) with all nuisance columns taken out."""
        return without(self.within_blocks(values), self.basis)


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """The fitted regression. Vectors have one entry per row of ``table``, in its order, all multiplied by √w.

    ``y_hat`` and ``t_hat`` are y and t with the nuisance columns taken out. ``df`` = units − blocks − columns of the
    basis − 1; ``std_error`` = √(RSS / df / t̂'t̂), the error of the ordinary (weighted) regression.
    """

    table: UnitTable
    effect: float
    std_error: float
    df: int
    y_hat: Floats
    t_hat: Floats
    nuisance: Nuisance

    @property
    def inference(self) -> TInference:
        """Student's t on ``df`` degrees of freedom."""
        return TInference(self.effect, self.std_error, float(self.df))

    @property
    def residual(self) -> Floats:
        """The residuals of the full regression."""
        return self.y_hat - self.effect * self.t_hat

    @property
    def adjusted(self) -> bool:
        """Whether a covariate is in the regression."""
        return bool(self.nuisance.covariates)


def fit(table: UnitTable) -> Regression:
    """The regression of ``table``. A covariate is left out where it does not vary inside blocks, says the same as
    columns before it or as the treatment, or where fewer than two degrees of freedom would remain.

    Raises ``NotEstimable`` when fewer than three units more than blocks' parameters remain, or when no unit differs.
    """
    n = len(table.units)
    bare = _nuisance(table, table.treated, covariates=False)
    df = n - table.n_blocks - bare.basis.shape[1] - 1
    t = bare.out_of(table.treated)
    if df < 1 or not _dot(t, t) > _NEGLIGIBLE * float((bare.root**2).sum()) / n:
        raise NotEstimable(
            Message(
                "too_few_units",
                N_(
                    "{n} units in {n_blocks} blocks are too few: "
                    "the effect needs one block with both arms and a unit to spare"
                )
                if table.n_blocks > 1
                else N_("{n} units are too few: the effect needs both arms and a unit to spare"),
                {"n": table.n_units, "n_blocks": table.n_blocks},
            )
        )
    spread = _dot(table.y - table.y.mean(), table.y - table.y.mean())
    if spread <= _NEGLIGIBLE**2 * max(1.0, _dot(table.y, table.y)):
        raise NotEstimable(Message(NO_VARIATION, N_("every unit has the same value; nothing can be estimated"), {}))
    nuisance = _nuisance(table, table.treated, covariates=True)
    y, t = nuisance.out_of(table.y), nuisance.out_of(table.treated)
    if nuisance.covariates and _dot(y, y) <= _ROUNDING * _dot(nuisance.root * table.y, nuisance.root * table.y):
        text = N_("the covariates explain every unit's value completely: one of them is the outcome itself")
        raise NotEstimable(Message("explained_completely", text, {}))
    df = n - table.n_blocks - nuisance.basis.shape[1] - 1
    effect = _dot(t, y) / _dot(t, t)
    residual = y - effect * t
    std_error = float(np.sqrt(_dot(residual, residual) / df / _dot(t, t)))
    return Regression(table, effect, std_error, df, y, t, nuisance)


def residual_on_nuisance(table: UnitTable) -> tuple[Floats, Nuisance, int]:
    """Without treatment: the residuals (n) of y on the nuisance columns, those columns, and the degrees of freedom."""
    nuisance = _nuisance(table, None, covariates=True)
    return nuisance.out_of(table.y), nuisance, len(table.units) - table.n_blocks - nuisance.basis.shape[1]


def without(values: Floats, basis: Floats) -> Floats:
    """``values`` (n) less their projection on the orthonormal columns of ``basis`` (n × q), one column at a time."""
    for column in basis.T:
        values = values - _dot(column, values) * column
    return values


def nuisance_of(block: Ints, covariates: Floats, weight: Floats | None) -> Nuisance:
    """The nuisance columns of units (n) in ``block``: those of ``covariates`` (n × k) that say something new."""
    root = np.ones(len(block)) if weight is None else np.sqrt(weight)
    found = Nuisance(block, root, np.zeros((len(block), 0)), ())
    for position, column in enumerate(covariates.T):
        found = _with(found, column, None, position) or found
    return found


def _nuisance(table: UnitTable, treated: Floats | None, *, covariates: bool) -> Nuisance:
    n = len(table.units)
    found = nuisance_of(table.block, np.zeros((n, 0)), table.weight)
    for column in table.bystanders.T:
        found = _with(found, column, None) or found
    if not covariates:
        return found
    for position, column in enumerate(table.covariates.T):
        if n - table.n_blocks - found.basis.shape[1] - 1 <= _SPARE and treated is not None:
            break
        found = _with(found, column, treated, position) or found
    return found


def _with(nuisance: Nuisance, column: Floats, treated: Floats | None, position: int | None = None) -> Nuisance | None:
    """``nuisance`` and one column more; None where the column says nothing new, or is the treatment itself."""
    x = nuisance.within_blocks(column)
    scale = max(_dot(nuisance.root * column, nuisance.root * column), 1e-300)
    before = _dot(x, x)
    if before <= _NEGLIGIBLE * scale:
        return None
    for _ in range(2 if nuisance.basis.shape[1] else 0):
        x = without(x, nuisance.basis)
    total = _dot(x, x)
    if total <= _SAME * before:
        return None
    unit: Floats = x / np.sqrt(total)
    if treated is not None:
        t = nuisance.out_of(treated)
        rest = t - _dot(unit, t) * unit
        if _dot(rest, rest) <= _SAME * _dot(t, t):
            return None
    basis = np.column_stack([nuisance.basis, unit])
    used = nuisance.covariates if position is None else (*nuisance.covariates, position)
    return Nuisance(nuisance.block, nuisance.root, basis, used)


def _dot(a: Floats, b: Floats) -> float:
    return float((a * b).sum())
