"""The effect on any value of drawn customers, by the headline's own method: what chapters on customers estimate with.

A customer's value is ``y`` (before the start ``x``), or of an arm the ratio Σy / Σd (before: Σx / Σe); the arms are
compared by Welch's test with the pooled adjustment, stratum by stratum where strata were drawn (``welch``).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from experiments.design.mechanisms import CONTROL, MechanismKind
from experiments.errors import NotEstimable
from experiments.estimate.welch import welch
from experiments.look.plan import LookPlan
from experiments.look.rows import Effect, customer_effect
from experiments.measure.exact import products_totals, whole_totals
from experiments.measure.metrics import Metric, average_basket, spend_per_customer
from experiments.measure.unit_moments import ArmMoments
from experiments.messages import N_, Message

Whole = npt.NDArray[np.int64]
_NOBODY = Message("no_customer_of_arm", N_("none of these customers is in {variant}"), {})
_PAIRS = tuple(
    (one, other, one + other)
    for one, others in {"y": "ydxe", "d": "dxe", "x": "xe", "e": "e"}.items()
    for other in others
)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """``labels`` are the variant and stratum of each cell, ``cells`` (n) says in which of them each customer is."""

    labels: tuple[tuple[str, str], ...]
    cells: Whole

    def among(self, keep: npt.NDArray[np.bool_]) -> "Drawn":
        """Some of them."""
        return replace(self, cells=self.cells[keep])

    def of(self, variant: str) -> npt.NDArray[np.bool_]:
        """(n) who is in an arm."""
        mine = np.array([label[0] == variant for label in self.labels], dtype=np.bool_)
        return mine[self.cells]

    def count(self, variant: str) -> int:
        """How many are in an arm."""
        return int(np.count_nonzero(self.of(variant)))


def value_moments(
    drawn: Drawn,
    y: Whole,
    x: Whole | None = None,
    *,
    d: Whole | None = None,
    e: Whole | None = None,
    days: int = 1,
    days_before: int = 1,
) -> list[ArmMoments]:
    """The moments of each variant and stratum. Without ``x`` nothing is known of before; without ``d`` everybody's
    denominator is one."""
    n = len(y)
    ones = np.ones(n, dtype=np.int64)
    nothing = np.zeros(n, dtype=np.int64)
    columns = {
        "y": y,
        "d": ones if d is None else d,
        "x": nothing if x is None else x,
        "e": nothing if x is None else ones if e is None else e,
    }
    cells, k = drawn.cells, len(drawn.labels)
    sums = {letter: whole_totals(column, cells, k) for letter, column in columns.items()}
    for one, other, name in _PAIRS:
        sums[name] = products_totals(columns[one], columns[other], cells, k)
    counts = np.bincount(cells, minlength=k).tolist()
    return [
        ArmMoments(
            variant=variant, stratum=stratum, n=counts[cell], days=days, days_x=days_before,
            **{name: int(column[cell]) for name, column in sums.items()},
        )
        for cell, (variant, stratum) in enumerate(drawn.labels)
        if counts[cell]
    ]  # fmt: skip


def value_effect(plan: LookPlan, moments: list[ArmMoments], variant: str, *, ratio: bool = False) -> Effect:
    """The effect of ``variant`` on a mean per customer, or on a ratio of sums. Raises ``NotEstimable``."""
    _require_arms(moments, variant)
    return customer_effect(plan, _metric(ratio=ratio), moments, variant)


def part_effect(plan: LookPlan, moments: list[ArmMoments], variant: str) -> float:
    """The effect on a part of an outcome, with the outcome's own values before; parts of an outcome add up to it. 0
    where everybody has the same, mostly nothing at all."""
    _require_arms(moments, variant)
    stratified = plan.mechanism.kind is MechanismKind.STRATIFIED
    try:
        return welch(spend_per_customer(), moments, variant=variant, by_stratum=stratified).inference.effect
    except NotEstimable as refused:
        if refused.message.code == "no_variation":
            return 0.0
        raise


def _metric(*, ratio: bool) -> Metric:
    """Names how sums are read: a mean of customers, or a ratio of sums; on no scale of its own."""
    return average_basket() if ratio else spend_per_customer()


def _require_arms(moments: list[ArmMoments], variant: str) -> None:
    for arm in (CONTROL, variant):
        if not any(row.variant == arm for row in moments):
            raise NotEstimable(Message(_NOBODY.code, _NOBODY.template, {"variant": arm}))
