"""Cox's proportional hazards for one variant against control, with an error that is robust to clusters; log-rank.

The hazard of a unit is h₀(t) exp(β t_i + …); β maximises the partial likelihood with Breslow's treatment of ties, and
its error is the sandwich of scores summed inside clusters (Lin and Wei 1989, JASA 84), normal. It is secondary: the
hazard ratio has no meaning when the curves cross, and with few clusters its error is too short.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.kaplan_meier import check_durations
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message


@dataclass(frozen=True, slots=True)
class Cox:
    """``inference`` is of log hazard ratio, variant against control, with the robust error; ``model_std_error`` is
    the error if rows were independent and hazards proportional."""

    inference: TInference
    model_std_error: float
    n_events: int
    n_clusters: int

    @property
    def hazard_ratio(self) -> float:
        """exp(β): above 1 events come sooner in the variant."""
        return math.exp(self.inference.effect)


@dataclass(frozen=True, slots=True)
class LogRank:
    """The log-rank test: χ² with one degree of freedom, and events seen and expected in the variant."""

    statistic: float
    p_value: float
    observed: float
    expected: float


def cox(
    time: Floats,
    event: Floats,
    treated: Floats,
    *,
    clusters: Sequence[str] | Ints | None = None,
    covariates: Floats | None = None,
) -> Cox:
    """Arrays (n); ``clusters`` (n) None: every row is its own; ``covariates`` (n × k) from before the start.

    Assumes proportional hazards, independent censoring, many clusters. Raises ``NotEstimable`` without an event in
    each arm, where the partial likelihood has no maximum.
    """
    check_durations(time, event)
    seen = [int(event[treated == arm].sum()) for arm in (0.0, 1.0)]
    if min(seen) == 0:
        raise NotEstimable(
            Message(
                "no_event_in_an_arm",
                N_("{control} events in control and {variant} in the variant; a hazard ratio needs both"),
                {"control": seen[0], "variant": seen[1]},
            )
        )
    from statsmodels.duration.hazard_regression import PHReg

    own = np.arange(len(time)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    design = treated[:, None] if covariates is None else np.column_stack([treated, covariates])
    model = PHReg(time, design, status=event, ties="breslow")
    plain = model.fit()
    robust = model.fit(groups=own.reshape(-1))
    return Cox(
        TInference(float(robust.params[0]), float(robust.bse[0]), math.inf),
        float(plain.bse[0]),
        sum(seen),
        len(np.unique(own)),
    )


def log_rank(time: Floats, event: Floats, treated: Floats) -> LogRank:
    """The log-rank test of independent units: (O − E)² / V with the hypergeometric variance, summed over event times.

    Raises ``NotEstimable`` where no event time has both arms at risk.
    """
    from scipy.special import chdtrc

    check_durations(time, event)
    times = np.unique(time[event == 1.0])

    def sums(rows: Floats) -> tuple[Floats, Floats]:
        ordered = np.sort(time[rows == 1.0])
        at_risk = len(ordered) - np.searchsorted(ordered, times, side="left")
        hit = np.sort(time[(rows == 1.0) & (event == 1.0)])
        events = np.searchsorted(hit, times, side="right") - np.searchsorted(hit, times, side="left")
        return at_risk.astype(np.float64), events.astype(np.float64)

    n_v, d_v = sums(treated)
    n_all, d_all = sums(np.ones_like(treated))
    expected = d_all * n_v / n_all
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(n_all > 1, expected * (1 - n_v / n_all) * (n_all - d_all) / (n_all - 1), 0.0)
    if not float(spread.sum()) > 0.0:
        raise NotEstimable(
            Message("arms_never_together", N_("no event came while both arms were watched; nothing to compare"), {})
        )
    statistic = float((d_v - expected).sum()) ** 2 / float(spread.sum())
    return LogRank(statistic, float(chdtrc(1, statistic)), float(d_v.sum()), float(expected.sum()))
