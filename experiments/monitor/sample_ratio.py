"""Sample ratio: do the units that have data stand in the ratio that was drawn?

χ² of the *unit* counts against the shares, whatever the mechanism; under fixed counts a departure means lost units.
Rows beneath the units are never tested this way. Reference: Fabijan et al. (2019), KDD.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.checks import at_least
from experiments.design.mechanisms import Share
from experiments.errors import NotEstimable, UnknownVariant
from experiments.messages import N_, Message
from experiments.monitor.diagnostic import Diagnostic, status_of_p

ALARM = 0.001
WARNING = 0.01


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The χ² statistic, its degrees of freedom and p-value: below .01 a warning, below .001 an alarm."""

    statistic: float
    df: int
    p_value: float


def sample_ratio(counts: Mapping[str, int], shares: Sequence[Share]) -> SampleRatio:
    """χ² of ``counts`` (units with data, per variant; a variant without any may be missing) against ``shares``."""
    from scipy.special import chdtrc

    variants = [share.variant for share in shares]
    for variant, count in counts.items():
        if variant not in variants:
            raise UnknownVariant(variant=variant, variants=", ".join(variants))
        at_least(f"count of {variant}", count, 0)
    n, total = sum(counts.values()), sum(share.weight for share in shares)
    if n == 0:
        raise NotEstimable(Message("no_units", N_("no unit has data; there is no ratio to test"), {}))
    statistic = 0.0
    for share in shares:
        expected = n * share.weight / total
        statistic += (counts.get(share.variant, 0) - expected) ** 2 / expected
    df = len(shares) - 1
    return SampleRatio(statistic, df, float(chdtrc(df, statistic)))


def sample_ratio_by_segment(counts: Mapping[str, Mapping[str, int]], shares: Sequence[Share]) -> tuple[Diagnostic, ...]:
    """The same test inside each segment (segment → variant → units), p multiplied by the number of segments tested.

    A segment that is known before the draw must hold the drawn ratio; one that forms afterwards (a channel, an app
    version) shows where units are lost. Segments without any unit are left out.
    """
    tested = {name: found for name, found in sorted(counts.items()) if sum(found.values()) > 0}
    checks = []
    for segment, found in tested.items():
        p_value = min(1.0, sample_ratio(found, shares).p_value * len(tested))
        text = ", ".join(f"{share.variant}: {found.get(share.variant, 0)}" for share in shares)
        message = Message(
            "sample_ratio_segment",
            N_("{segment}: units with data ({counts}) against the drawn shares: p {p:p} for all segments together"),
            {"segment": segment, "counts": text, "p": p_value},
        )
        status = status_of_p(p_value, alarm=ALARM, warning=WARNING)
        checks.append(Diagnostic(f"sample_ratio:{segment}", status, p_value, message))
    return tuple(checks)
