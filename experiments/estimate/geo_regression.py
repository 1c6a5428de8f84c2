"""Geo-based regression: what one unit of cost brings, from one row a unit.

y_i1 = β₀ + β₁ y_i0 + β₂ δ_i + e_i by weighted least squares with weights 1 / y_i0²: y_i0 is the unit's total before,
y_i1 in the window, δ_i the cost that treatment caused. δ is nil in control; in treated units it is the cost of the
window less what the weighted line of the control units' cost on their earlier cost predicts (nothing when control
costs nothing in the window). Estimand: β₂, the effect on the total of the window per unit of cost; t with n − 3
degrees of freedom. Assumes errors in proportion to the unit's size, the same return on every unit of cost, and costs
that follow from the assignment alone. Reference: Vaver and Koehler (2011), Measuring ad effectiveness using geo
experiments, Google.
"""

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message

_RANK = 1e-12


def geo_regression(
    before: Floats, during: Floats, treated: Floats, cost_before: Floats, cost_during: Floats
) -> TInference:
    """β₂ from totals per unit, all (n,): outcome ``before`` and ``during``, ``treated`` 0 or 1, costs of the same
    windows.

    Raises ``NotEstimable`` with fewer than four units, a total before that is not positive, or costs that do not vary
    apart from the totals before.
    """
    columns = (before, during, treated, cost_before, cost_during)
    if any(column.shape != before.shape or not bool(np.isfinite(column).all()) for column in columns):
        raise InvalidNumber(name="totals and costs", value="NaN or shapes", must_be="finite, one number a unit")
    if len(before) < 4:
        template = N_("{n} units are too few for a regression on the earlier total and the cost; at least 4 are needed")
        raise NotEstimable(Message("too_few_units_for_geo_regression", template, {"n": len(before)}))
    if bool((before <= 0.0).any()):
        template = N_("{n} units have no positive total before the start; their weight is not defined")
        raise NotEstimable(Message("no_positive_total_before", template, {"n": int((before <= 0.0).sum())}))
    is_treated = treated == 1.0
    delta = np.where(is_treated, cost_during - _expected_cost(before, is_treated, cost_before, cost_during), 0.0)
    root = 1.0 / before
    design = np.column_stack([root, np.ones_like(root), root * delta])
    size = np.sqrt((design**2).sum(axis=0))
    if size[2] == 0.0 or np.linalg.svd(design / size, compute_uv=False)[-1] < _RANK:
        raise NotEstimable(
            Message("cost_does_not_vary", N_("the cost does not vary apart from the earlier totals"), {})
        )
    scaled = design / size
    bread = np.linalg.inv(np.einsum("ni,nj->ij", scaled, scaled))
    found = bread @ np.einsum("ni,n->i", scaled, root * during)
    residual = root * during - np.einsum("ni,i->n", scaled, found)
    df = len(before) - 3
    error = float(np.sqrt((residual**2).sum() / df * bread[2, 2]))
    return TInference(float(found[2] / size[2]), error / float(size[2]), df)


def _expected_cost(before: Floats, is_treated: Floats, cost_before: Floats, cost_during: Floats) -> Floats:
    """(n,) the cost of the window without treatment: the control units' weighted line on the earlier cost."""
    control = np.logical_not(is_treated)
    if not bool(cost_during[control].any()):
        return np.zeros_like(before)
    weight = np.where(control, 1.0 / before**2, 0.0)
    weight = weight / weight.sum()
    centre, level = float((weight * cost_before).sum()), float((weight * cost_during).sum())
    moved = cost_before - centre
    spread = float((weight * moved**2).sum())
    slope = float((weight * moved * cost_during).sum()) / spread if spread > 0.0 else 0.0
    expected: Floats = level + slope * moved
    return expected
