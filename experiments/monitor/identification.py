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
    """The test of one variant. ``effect`` and ``detectable_shift`` are in points of the share (0–1),
    ``hidden_artefact`` is a share of the metric (None where nothing was identified in control).
    """

    effect: float
    p_value: float
    detectable_shift: float
    hidden_artefact: float | None

    @property
    def moved(self) -> bool:
        """Whether customer rows are stamped."""
        return self.p_value < STAMP_LEVEL


# Every unit has the same share: it cannot have moved, and nothing can be hidden.
UNMOVED = Identification(effect=0.0, p_value=1.0, detectable_shift=0.0, hidden_artefact=0.0)


def identification(headline: Estimate, *, std_error: float, df: float) -> Identification:
    """The verdict on the identified share: ``headline`` is its permutation estimate, the error is the regression's.

    The detectable shift is found with probability .80 at level .10. A shift δ in a share s multiplies what listed
    customers are seen to do by about 1 + δ / s, so it could hide an artefact of δ / s.
    """
    shift = detectable(std_error, df, level=STAMP_LEVEL)
    artefact = shift / headline.mean_control if headline.mean_control > 0 else None
    return Identification(headline.effect, headline.p_value, shift, artefact)


def can_be_tested(smallest_p: float) -> bool:
    """Whether the draw has enough units for the test to stamp at all: a test that cannot speak is not a quiet one."""
    return smallest_p < STAMP_LEVEL
