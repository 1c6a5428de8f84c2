"""Influence: does one unit carry the result?

The regression of the headline (treatment, block indicators, covariates) without unit i, exactly and without fitting it
again: with C = (X'X)⁻¹, residual e_i and leverage h_i

    b₍₋ᵢ₎ = b − (C x_i)_t e_i / (1 − h_i),   s²₍₋ᵢ₎ = (RSS − e_i² / (1 − h_i)) / (df − 1),
    var b₍₋ᵢ₎ = s²₍₋ᵢ₎ (C_tt + (C x_i)_t² / (1 − h_i)),   DFBETAS_i = (b − b₍₋ᵢ₎) / √(s²₍₋ᵢ₎ C_tt).

With weights every row is multiplied by the root of its weight first. Of a fitted regression on unit means t̂ = M t and
the leverages are known, and (C x_i)_t = t̂_i / t̂'t̂, C_tt = 1 / t̂'t̂.

A unit counts as an outlier when its residual, against the fit without it, is too large for the largest of n (Student's
t on df − 1, times n): with few units one of them always has some influence.

Reference: Belsley, Kuh and Welsch (1980), Regression Diagnostics.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.checks import probability
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_means import Regression
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.monitor.unit_difference import not_tested

CHECK, CONCENTRATION_CHECK = "influence", "concentration"
_OUTLIER = 0.05
_CONCENTRATED = 0.30  # a convention
_ALONE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """``whole`` is the fit with all units. Per unit, in the order given: the fit ``without`` it (None where it alone
    carries a parameter), the ``shift`` of the effect that it makes (DFBETAS), and ``outlier_p``, the p-value of its
    residual times the number of units."""

    whole: TInference
    without: tuple[TInference | None, ...]
    shift: tuple[float, ...]
    outlier_p: tuple[float, ...]

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
    c_tt = float(inverse[0, 0])
    rows = [_without(n, effect, rss, df, c_tt, float(pull[i, 0]), float(residual[i]), float(keep[i])) for i in range(n)]
    return Influence(whole, tuple(row[0] for row in rows), tuple(row[1] for row in rows), tuple(row[2] for row in rows))


def leave_one_out_of(regression: Regression) -> Influence:
    """The same for a fitted regression on unit means, with its blocks, covariates, weights and bystanders; the units
    that are left out, in the order of its table, are those of the two variants. Raises ``NotEstimable`` when fewer than
    two degrees of freedom are left."""
    places = np.flatnonzero(regression.table.moves)
    t, e, df = regression.t_hat, regression.residual, regression.df
    if df < 2:
        n = len(places)
        raise NotEstimable(
            Message("too_few_units_to_leave_out", N_("{n} units are too few to leave one of them out"), {"n": n})
        )
    length = float((t * t).sum())
    keep = 1.0 - regression.nuisance.leverage - t * t / length
    rss = float((e * e).sum())
    rows = [
        _without(
            len(places), regression.effect, rss, df, 1.0 / length, float(t[i]) / length, float(e[i]), float(keep[i])
        )
        for i in places
    ]
    without, shift, outlier_p = zip(*rows, strict=True)
    return Influence(regression.inference, without, shift, outlier_p)


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
    """The check; ``value`` is the DFBETAS of the unit that moves the effect most. A warning where that unit is an
    outlier (p < .05 as the largest of all) or significance at ``alpha`` hangs on one unit, an alarm where a significant
    effect changes its sign without one unit."""
    probability("alpha", alpha)
    if len(units) != len(y):
        raise InvalidNumber(name="units", value=len(units), must_be="as many as there are values")
    try:
        found = leave_one_out(y, treated, block, covariates)
    except NotEstimable as refused:
        return not_tested(CHECK, refused.message, variant)
    return _judged(found, units, alpha, variant)


def influence_of(regression: Regression, *, alpha: float = 0.05, variant: str | None = None) -> Diagnostic:
    """The same check of a fitted regression on unit means; see ``leave_one_out_of``."""
    probability("alpha", alpha)
    try:
        found = leave_one_out_of(regression)
    except NotEstimable as refused:
        return not_tested(CHECK, refused.message, variant)
    table = regression.table
    units = [unit for unit, moves in zip(table.units, table.moves, strict=True) if moves]
    return _judged(found, units, alpha, variant)


def _judged(found: Influence, units: Sequence[str], alpha: float, variant: str | None) -> Diagnostic:
    position = found.most_influential
    whole = found.whole
    if position is None or whole.std_error == 0.0:
        message = Message("influence_none", N_("no unit can be left out, or no unit differs"), {})
        return Diagnostic(CHECK, Status.OK, None, message, variant)
    rest = found.without[position]
    without = whole.effect if rest is None else rest.effect
    shift = abs(found.shift[position])
    significant = whole.p_value() <= alpha
    fits = [fit for fit in found.without if fit is not None]
    hangs = sum((fit.p_value() <= alpha) != significant for fit in fits)
    flips = significant and any(fit.effect * whole.effect < 0.0 for fit in fits)
    status = Status.WARN if found.outlier_p[position] < _OUTLIER or hangs else Status.OK
    message = Message(
        "influence",
        N_(
            "without {unit} the effect is {without:.4g} instead of {effect:.4g} ({shift:.2f} of its standard errors); "
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


def _without(
    n: int, effect: float, rss: float, df: int, c_tt: float, pull: float, e: float, keep: float
) -> tuple[TInference | None, float, float]:
    """The fit without a unit, the DFBETAS of the unit and the p-value of its residual, times ``n``."""
    from scipy.special import stdtr

    if keep <= _ALONE:  # the unit alone carries a parameter: without it another regression would be fitted
        return None, 0.0, 1.0
    variance = max(0.0, rss - e * e / keep) / (df - 1)
    fit = TInference(effect - pull * e / keep, float(np.sqrt(variance * (c_tt + pull * pull / keep))), float(df - 1))
    if e == 0.0:
        return fit, 0.0, 1.0
    variance = max(variance, _ALONE * rss / df)  # all others on the regression: the shift is large, not infinite
    student = abs(e) / float(np.sqrt(variance * keep))
    shift = pull * e / keep / float(np.sqrt(variance * c_tt))
    return fit, shift, min(1.0, n * 2.0 * float(stdtr(df - 1.0, -student)))
