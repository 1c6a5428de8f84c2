"""The check of the periods before the start: jointly where there are units enough, else by the largest of them."""

import math

import numpy as np

from experiments.estimate.simultaneous_band import simultaneous_band
from experiments.frame import Floats
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, status_of_p
from experiments.monitor.pre_trends import ALARM, CHECK, WARNING, pre_trends

_SPARE = 5.0  # degrees of freedom that the joint test must leave to its error


def pre_trends_of(
    effects: Floats, influence: Floats, *, df: float, periods: Floats, seed: int, variant: str
) -> Diagnostic:
    """The check of ``effects`` (k) before the start, from what each unit adds to them, ``influence`` (n, k) times n.

    ``periods`` (k) are the times that a straight trend would be multiplied by. With many periods and few units the
    covariance says too little for a joint test; then the largest ratio to its error is compared with what it would be
    by chance (multiplier bootstrap by ``seed``).
    """
    each = influence / len(influence)
    covariance = np.einsum("nk,nl->kl", each, each)
    if df - len(effects) >= _SPARE:
        return pre_trends(effects, covariance, df=None if math.isinf(df) else df, periods=periods, variant=variant)
    errors = np.sqrt(np.diagonal(covariance))
    band = simultaneous_band(effects, errors, influence, confidence_level=1.0 - WARNING, seed=seed, df=df)
    message = Message(
        "pre_trends_largest",
        N_(
            "the largest of the {k} effects before the start, against what chance gives: p {p:p}. With so few units "
            "for so many periods a trend is often not found"
        ),
        {"k": len(effects), "p": band.p_value},
    )
    return Diagnostic(CHECK, status_of_p(band.p_value, alarm=ALARM, warning=WARNING), band.p_value, message, variant)
