"""Cox's proportional hazards for one variant against control, with an error that is robust to clusters; log-rank.

The hazard of a unit is h₀(t) exp(β t_i + …); β maximises the partial likelihood with Breslow's treatment of ties, and
its error is the sandwich of scores summed inside clusters, normal (Lin and Wei 1989, JASA 84). It is secondary: the
hazard ratio has no meaning when the curves cross, and with few clusters its error is too short.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.errors import InvalidNumber, NotEstimable
from experiments.estimate.estimate import TInference
from experiments.estimate.kaplan_meier import check_durations
from experiments.estimate.unit_table import Floats, Ints
from experiments.messages import N_, Message

_STEPS = 60
_CLOSE = 1e-11
_HALVINGS = 30
_FLAT = 1e-9  # information per event under which the likelihood has no maximum to find


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
    design = treated[:, None] if covariates is None else np.column_stack([treated, covariates])
    scale = design.std(axis=0)
    if bool((scale == 0.0).any()) or np.linalg.matrix_rank(design - design.mean(axis=0)) < design.shape[1]:
        raise InvalidNumber(name="covariates", value="dependent columns", must_be="linearly independent")
    own = np.arange(len(time)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    own = own.reshape(-1)
    beta, inverse, scores = _maximise(_risk_sets(time, event), (design - design.mean(axis=0)) / scale)
    sums = np.stack([np.bincount(own, weights=column) for column in scores.T], axis=1)
    loading = np.einsum("gk,k->g", sums, inverse[0])
    robust = math.sqrt(float((loading * loading).sum())) / float(scale[0])
    model = math.sqrt(float(inverse[0, 0])) / float(scale[0])
    inference = TInference(float(beta[0] / scale[0]), robust, math.inf)
    return Cox(inference, model, sum(seen), int(own.max()) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class _RiskSets:
    """Rows in rising order of time (``order``), the distinct event times' first row at risk (``first``) and number of
    events, and for each row the number of event times up to its own (``passed``)."""

    order: Ints
    first: Ints
    events: Floats
    passed: Ints
    event: Floats


def _risk_sets(time: Floats, event: Floats) -> _RiskSets:
    order = np.argsort(time, kind="stable")
    ordered = time[order]
    times, counts = np.unique(time[event == 1.0], return_counts=True)
    first = np.searchsorted(ordered, times, side="left")
    passed = np.searchsorted(times, time, side="right")
    return _RiskSets(order, first.astype(np.int64), counts.astype(np.float64), passed.astype(np.int64), event)


def _maximise(sets: _RiskSets, x: Floats) -> tuple[Floats, Floats, Floats]:
    """β, the inverse information (k × k) and the score of every row (n × k), by Newton's method with halved steps."""
    k = x.shape[1]
    beta = np.zeros(k)
    likelihood, score, information, scores = _partial(sets, x, beta)
    for _ in range(_STEPS):
        if not float(np.linalg.eigvalsh(information).min()) > _FLAT * len(sets.events):
            break
        inverse = np.linalg.inv(information).astype(np.float64)
        step = np.einsum("ij,j->i", inverse, score)
        if float(np.abs(step).max()) <= _CLOSE * max(1.0, float(np.abs(beta).max())):
            return beta, inverse, scores
        for _ in range(_HALVINGS):
            found = _partial(sets, x, beta + step)
            if found[0] >= likelihood - abs(likelihood) * _CLOSE:
                break
            step = step / 2.0
        beta, (likelihood, score, information, scores) = beta + step, found
    raise NotEstimable(
        Message("hazard_ratio_infinite", N_("the hazard ratio has no finite estimate in these durations"), {})
    )


def _partial(sets: _RiskSets, x: Floats, beta: Floats) -> tuple[float, Floats, Floats, Floats]:
    """Breslow's log partial likelihood, its gradient, minus its Hessian, and the score of every row."""
    predictor = np.einsum("nk,k->n", x, beta)
    hazard = np.exp(predictor)

    def at_risk(values: Floats) -> Floats:
        return np.cumsum(values[sets.order][::-1])[::-1][sets.first].astype(np.float64)

    k = x.shape[1]
    total = at_risk(hazard)
    mean = np.stack([at_risk(hazard * x[:, i]) / total for i in range(k)], axis=1)
    second = np.array([[at_risk(hazard * x[:, i] * x[:, j]) / total for j in range(k)] for i in range(k)])
    seen = sets.event == 1.0
    likelihood = float(predictor[seen].sum()) - float((sets.events * np.log(total)).sum())
    gradient = x[seen].sum(axis=0) - (sets.events[:, None] * mean).sum(axis=0)
    spread = second - np.einsum("ti,tj->ijt", mean, mean)
    information = (spread * sets.events).sum(axis=2)
    rate = sets.events / total  # the steps of the baseline hazard
    level = np.concatenate([[0.0], np.cumsum(rate)])[sets.passed]
    drift = np.concatenate([np.zeros((1, k)), np.cumsum(rate[:, None] * mean, axis=0)])[sets.passed]
    last = np.maximum(sets.passed - 1, 0)
    own = np.where(seen[:, None], x - mean[last], 0.0)
    scores = own - hazard[:, None] * (x * level[:, None] - drift)
    return likelihood, gradient, information, scores


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
