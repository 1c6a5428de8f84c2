"""The complier effect: what taking it up did to those who took it up because they were assigned (2SLS, clustered).

With the reduced forms b_y and b_d, the coefficients of the assignment z in regressions of the outcome y and of what was
received d on z, blocks and covariates, the effect is τ̂ = b_y / b_d (two-stage least squares with one instrument). Its
error is that of the coefficient of z in the regression of y − τ̂ d, divided by |b_d|: CR2 with Bell–McCaffrey degrees of
freedom, the same as clubSandwich gives for ``ivreg``. The first-stage F is (b_d / its cluster-robust error)².
References: Imbens and Angrist (1994), Econometrica 62; Pustejovsky and Tipton (2018), JBES 36.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.errors import NotEstimable
from experiments.estimate.cluster_robust import Correction, cluster_robust, unit_means_cr2
from experiments.estimate.estimate import TInference
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import Floats, Ints, UnitTable
from experiments.messages import N_, Message

WEAK_F = 10.0
NEGLIGIBLE = 1e-12

# The coefficient of the assignment in the regression of one outcome, with its cluster-robust error.
ReducedForm = Callable[[Floats], TInference]

EXCLUSION = Message(
    "exclusion_restriction",
    N_(
        "complier effect: the assignment acts on the outcome only through what was received, and makes nobody "
        "refuse who would have taken it otherwise"
    ),
    {},
)


@dataclass(frozen=True, slots=True)
class ComplierEffect:
    """``inference`` is of the effect on compliers, ``intention_to_treat`` of the assignment on the outcome and
    ``uptake`` of the assignment on what was received, all with the same cluster-robust error."""

    inference: TInference
    intention_to_treat: TInference
    uptake: TInference

    @property
    def first_stage_f(self) -> float:
        """The squared t of the uptake difference; infinite where uptake has no error."""
        if self.uptake.std_error == 0.0:
            return math.inf
        return (self.uptake.effect / self.uptake.std_error) ** 2

    @property
    def is_weak(self) -> bool:
        """Whether F is below 10: then only the Anderson–Rubin set keeps its level."""
        return self.first_stage_f < WEAK_F


def complier_effect(y: Floats, received: Floats, reduced_form: ReducedForm) -> ComplierEffect:
    """The effect of ``received`` (0/1, or a unit's share) on ``y``; both have an entry for each row of
    ``reduced_form``.

    Assumes random assignment, that it acts only through what was received, and no defiers. Raises ``NotEstimable``
    where nobody or everybody took up, or both arms did alike.
    """
    check_uptake(received)
    uptake = reduced_form(received)
    if abs(uptake.effect) <= NEGLIGIBLE:
        raise no_uptake_difference()
    effect = (itt := reduced_form(y)).effect / uptake.effect
    rest = reduced_form(y - effect * received)
    return ComplierEffect(TInference(effect, rest.std_error / abs(uptake.effect), rest.df), itt, uptake)


def check_uptake(received: Floats) -> None:
    """Raise ``NotEstimable`` where nobody or everybody took up."""
    if not len(received) or float(received.min()) == float(received.max()):
        share = float(received[0]) if len(received) else 0.0
        raise NotEstimable(
            Message(
                "uptake_does_not_vary",
                N_("what was received is {share:g} everywhere; a complier effect needs takers and others"),
                {"share": share},
            )
        )


def no_uptake_difference() -> NotEstimable:
    """The refusal where the assignment did not change what was received."""
    return NotEstimable(Message("no_uptake_difference", N_("both variants took up alike; there is no complier"), {}))


def clustered_reduced_form(
    assigned: Floats,
    clusters: Sequence[str] | Ints,
    *,
    controls: Floats | None = None,
    correction: Correction = Correction.CR2,
) -> ReducedForm:
    """Regressions of rows: ``assigned`` (N) 0/1, rows grouped by ``clusters`` (N), ``controls`` (N × k) such as block
    indicators."""
    columns = [np.ones(len(assigned)), assigned] + ([] if controls is None else [*controls.T])
    design = np.column_stack(columns)

    def regress(outcome: Floats) -> TInference:
        return cluster_robust(design, outcome, clusters, coefficient=1, correction=correction)

    return regress


def unit_reduced_form(table: UnitTable) -> ReducedForm:
    """Regressions on unit means with the blocks, covariates and bystanders of ``table``; outcomes are (n units)."""

    def regress(outcome: Floats) -> TInference:
        return unit_means_cr2(fit(replace(table, y=outcome)))

    return regress


def two_sample_reduced_form(assigned: Floats) -> ReducedForm:
    """Differences of means of independent rows (no blocks, no covariates), any number of them: HC2 with
    Bell–McCaffrey degrees of freedom in closed form, what CR2 is where every row is its own cluster.

    Reference: Imbens and Kolesár (2016), Review of Economics and Statistics 98, for the degrees of freedom.
    """
    arms = [np.flatnonzero(assigned == arm) for arm in (0.0, 1.0)]
    n_c, n_v = len(arms[0]), len(arms[1])
    if min(n_c, n_v) < 2:
        raise NotEstimable(
            Message("too_few_customers_for_error", N_("an arm has {n} rows; an error needs two"), {"n": min(n_c, n_v)})
        )
    df = (n_c + n_v) ** 2 * (n_c - 1) * (n_v - 1) / (n_v**2 * (n_v - 1) + n_c**2 * (n_c - 1))

    def compare(outcome: Floats) -> TInference:
        means = [float(outcome[rows].mean()) for rows in arms]
        variance = sum(
            float(((outcome[rows] - m) ** 2).sum()) / (len(rows) * (len(rows) - 1))
            for rows, m in zip(arms, means, strict=True)
        )
        return TInference(means[1] - means[0], math.sqrt(variance), df)

    return compare
