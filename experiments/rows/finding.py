"""What a row builder gives back: the headline, what stands beside it, and the raw means."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from experiments.estimate.estimate import Inference, Interval
from experiments.messages import Message
from experiments.monitor.diagnostic import Diagnostic

if TYPE_CHECKING:
    from experiments.frame import Frame
    from experiments.plan import MetricSpec, Plan


@dataclass(frozen=True, slots=True)
class Finding:
    """One method's answer. ``per`` is None on the row's own scale, else what the effect is per ("unit of cost",
    "total"). ``interval_level`` is the confidence level of ``interval``, whose ends are None where the data set no
    limit. ``df`` is None where there is no reference distribution with degrees of freedom.
    ``estimand`` is named where it differs from the row's; ``extra`` is JSON-able and stands beside the other keys."""

    method: str
    effect: float
    std_error: float | None
    df: float | None
    interval: Interval
    p_value: float | None
    interval_level: float
    per: str | None = None
    estimand: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowResult:
    """One metric of one variant. ``inference`` answers one-sided questions and other levels (None: the method cannot).

    ``estimand`` names what is estimated, ``mean_control`` and ``mean_variant`` are its raw means; ``n_units`` counts
    the units of the two variants and ``n_rows`` their rows. ``randomization_p`` is the permutation p-value where the
    mechanism licenses one. ``extra`` is JSON-able and stands beside the row's keys. ``control_error`` is the squared
    error of control's mean where the arms are independent samples: what variants share in Dunnett's test.
    ``on_treated`` says that the effect is one on the treated units: as a share it is of what they would have had,
    ``mean_variant`` − effect, else of ``mean_control``.
    """

    headline: Finding
    inference: Inference | None
    estimand: str
    mean_control: float
    mean_variant: float
    n_units: int
    n_rows: int
    randomization_p: float | None
    assumptions: tuple[Message, ...]
    alternatives: tuple[Finding, ...]
    warnings: tuple[Message, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)
    control_error: float | None = None
    on_treated: bool = False

    @property
    def relative_effect(self) -> float | None:
        """The headline's effect as a share; None where there is nothing to divide by."""
        base = self.mean_variant - self.headline.effect if self.on_treated else self.mean_control
        return self.headline.effect / base if math.isfinite(base) and base else None


class RowBuilder(Protocol):
    """Answers one metric of one variant, or raises ``NotEstimable`` with the reason that the row then shows."""

    def __call__(self, frame: "Frame", plan: "Plan", metric: "MetricSpec", variant: str) -> RowResult: ...


def finding(inference: Inference, method: str, *, std_error: float | None, df: float | None, level: float) -> Finding:
    """The ``Finding`` of an inference on the row's own scale, with its interval at confidence ``level``."""
    return Finding(method, inference.effect, std_error, df, inference.interval(level), inference.p_value(), level)
