"""Pre-period difference: did the arms differ before anything happened?

The difference of the units' values before the start, in standard deviations of the units, and its p-value. Under a
draw it is chance: an alarm (p < .001) says that the assignment in the data is not the one that was drawn, or that the
window before the start was already treated. Without a draw a difference above a quarter of a standard deviation is a
warning that the groups are not alike. Reference: Imbens and Rubin (2015), Causal Inference, chapter 14.
"""

from experiments.errors import NotEstimable
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, Status, status_of_p
from experiments.monitor.unit_difference import not_tested, unit_difference

CHECK = "pre_period"
IMBALANCE = 0.25  # standard deviations: beyond it a regression has to extrapolate (Imbens and Rubin)


def pre_period_difference(
    before: Floats,
    treated: Floats,
    block: Ints | None = None,
    *,
    randomised: bool = True,
    variant: str | None = None,
) -> Diagnostic:
    """The check from one value before the start per unit; ``value`` is the difference in standard deviations."""
    try:
        found = unit_difference(before, treated, block)
    except NotEstimable as refused:
        return not_tested(CHECK, refused.message, variant)
    p_value, standardised = found.inference.p_value(), found.standardised
    values: dict[str, str | int | float] = {
        "control": found.mean_control,
        "treated": found.mean_variant,
        "difference": standardised,
        "p": p_value,
    }
    if randomised:
        status = status_of_p(p_value)
        template = N_(
            "before the start: control {control:.4g}, variant {treated:.4g} "
            "({difference:+.2f} standard deviations of the units, p {p:p})"
        )
    else:
        status = Status.WARN if abs(standardised) > IMBALANCE else Status.OK
        template = N_(
            "before the start: control {control:.4g}, variant {treated:.4g} "
            "({difference:+.2f} standard deviations of the units, p {p:p}); nothing was drawn, "
            "so a difference is not chance"
        )
    code = "pre_period" if randomised else "pre_period_observational"
    return Diagnostic(CHECK, status, standardised, Message(code, template, values), variant)
