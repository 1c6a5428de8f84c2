"""Identification: did the share of receipts that carry a customer move with the treatment?

The share of identified receipts per unit, adjusted by the same share before the start, goes through the same
mechanism and the same permutation as the metrics. At p < .10 customer metrics are stamped *may be identification*:
customers who show their card on more of their visits raise every customer metric without buying more. A quiet test
proves nothing by itself, so it comes with the shift that it would have detected and the relative artefact in a
customer metric that a shift of that size makes.
"""

from dataclasses import dataclass

from experiments.design.power import detectable
from experiments.estimate.estimate import Estimate

STAMP_LEVEL = 0.10


@dataclass(frozen=True, slots=True)
class Identification:
    """The test of one variant. ``detectable_shift`` is in points of the share (0–1), ``hidden_artefact`` a share of
    the metric."""

    estimate: Estimate
    moved: bool
    detectable_shift: float
    hidden_artefact: float | None


def identification(headline: Estimate, *, std_error: float, df: float) -> Identification:
    """The verdict on the identified share: ``headline`` is its permutation estimate, the error is the regression's.

    The detectable shift is found with probability .80 at level .10. A shift δ in a share s multiplies what listed
    customers are seen to do by about 1 + δ / s, so it could hide an artefact of δ / s.
    """
    shift = detectable(std_error, df, level=STAMP_LEVEL)
    artefact = shift / headline.mean_control if headline.mean_control > 0 else None
    return Identification(headline, headline.p_value < STAMP_LEVEL, shift, artefact)
