"""Difference-in-differences of a balanced panel with one start: the change of each unit, compared once.

With d_i the mean of unit i after the start less its mean before, the two-way fixed effects coefficient is exactly the
coefficient of d on treatment (and block indicators); so the panel is collapsed to one number per unit and serial
correlation does no harm. Errors of the same effect: ``pooled`` (equal variances, Student's t on units − blocks − 1),
``welch`` (unequal variances, without blocks), ``hc2`` (HC2 with Bell–McCaffrey degrees of freedom: exactly CR2 by unit
of the panel with unit and period indicators). ``event_times`` compare each period with the last one before the start.
Assumes that without treatment both arms would have changed alike. References: Bertrand, Duflo and Mullainathan (2004),
Quarterly Journal of Economics 119; Bell and McCaffrey (2002), Survey Methodology 28.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.cluster_robust import unit_means_cr2
from experiments.estimate.estimate import TInference
from experiments.estimate.simultaneous_band import Band, simultaneous_band
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_panel import NEVER, Bools, Floats, Ints, UnitPanel
from experiments.estimate.unit_table import UnitTable, columns
from experiments.messages import N_, Message

_RANK = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class EventTimes:
    """The difference of the arms in each period but the last before the start, against that period.

    ``events`` are periods since the start (−2 and below before it), ``influence`` (U, k) what each unit adds to each
    effect, times U; ``covariance`` (k, k) the HC2 covariance, ``df`` its Bell–McCaffrey degrees of freedom.
    """

    events: tuple[int, ...]
    effects: Floats
    influence: Floats
    df: float

    @property
    def covariance(self) -> Floats:
        """(k, k) the covariance of the effects."""
        each = self.influence / len(self.influence)
        return np.asarray(np.einsum("ik,il->kl", each, each), dtype=np.float64)

    @property
    def std_errors(self) -> Floats:
        """(k,) their errors."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)), dtype=np.float64)

    @property
    def before(self) -> Bools:
        """(k,) which of them lie before the start."""
        return np.array([event < 0 for event in self.events], dtype=np.bool_)

    def band(self, *, confidence_level: float, seed: int) -> Band:
        """The band that holds for all of them together."""
        return simultaneous_band(
            self.effects,
            self.std_errors,
            self.influence,
            confidence_level=confidence_level,
            seed=seed,
            df=self.df,
        )


@dataclass(frozen=True, slots=True, eq=False)
class DifferenceInDifferences:
    """One effect, three errors. ``welch`` is None with blocks or one unit in an arm, ``hc2`` where one unit alone
    carries the effect; ``event_times`` is None where their errors cannot be told."""

    table: UnitTable
    pooled: TInference
    welch: TInference | None
    hc2: TInference | None
    event_times: EventTimes | None

    @property
    def effect(self) -> float:
        """The mean change of the treated less that of the others, inside blocks."""
        return self.pooled.effect


def difference_in_differences(panel: UnitPanel, *, block: Ints | None = None) -> DifferenceInDifferences:
    """The estimate of ``panel``; ``block`` (U,) numbers the blocks from 0.

    Raises ``NotEstimable`` when a unit lacks a period, when units started in different periods (then the collapsed
    change is not the estimate of the panel), or when there is no period before the start.
    """
    start = _only_start(panel)
    return of_series(_table(panel, block), panel.y, start)


def of_series(table: UnitTable, y: Floats, start: int) -> DifferenceInDifferences:
    """The same for the series ``y`` (n, T) of the units of ``table``, whose own values are not used.

    Blocks, covariates and variants that stand by are those of the table. Raises ``NotEstimable`` without a period
    before ``start``, or where the changes say nothing.
    """
    if start == 0:
        raise NotEstimable(Message("no_period_before", N_("there is no period before the start"), {}))
    changes = replace(table, y=y[:, start:].mean(axis=1) - y[:, :start].mean(axis=1))
    regression = fit(changes)
    try:
        hc2 = unit_means_cr2(regression)
    except NotEstimable:
        return DifferenceInDifferences(changes, regression.inference, None, None, None)
    return DifferenceInDifferences(
        changes, regression.inference, _welch(changes), hc2, _event_times(table, y, start, hc2.df)
    )


def _only_start(panel: UnitPanel) -> int:
    incomplete = [u for u, row in zip(panel.units, np.isfinite(panel.y), strict=True) if not row.all()]
    if incomplete:
        raise NotEstimable(
            Message(
                "panel_not_balanced",
                N_("{n} units lack a period ({units}); the change of a unit is exact only in a balanced panel"),
                {"n": len(incomplete), "units": ", ".join(incomplete)},
            )
        )
    if len(panel.starts) != 1:
        raise NotEstimable(
            Message(
                "several_starts",
                N_("units started in {n} different periods; one difference in differences needs exactly one start"),
                {"n": len(panel.starts)},
            )
        )
    return panel.starts[0]


def _table(panel: UnitPanel, block: Ints | None) -> UnitTable:
    n = panel.n_units
    return UnitTable(
        units=panel.units,
        y=np.zeros(n),
        treated=(panel.first_treated != NEVER).astype(np.float64),
        block=np.zeros(n, dtype=np.int64) if block is None else block,
        covariates=columns(n),
        bystanders=columns(n),
        weight=panel.weight,
        n_rows=n * panel.n_periods,
    )


def _welch(table: UnitTable) -> TInference | None:
    """Unequal variances, Satterthwaite's degrees of freedom."""
    if table.n_blocks > 1 or table.weight is not None or table.covariates.shape[1] or not table.moves.all():
        return None
    arms = [table.y[table.treated == arm] for arm in (0.0, 1.0)]
    if min(len(arm) for arm in arms) < 2:
        return None
    variances = [float(((arm - arm.mean()) ** 2).sum()) / (len(arm) - 1) / len(arm) for arm in arms]
    total = sum(variances)
    if not total > 0.0:
        return None
    df = total**2 / sum(v**2 / (len(arm) - 1) for v, arm in zip(variances, arms, strict=True))
    return TInference(float(arms[1].mean() - arms[0].mean()), math.sqrt(total), df)


def _event_times(table: UnitTable, y: Floats, start: int, df: float) -> EventTimes | None:
    events, effects, parts = [], [], []
    for period in range(y.shape[1]):
        change = y[:, period] - y[:, start - 1]
        if period == start - 1 or not float(np.ptp(change)) > 0.0:
            continue
        regression = fit(replace(table, y=change))
        total = float((regression.t_hat**2).sum())
        slack = 1.0 - regression.nuisance.leverage - regression.t_hat**2 / total
        weight = np.where(slack > _RANK, 1.0 / np.sqrt(np.maximum(slack, _RANK)), 0.0)
        events.append(period - start)
        effects.append(regression.effect)
        parts.append(len(y) * regression.t_hat / total * regression.residual * weight)
    return EventTimes(tuple(events), np.array(effects), np.column_stack(parts), df) if events else None
