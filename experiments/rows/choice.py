"""Which builder answers a row: a table of rules over unit, outcome and design, each with its reason."""

from dataclasses import dataclass, replace

import numpy as np

from experiments.errors import NotEstimable
from experiments.frame import NEVER, Frame
from experiments.messages import N_, Message
from experiments.plan import Assignment, Kind, MetricSpec, Plan
from experiments.rows import customers, units
from experiments.rows.finding import Finding, RowBuilder, RowResult
from experiments.rows.units import MOST_PERMUTED

FEW_UNITS = 50  # in the smaller arm: under it a sum of units is not normal enough to lean on
MOST_IN_SMALL_BLOCKS = 0.01  # of the units: so few may be compared across blocks
FEW_TREATED = 4
UNEQUAL = 1.5  # times as many in one arm: skew no longer cancels in the difference

# Every method that can lead a row.
HEADLINES = frozenset(
    {
        "permutation", "permutation_studentised", "regression_t", "cr2", "rows_cr2", "welch", "welch_adjusted",
        "welch_delta", "welch_delta_adjusted", "newcombe", "difference_in_differences_hc2", "callaway_santanna",
        "stepped_wedge_permutation", "synthetic_did", "rmst",
    }
)  # fmt: skip

_OWN_DRAW = (Assignment.MATCHED_PAIRS, Assignment.RERANDOMIZED)  # only their own redraws are comparable


@dataclass(frozen=True, slots=True)
class Choice:
    """The builder of a row, and why it was chosen."""

    build: RowBuilder
    reason: Message


def choose(frame: Frame, plan: Plan, metric: MetricSpec, variant: str) -> Choice:
    """The builder for ``metric`` of ``variant``: what the design licenses, for the number of units there are."""
    if metric.kind is Kind.DURATION:
        from experiments.rows import duration

        return Choice(duration.build, Message("duration", N_("time to an event: restricted mean time"), {}))
    if is_panel(plan):
        return _of_panel(frame, plan, variant)
    sizes = frame.arm_sizes()
    small = int(min(sizes[0], sizes[frame.variants.index(variant)]))
    total = int(sizes[0] + sizes[frame.variants.index(variant)])
    if plan.is_randomised and _skew_remains(metric, small, total):
        reason = N_("arms of unequal size, in which skewed values upset the normal approximation: permutation")
        return Choice(units.build, Message("unequal_arms", reason, {}))
    if _are_independent(frame, plan, variant, small, total):
        reason = N_("independent units, {few} or more in each arm: a normal approximation holds")
        return Choice(customers.build, Message("many_units", reason, {"few": FEW_UNITS}))
    if not plan.is_randomised:
        reason = N_("not randomised: the error of the regression on units, never a permutation")
        return Choice(units.build, Message("observational_units", reason, {}))
    reason = N_("units were drawn, and few: the p-value comes from the other draws that could have been")
    return Choice(units.build, Message("drawn_units", reason, {}))


def is_panel(plan: Plan) -> bool:
    """Whether time before the start takes part: a period with a window before it, or a start per unit."""
    if plan.data.period is None:
        return False
    return plan.data.treated_from is not None or (plan.windows is not None and plan.windows.before is not None)


def has_one_start(frame: Frame) -> bool:
    """Whether all treated units of a panel start in the same period."""
    if frame.first_treated is None:
        return True
    return len(np.unique(frame.first_treated[frame.first_treated != NEVER])) <= 1


def with_additions(frame: Frame, plan: Plan, metric: MetricSpec, variant: str, row: RowResult) -> RowResult:
    """``row`` with the alternatives that further columns allow: compliers, cost, synthetic controls."""
    found: list[Finding] = []
    missing: list[Message] = []
    if _has_series(plan, metric) and has_one_start(frame) and plan.is_randomised:
        from experiments.rows import synthetic

        try:
            beside = synthetic.alternatives(frame, plan, metric, variant)
        except NotEstimable:  # an alternative never takes its row down
            beside = ()
        found += beside
        if not beside:
            text = N_("{metric}, {variant}: no synthetic control can be formed to stand beside this row")
            missing.append(Message("no_synthetic_control", text, {"metric": metric.name, "variant": variant}))
    if frame.cost is not None:
        from experiments.rows import geo

        costs, reasons = geo.tried(frame, plan, metric, variant)
        found += costs
        missing += reasons
    if found or missing:
        row = replace(row, alternatives=(*row.alternatives, *found), warnings=(*row.warnings, *missing))
    if frame.received is not None and metric.kind is not Kind.DURATION:
        from experiments.rows.compliers import complier_findings

        try:
            added = complier_findings(frame, plan, metric, variant)
        except NotEstimable as refused:
            return replace(row, warnings=(*row.warnings, refused.message))
        row = replace(
            row,
            alternatives=(*row.alternatives, *added.findings),
            assumptions=(*row.assumptions, *added.assumptions),
            warnings=(*row.warnings, *added.warnings),
            diagnostics=(*row.diagnostics, *added.diagnostics),
            extra={**row.extra, **added.extra},
        )
    return row


def _has_series(plan: Plan, metric: MetricSpec) -> bool:
    """Whether a unit's series before the start can be matched by others."""
    return is_panel(plan) and metric.kind is not Kind.DURATION and plan.assignment is not Assignment.STEPPED_WEDGE


def _of_panel(frame: Frame, plan: Plan, variant: str) -> Choice:
    if plan.assignment is Assignment.STEPPED_WEDGE or not has_one_start(frame):
        from experiments.rows import staggered

        reason = N_("units start at different times: each start is compared with units not yet treated")
        return Choice(staggered.build, Message("several_starts", reason, {}))
    treated = int(frame.arm_sizes()[frame.variants.index(variant)])
    if not plan.is_randomised and treated <= FEW_TREATED:
        from experiments.rows import synthetic

        reason = N_("{n} hand-picked units: compared with a weighted mix of the others that moved as they did before")
        return Choice(synthetic.build, Message("few_hand_picked", reason, {"n": treated}))
    from experiments.rows import panel

    reason = N_("one start, with periods before it: the mean after the start, adjusted by the mean before")
    return Choice(panel.build, Message("one_start", reason, {}))


def _skew_remains(metric: MetricSpec, small: int, total: int) -> bool:
    """Whether one arm is so much larger that Welch's test of values without an upper end errs; plain proportions have
    Newcombe's interval instead."""
    return metric.kind is not Kind.PROPORTION and total <= MOST_PERMUTED and total - small >= UNEQUAL * small


def _are_independent(frame: Frame, plan: Plan, variant: str, small: int, total: int) -> bool:
    """Whether the units may be taken as a large sample of independent ones, if need be inside strata large enough to
    have a variance of their own: never pairs, however many, nor a draw with a rule of its own."""
    if plan.assignment in _OWN_DRAW or _in_small_blocks(frame, variant) > MOST_IN_SMALL_BLOCKS:
        return False
    if total > MOST_PERMUTED:
        return True
    if small < FEW_UNITS:
        return False
    if plan.data.unit is None or total > units.MOST_UNITS:
        return True
    return plan.assignment is Assignment.BERNOULLI and frame.rows_are_units


def _in_small_blocks(frame: Frame, variant: str) -> float:
    """The share of the units of the two variants in blocks that hold both, but of one of them a single unit."""
    if not frame.has_blocks:
        return 0.0
    arms = (0, frame.variants.index(variant))
    counts = np.stack(
        [np.bincount(frame.block_of[frame.variant_of == arm], minlength=len(frame.blocks)) for arm in arms]
    )
    return float(counts[:, counts.min(axis=0) == 1].sum() / max(1, counts.sum()))
