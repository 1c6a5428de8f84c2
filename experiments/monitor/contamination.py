"""Contamination: how much of the treatment reached control, and how much of the variant it missed.

c = share of control's weight (customers, or their sales) that was treated, e = the same share in the variant. An
intention-to-treat effect is the effect of the treatment times about e − c (the dilution): more stores or weeks do not
bring it back. Above 10 % in control a wider unit of assignment (a trade area) is worth its price. Assumes that what a
row received is known and that treatment acts on what it reached. Reference: Hudgens and Halloran (2008), JASA 103.
"""

from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.monitor.unit_difference import not_tested

CHECK = "contamination"
WARNING, ALARM = 0.10, 0.25  # conventions, not calibrated


@dataclass(frozen=True, slots=True)
class Contamination:
    """Shares from 0 to 1: treated in control (c), treated in the variant (e)."""

    control_share: float
    variant_share: float

    @property
    def dilution(self) -> float:
        """e − c: what remains of the effect of the treatment in a comparison of the arms."""
        return self.variant_share - self.control_share


def contamination_of(treated: Floats, received: Floats, weight: Floats | None = None) -> Contamination:
    """c and e from rows (customers): ``treated`` 1 for the variant, ``received`` 0–1 (the part of the row that was
    treated, such as its share of sales in treated stores), ``weight`` what a row counts (None: every row one; or its
    sales). Raises ``NotEstimable`` when an arm weighs nothing."""
    t, r = np.asarray(treated, dtype=np.float64), np.asarray(received, dtype=np.float64)
    w = np.ones(len(t)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not (np.isfinite(r).all() and float(r.min(initial=0.0)) >= 0.0 and float(r.max(initial=0.0)) <= 1.0):
        raise InvalidNumber(name="received", value="a row", must_be="from 0 to 1")
    if not (np.isfinite(w).all() and float(w.min(initial=0.0)) >= 0.0):
        raise InvalidNumber(name="weight", value="a row", must_be="finite and not negative")
    control, variant = float((w * (1.0 - t)).sum()), float((w * t).sum())
    if not (control > 0.0 and variant > 0.0):
        raise NotEstimable(Message("an_arm_weighs_nothing", N_("an arm has nothing that could have been treated"), {}))
    return Contamination(float((w * (1.0 - t) * r).sum()) / control, float((w * t * r).sum()) / variant)


def contamination(
    treated: Floats,
    received: Floats,
    weight: Floats | None = None,
    *,
    warning: float = WARNING,
    alarm: float = ALARM,
    variant: str | None = None,
) -> Diagnostic:
    """The check; ``value`` is c. A warning above ``warning``, an alarm above ``alarm`` or where the variant received
    no more than control."""
    try:
        found = contamination_of(treated, received, weight)
    except NotEstimable as refused:
        return not_tested(CHECK, refused.message, variant)
    c = found.control_share
    status = Status.WARN if c > warning else Status.OK
    if c > alarm or found.dilution <= 0.0:
        status = Status.ALARM
    message = Message(
        "contamination",
        N_(
            "{control:.1%} of control and {treated:.1%} of the variant were treated; "
            "the comparison shows about {dilution:.0%} of the effect of the treatment itself"
        )
        if found.dilution > 0.0
        else N_(
            "{control:.1%} of control and {treated:.1%} of the variant were treated: no more than control, so the "
            "comparison does not show the effect of the treatment"
        ),
        {"control": c, "treated": found.variant_share, "dilution": found.dilution},
    )
    return Diagnostic(CHECK, status, c, message, variant)
