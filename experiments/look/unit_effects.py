"""The effect on any ratio of sums per unit, by the headline's own method: what the chapters of a report estimate with.

A unit's value is ``y / n``, its value before the start ``x / n_x``; the coefficient of the regression on unit values
with blocks and the value before is permuted over the recorded mechanism (``unit_table``, ``unit_means``,
``permutation``). Units with nothing to divide by are left out, of a pair its partner too.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.design.acceptance import acceptance_of
from experiments.design.mechanisms import MechanismKind
from experiments.estimate.estimate import Estimate, Method, make_estimate
from experiments.estimate.permutation import PermutationInference, permutation_inference
from experiments.estimate.redraws import Redraws, redraws
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import UnitTable, unit_table
from experiments.look.plan import LookPlan
from experiments.look.rows import CONFIDENCE_LEVEL, FEW_IN_AN_ARM
from experiments.measure.metrics import spend_per_customer
from experiments.measure.unit_moments import UnitMoments


@dataclass(frozen=True, slots=True)
class Ratio:
    """Exact whole numbers of one unit: numerator and denominator in the window and before (0: nothing is known)."""

    unit: str
    y: int
    n: int
    x: int = 0
    n_x: int = 0


def ratio_table(ratios: Iterable[Ratio], plan: LookPlan, variant: str) -> UnitTable:
    """The table of ``variant`` against control. Raises ``NotEstimable`` where an arm is empty."""
    moments = [
        UnitMoments(r.unit, n=max(r.n, 0), y=r.y, yy=0, x=r.x, xx=0, xy=0, n_x=max(r.n_x, 0), days=1, days_x=1)
        for r in ratios
    ]
    # a sum per row, on no scale of its own
    return unit_table(
        spend_per_customer(), moments, mechanism=plan.mechanism, assignment=plan.assignment, variant=variant
    )


def redraws_of(table: UnitTable, plan: LookPlan, variant: str) -> Redraws:
    """The draws of the units of ``table`` that the recorded mechanism could have made."""
    accept = acceptance_of(plan.mechanism, plan.assignment, variant, table.units)
    return redraws(table, seed=plan.seed, draws=plan.draws, accept=accept)


def permuted(table: UnitTable, plan: LookPlan, variant: str) -> tuple[Estimate, PermutationInference]:
    """The permuted effect of ``table``, with its 95 % interval. Raises ``NotEstimable``."""
    regression = fit(table)
    paired = plan.mechanism.kind is MechanismKind.MATCHED_PAIRS
    studentise = not paired and table.smaller_arm() >= FEW_IN_AN_ARM
    inference = permutation_inference(regression, redraws_of(table, plan, variant), studentise=studentise)
    estimate = make_estimate(
        inference,
        method=Method.PERMUTATION_STUDENTISED if studentise else Method.PERMUTATION,
        std_error=inference.std_error,
        df=None,
        confidence_level=CONFIDENCE_LEVEL,
        n_units=table.n_units,
        n_rows=table.n_rows,
        mean_control=table.mean(False),
        mean_variant=table.mean(True),
    )
    return estimate, inference


def ratio_effect(ratios: Iterable[Ratio], plan: LookPlan, variant: str) -> Estimate:
    """The effect on a ratio of sums per unit, variant − control. Raises ``NotEstimable``."""
    return permuted(ratio_table(ratios, plan, variant), plan, variant)[0]
