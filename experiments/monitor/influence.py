"""Influence: does one unit carry the result?

The regression of the headline (treatment, block indicators, covariates) without unit i, exactly and without fitting it
again: with C = (X'X)⁻¹, residual e_i and leverage h_i

    b₍₋ᵢ₎ = b − (C x_i)_t e_i / (1 − h_i),   s²₍₋ᵢ₎ = (RSS − e_i² / (1 − h_i)) / (df − 1),
    var b₍₋ᵢ₎ = s²₍₋ᵢ₎ (C_tt + (C x_i)_t² / (1 − h_i)).

Reference: Belsley, Kuh and Welsch (1980), Regression Diagnostics.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.checks import probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.monitor.unit_difference import not_tested

CHECK, CONCENTRATION_CHECK = "influence", "concentration"
_ONE_STANDARD_ERROR = 1.0
_CONCENTRATED = 0.30  # a convention
_ALONE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """``whole`` is the fit with all units. ``without`` has one entry per unit, in the order given; None where the
    effect cannot be estimated without that unit."""

    whole: TInference
    without: tuple[TInference | None, ...]

    @property
    def most_influential(self) -> int | None:
        """The position of the unit whose absence moves the effect most (the first of equals)."""
        shifts = [abs(fit.effect - self.whole.effect) if fit else -1.0 for fit in self.without]
        largest = max(shifts)
        return None if largest < 0.0 else next(i for i, s in enumerate(shifts) if s >= largest * (1.0 - 1e-9))


def leave_one_out(y: Floats, treated: Floats, block: Ints | None = None, covariates: Floats | None = None) -> Influence:
    """The effect with all units and without each. ``covariates`` is (n, k). Raises ``NotEstimable`` when fewer than
    two degrees of freedom are left."""
    values, t = np.asarray(y, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    n = len(values)
    number = np.zeros(n, dtype=np.int64) if block is None else np.unique(block, return_inverse=True)[1]
    dummies = (number[:, None] == np.arange(int(number.max()) + 1)).astype(np.float64)
    extra = np.zeros((n, 0)) if covariates is None else np.asarray(covariates, dtype=np.float64).reshape(n, -1)
    scale = np.abs(extra).max(axis=0, initial=0.0)
    x = np.column_stack([t, dummies, extra / np.where(scale > 0.0, scale, 1.0)])
    gram = np.einsum("ij,ik->jk", x, x)
    df = n - x.shape[1]
    if df < 2 or float(np.linalg.eigvalsh(gram)[0]) <= 1e-10:
        raise NotEstimable(
            Message("too_few_units_to_leave_out", N_("{n} units are too few to leave one of them out"), {"n": n})
        )
    inverse = np.linalg.inv(gram)
    coefficients = np.einsum("jk,k->j", inverse, np.einsum("ij,i->j", x, values))
    residual = values - np.einsum("ij,j->i", x, coefficients)
    pull = np.einsum("ij,jk->ik", x, inverse)
    keep = 1.0 - np.einsum("ij,ij->i", pull, x)
    rss, effect = float((residual**2).sum()), float(coefficients[0])
    whole = TInference(effect, float(np.sqrt(rss / df * inverse[0, 0])), float(df))
    without = tuple(
        _without(effect, rss, df, float(inverse[0, 0]), float(pull[i, 0]), float(residual[i]), float(keep[i]))
        for i in range(n)
    )
    return Influence(whole, without)


def influence(
    y: Floats,
    treated: Floats,
    block: Ints | None = None,
    covariates: Floats | None = None,
    *,
    units: Sequence[str],
    alpha: float = 0.05,
    variant: str | None = None,
) -> Diagnostic:
    """The check; ``value`` is the largest shift in standard errors. A warning where it exceeds one or significance at
    ``alpha`` hangs on one unit, an alarm where a significant effect changes its sign without one unit."""
    probability("alpha", alpha)
    if len(units) != len(y):
        raise InvalidNumber(name="units", value=len(units), must_be="as many as there are values")
    try:
        found = leave_one_out(y, treated, block, covariates)
    except NotEstimable as refused:
        return not_tested(CHECK, refused.message, variant)
    position = found.most_influential
    whole = found.whole
    if position is None or whole.std_error == 0.0:
        message = Message("influence_none", N_("no unit can be left out, or no unit differs"), {})
        return Diagnostic(CHECK, Status.OK, None, message, variant)
    rest = found.without[position]
    without = whole.effect if rest is None else rest.effect
    shift = abs(without - whole.effect) / whole.std_error
    significant = whole.p_value() <= alpha
    fits = [fit for fit in found.without if fit is not None]
    hangs = sum((fit.p_value() <= alpha) != significant for fit in fits)
    flips = significant and any(fit.effect * whole.effect < 0.0 for fit in fits)
    status = Status.WARN if shift > _ONE_STANDARD_ERROR or hangs else Status.OK
    message = Message(
        "influence",
        N_(
            "without {unit} the effect is {without:.4g} instead of {effect:.4g} ({shift:.2f} standard errors); "
            "leaving one unit out changes significance for {hangs} of {n} units"
        ),
        {
            "unit": units[position],
            "without": without,
            "effect": whole.effect,
            "shift": shift,
            "hangs": hangs,
            "n": len(units),
        },
    )
    return Diagnostic(CHECK, Status.ALARM if flips else status, shift, message, variant)


def concentration(values: Floats, *, share: float = 0.01, variant: str | None = None) -> Diagnostic:
    """How much of the total (of absolute values) the largest ``share`` of rows holds; ``value`` is that part.

    Above 30 % a warning: a mean then rests on few rows, and its t test on a sample that is smaller than it looks.
    """
    probability("share", share)
    sizes = np.sort(np.abs(np.asarray(values, dtype=np.float64)))[::-1]
    n, total = max(1, round(share * len(sizes))), float(sizes.sum())
    part = float(sizes[:n].sum()) / total if total > 0.0 else 0.0
    message = Message(
        "concentration",
        N_("the largest {share:.1%} of rows ({n}) hold {part:.1%} of the total"),
        {"share": share, "n": n, "part": part},
    )
    return Diagnostic(CONCENTRATION_CHECK, Status.WARN if part > _CONCENTRATED else Status.OK, part, message, variant)


def _without(effect: float, rss: float, df: int, c_tt: float, pull: float, e: float, keep: float) -> TInference | None:
    if keep <= _ALONE:  # the unit alone carries a parameter: without it another regression would be fitted
        return None
    variance = max(0.0, rss - e * e / keep) / (df - 1) * (c_tt + pull * pull / keep)
    return TInference(effect - pull * e / keep, float(np.sqrt(variance)), float(df - 1))
