"""Attrition: are rows missing, or windows still open, in one arm more than in the other?

The share of each unit's rows that has no outcome (lost, or not yet observed through its whole window) is a value of the
unit, compared like any other. Missing rows that depend on the arm bias every effect, whatever the test of the effect
says. Reference: Gerber and Green (2012), Field Experiments, chapter 7.
"""

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status, status_of_p
from experiments.monitor.unit_difference import not_tested, unit_difference

CHECK = "attrition"


def attrition(
    missing: Floats,
    treated: Floats,
    block: Ints | None = None,
    *,
    check: str = CHECK,
    variant: str | None = None,
) -> Diagnostic:
    """The check from the share of rows (0–1) that are ``missing`` or immature in each unit; ``value`` is the p-value.

    Alarm at p < .001, warning at p < .01, as for the sample ratio. Nothing missing anywhere is ``ok`` with p = 1.
    """
    shares = np.asarray(missing, dtype=np.float64)
    if not (np.isfinite(shares).all() and float(shares.min(initial=0.0)) >= 0.0 and shares.max(initial=0.0) <= 1.0):
        raise InvalidNumber(name="missing", value="a unit", must_be="a share from 0 to 1")
    if not shares.any():
        message = Message("nothing_missing", N_("no row is missing and every window is complete"), {})
        return Diagnostic(check, Status.OK, 1.0, message, variant)
    try:
        found = unit_difference(shares, treated, block)
    except NotEstimable as refused:
        return not_tested(check, refused.message, variant)
    p_value = found.inference.p_value()
    message = Message(
        "attrition",
        N_("missing or immature: {control:.1%} of control, {treated:.1%} of the variant (p {p:p})"),
        {"control": found.mean_control, "treated": found.mean_variant, "p": p_value},
    )
    return Diagnostic(check, status_of_p(p_value), p_value, message, variant)
