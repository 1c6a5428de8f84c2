"""Pre-trends: were the effects before the start zero, as parallel trends say?

The joint hypothesis that all k effects before the start are zero: W = b' V⁻¹ b, with df degrees of freedom behind V
as Hotelling's W (df − k + 1) / (df k) ~ F(k, df − k + 1), without df as χ²(k). A quiet test proves nothing by itself,
so it comes with the steepest straight trend that it would have missed. Reference: Roth (2022), AER: Insights 4.
"""

import numpy as np

from experiments.checks import probability
from experiments.design.power import detectable
from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, status_of_p
from experiments.monitor.unit_difference import not_tested

CHECK = "pre_trends"
ALARM, WARNING = 0.01, 0.05
_NORMAL_DF = 1e9


def pre_trends(
    effects: Floats,
    covariance: Floats,
    *,
    df: float | None = None,
    periods: Floats | None = None,
    variant: str | None = None,
) -> Diagnostic:
    """The check from ``effects`` (k periods before the start, without the reference period) and their (k, k)
    ``covariance``.

    ``periods`` are the times since the reference period (default −k … −1). ``value`` is the p-value. Below .05 it is a
    warning and below .01 an alarm, levels higher than elsewhere because this test has little power. Assumes effects
    that are jointly normal.
    """
    try:
        p_value = joint_p(effects, covariance, df=df)
        slope = _detectable_slope(np.asarray(effects), np.asarray(covariance), df, periods)
    except NotEstimable as refused:
        return not_tested(CHECK, refused.message, variant)
    message = Message(
        "pre_trends",
        N_(
            "the {k} effects before the start, together: p {p:p}; the largest is {largest:.4g}. "
            "A straight trend of {slope:.3g} a period would be found with probability .80, a flatter one often not"
        ),
        {"k": len(effects), "p": p_value, "largest": float(max(effects, key=abs)), "slope": slope},
    )
    return Diagnostic(CHECK, status_of_p(p_value, alarm=ALARM, warning=WARNING), p_value, message, variant)


def joint_p(effects: Floats, covariance: Floats, *, df: float | None = None) -> float:
    """p-value of "all ``effects`` are zero". Raises ``NotEstimable`` where the covariance is singular or df < k."""
    from scipy.special import chdtrc, fdtrc

    b, v = np.asarray(effects, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    k = len(b)
    if k == 0 or v.shape != (k, k) or not (np.isfinite(b).all() and np.isfinite(v).all()):
        raise InvalidNumber(name="effects", value=k, must_be="finite, at least one, with a square covariance")
    if float(np.linalg.eigvalsh(v)[0]) <= 1e-12 * float(np.trace(v)):
        raise NotEstimable(
            Message("singular_covariance", N_("the {k} effects before the start cannot be told apart"), {"k": k})
        )
    wald = float((b * np.linalg.solve(v, b)).sum())
    if df is None:
        return float(chdtrc(k, wald))
    if df - k + 1.0 <= 0.0:
        raise NotEstimable(
            Message(
                "too_few_units_for_trends",
                N_("{k} effects before the start are too many for {df:.3g} degrees of freedom"),
                {"k": k, "df": df},
            )
        )
    return float(fdtrc(k, df - k + 1.0, wald * (df - k + 1.0) / (df * k)))


def _detectable_slope(b: Floats, v: Floats, df: float | None, periods: Floats | None) -> float:
    times = np.arange(-len(b), 0, dtype=np.float64) if periods is None else np.asarray(periods, dtype=np.float64)
    information = float((times * np.linalg.solve(v, times)).sum())
    return detectable(information**-0.5, df or _NORMAL_DF, level=probability("level", WARNING))
