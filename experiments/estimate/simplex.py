"""Least squares over weights that are not negative and sum to one, solved exactly, with a proof that it is solved.

min over w ≥ 0, Σw = 1 (and an intercept c) of ‖Aw + c − b‖² + ρ‖w‖². Because Σw = 1 the columns may be measured from
the target, D = A − b, and centred when there is an intercept: the minimum of ‖Dw‖² + ρ‖w‖². With s the root mean
square norm of the columns of D, non-negative least squares of [D/s; √ρ I/s; 1'] u on [0; 0; 1] has the solution u = w
/ (1 + m) where m is the minimum sought: an active-set method ends there after finitely many steps, no penalty is
involved.

A minimum is *proven* by the duality gap g = max over v of ⟨∇f(w), w − v⟩ = ⟨∇f(w), w⟩ − min ∇f(w): f(w) exceeds the
minimum by at most g. It is divided by the loss of equal weights and must not exceed ``GAP_TOLERANCE``. Neither a
number of steps nor a solver's own word is accepted in its place. Reference: Lawson and Hanson (1974), Solving Least
Squares Problems, chapter 23; Jaggi (2013), ICML (the gap).
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

GAP_TOLERANCE = 1e-10  # of the loss of equal weights; exact solutions reach 1e-14
_SUM = 1e-9


class NotConverged(NotEstimable):
    """Weights that a duality gap does not prove to be the best ones."""

    def __init__(self, gap: float) -> None:
        template = N_(
            "the weights are not proven to be the best ones: their loss may exceed the least by {gap:.1e} of the loss "
            "of equal weights; at most {tolerance:.0e} is accepted"
        )
        super().__init__(Message("weights_not_converged", template, {"gap": gap, "tolerance": GAP_TOLERANCE}))


@dataclass(frozen=True, slots=True, eq=False)
class SimplexFit:
    """Weights (m,), the intercept c, the loss ‖Aw + c − b‖² + ρ‖w‖² in squared units of the target, and its proof:
    the duality gap as a share of the loss of equal weights."""

    weights: Floats
    intercept: float
    loss: float
    gap: float

    @property
    def converged(self) -> bool:
        """Whether the gap proves that no other weights fit better."""
        return self.gap <= GAP_TOLERANCE


def simplex_least_squares(design: Floats, target: Floats, *, intercept: bool = False, ridge: float = 0.0) -> SimplexFit:
    """The weights of the m columns of ``design`` (n × m) that come closest to ``target`` (n,), with their proof.

    ``ridge`` is ρ, in squared units of the target. Without it the weights need not be unique when columns are many; the
    fitted values always are. Raises ``InvalidNumber`` for numbers that are not finite or shapes that do not match,
    ``NotConverged`` when the gap proves nothing.
    """
    from scipy.optimize import nnls

    distances, scale = _distances(design, target, intercept=intercept, ridge=ridge)
    n_columns = distances.shape[1]
    if scale == 0.0:  # every column is the target: nothing to choose
        return judge(design, target, np.full(n_columns, 1 / n_columns), intercept=intercept, ridge=ridge)
    stacked = np.vstack([distances / scale, np.ones((1, n_columns))])
    wanted = np.zeros(len(stacked))
    wanted[-1] = 1.0
    try:
        found, _ = nnls(stacked, wanted, maxiter=100 * n_columns)
    except RuntimeError as error:
        raise NotConverged(float("inf")) from error
    fit = judge(design, target, found / found.sum(), intercept=intercept, ridge=ridge)
    if not fit.converged:
        raise NotConverged(fit.gap)
    return fit


def judge(
    design: Floats, target: Floats, weights: Floats, *, intercept: bool = False, ridge: float = 0.0
) -> SimplexFit:
    """The fit of given ``weights`` (m,), whoever found them, with the gap that proves or disproves them.

    Raises ``InvalidNumber`` when they are negative or do not sum to one.
    """
    distances, scale = _distances(design, target, intercept=intercept, ridge=ridge)
    n_columns = distances.shape[1]
    if weights.shape != (n_columns,) or not bool((weights >= 0.0).all()) or abs(float(weights.sum()) - 1.0) > _SUM:
        raise InvalidNumber(
            name="weights", value=f"{weights.shape}", must_be=f"{n_columns} numbers, not negative, that sum to one"
        )
    shift = float((target - np.einsum("nm,m->n", design, weights)).mean()) if intercept else 0.0
    if scale == 0.0:
        return SimplexFit(weights, shift, 0.0, 0.0)
    unit = distances / scale
    reached = np.einsum("nm,m->n", unit, weights)
    slope = np.einsum("nm,n->m", unit, reached)
    loss = float((reached**2).sum())
    equal = float((unit.mean(axis=1) ** 2).sum())
    gap = 2.0 * (loss - float(slope.min()))  # ⟨∇f, w⟩ = 2‖Dw‖², ∇f = 2D'Dw
    share = 0.0 if gap <= 0.0 else (gap / equal if equal > 0.0 else float("inf"))
    return SimplexFit(weights, shift, loss * scale**2, share)


def _distances(design: Floats, target: Floats, *, intercept: bool, ridge: float) -> tuple[Floats, float]:
    """The columns measured from the target (centred with an intercept), √ρ I below them; root mean square norm."""
    if design.ndim != 2 or target.shape != design.shape[:1] or 0 in design.shape:
        raise InvalidNumber(name="design, target", value=f"{design.shape}, {target.shape}", must_be="n × m and n")
    if not (np.isfinite(design).all() and np.isfinite(target).all()):
        raise InvalidNumber(name="design, target", value="NaN or infinity", must_be="finite numbers")
    if not 0.0 <= ridge < float("inf"):
        raise InvalidNumber(name="ridge", value=ridge, must_be="a finite number, not negative")
    distances = design - target[:, None]
    if intercept:
        distances = distances - distances.mean(axis=0)
    scale = float(np.sqrt((distances**2).sum(axis=0).mean()))
    if ridge > 0.0:
        distances = np.vstack([distances, np.sqrt(ridge) * np.eye(design.shape[1])])
        scale = float(np.sqrt(scale**2 + ridge))
    return distances, scale
