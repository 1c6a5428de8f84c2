"""Customers drawn one by one: the door's own row builder on skewed spend, rare events, ratios and adjusted values."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from benchmarks.error_rates.cell import LEVEL, Cell, Floats, Tally
from benchmarks.error_rates.units import STUDENTISED, permuted, unit_table
from experiments.errors import NotEstimable
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import UnitTable
from experiments.frame import Frame, RowNumbers
from experiments.plan import Plan, plan_from_mapping
from experiments.rows import customers
from experiments.rows.finding import Finding

UNEQUAL = 1.5  # from this ratio of the arms on, skewed values are permuted
WELCH, NEWCOMBE, ADJUSTED = "welch", "newcombe", "welch_adjusted"
RATIO, RATIO_ADJUSTED = "welch_delta", "welch_delta_adjusted"


def frame_of(treated: Floats, columns: Mapping[str, Floats]) -> Frame:
    """One row a customer, two variants, no blocks."""
    n = len(treated)
    numbers = np.arange(n, dtype=np.int64)
    return Frame(
        units=RowNumbers(numbers),
        unit_of=numbers,
        rows_are_units=True,
        variants=("0", "1"),
        variant_of=treated.astype(np.int64),
        blocks=("",),
        block_of=np.zeros(n, dtype=np.int64),
        columns=columns,
        row_numbers=numbers + 1,
    )


def plan_of(metric: Mapping[str, object], estimand: str = "units") -> Plan:
    """The plan of one metric of customers."""
    return plan_from_mapping(
        {
            "data": {"unit": None, "variant": "v", "control": "0"},
            "assignment": "complete",
            "estimand": estimand,
            "metrics": [{"name": "m", "role": "primary", "direction": "increase", **metric}],
        }
    )


def count_rows(tally: Tally, frame: Frame, plan: Plan, lifted: Frame | float) -> None:
    """Count the headline and every alternative that the builder gives under no effect. Power: on the frame ``lifted``,
    or where it is a number, on the values with that much added to the treated (which shifts estimates and no error)."""
    try:
        row = customers.build(frame, plan, plan.metrics[0], "1")
        other = row if isinstance(lifted, float) else customers.build(lifted, plan, plan.metrics[0], "1")
    except NotEstimable as refusal:
        tally.refuse(refusal)
        return
    shift = lifted if isinstance(lifted, float) else 0.0
    if row.inference is None or other.inference is None:
        return
    tally.add(
        row.headline.method,
        alarm=row.inference.p_value() <= LEVEL,
        covers=_holds_zero(row.headline),
        finds=other.inference.p_value(-shift) <= LEVEL,
    )
    for finding in row.alternatives:
        holds = _holds_zero(finding)
        tally.add(finding.method, alarm=not holds, covers=holds)
    for finding in other.alternatives:
        tally.add(finding.method, finds=not _holds_zero(finding, shift))


def _holds_zero(finding: Finding, shift: float = 0.0) -> bool:
    low, high = finding.interval
    return (low is None or low + shift <= 0.0) and (high is None or high + shift >= 0.0)


def permutation(tally: Tally, table: UnitTable, effect: float) -> None:
    """What the door chooses for unequal arms: the studentised permutation of the units' values."""
    test = permuted(fit(table), studentise=True)
    p = test.p_value()
    tally.add(STUDENTISED, alarm=p <= LEVEL, covers=p > LEVEL, finds=test.p_value(-effect) <= LEVEL)


def is_permuted(arms: tuple[int, int]) -> bool:
    """Whether the door permutes skewed values of arms of these sizes."""
    return max(arms) >= UNEQUAL * min(arms)


def spend(
    rng: np.random.Generator, replications: int, tally: Tally, *, arms: tuple[int, int], tail: float, adjusted: bool
) -> None:
    """Lognormal spend, 40 % zeros; the covariate is the spend before, correlated .7 on the log scale."""
    control, variant = arms
    treated = np.repeat([0.0, 1.0], [control, variant])
    plan = plan_of({"kind": "mean", "value": "y", "covariates": ["x"] if adjusted else []})
    spread = np.sqrt(0.6 * np.exp(tail * tail) - 0.36)
    effect = 3.0 * spread * np.sqrt(1 / control + 1 / variant)
    for _ in range(replications):
        x = rng.standard_normal(len(treated))
        z = 0.7 * x + np.sqrt(0.51) * rng.standard_normal(len(treated))
        y = np.exp(tail * z - tail * tail / 2) * (rng.random(len(treated)) < 0.6)
        before = np.exp(tail * x - tail * tail / 2)
        columns = {"y": y, "x": before} if adjusted else {"y": y}
        if is_permuted(arms):
            permutation(tally, unit_table(y, treated, x=before if adjusted else None), effect)
        count_rows(tally, frame_of(treated, columns), plan, effect)


def events(rng: np.random.Generator, replications: int, tally: Tally, *, arms: tuple[int, int], share: float) -> None:
    """A yes or no per customer with the same true share in both arms."""
    control, variant = arms
    treated = np.repeat([0.0, 1.0], [control, variant])
    plan = plan_of({"kind": "proportion", "value": "y"})
    higher = share + 3.0 * np.sqrt(share * (1 - share) * (1 / control + 1 / variant))
    for _ in range(replications):
        u = rng.random(len(treated))
        y, lifted = (u < share).astype(float), (u < np.where(treated == 1.0, higher, share)).astype(float)
        count_rows(tally, frame_of(treated, {"y": y}), plan, frame_of(treated, {"y": lifted}))


def ratio(rng: np.random.Generator, replications: int, tally: Tally, *, arms: tuple[int, int], adjusted: bool) -> None:
    """Sales per receipt: receipts per customer geometric-Poisson (mean 3), lognormal levels, gamma receipts.

    ``naive`` treats each receipt as drawn.
    """
    control, variant = arms
    treated = np.repeat([0.0, 1.0], [control, variant])
    plan = plan_of({"kind": "ratio", "value": "y", "denominator": "d", "covariates": ["x"] if adjusted else []}, "rows")
    for _ in range(replications):
        d = rng.poisson(rng.gamma(1.0, 3.0, len(treated))).astype(float)
        level = rng.lognormal(-0.18, 0.6, len(treated))
        spread = rng.gamma(np.maximum(2.0 * d, 1e-9), 0.5) * (d > 0)
        y = level * spread
        effect = 3.0 * 1.1 * np.sqrt((1 / control + 1 / variant) / 1.5)
        columns = {"y": y, "d": d, "x": level * rng.lognormal(-0.045, 0.3, len(treated))}
        count_rows(tally, frame_of(treated, columns), plan, effect)
        if is_permuted(arms):
            some = d > 0
            permutation(tally, unit_table(y[some] / d[some], treated[some], weight=d[some]), effect)
        sums = [(y[treated == a].sum(), d[treated == a].sum()) for a in (0.0, 1.0)]
        rates = [a / b for a, b in sums]
        within = [(level[treated == a] ** 2 * d[treated == a]).sum() * 0.5 for a in (0.0, 1.0)]
        between = [(d[treated == a] * (level[treated == a] - rates[int(a)]) ** 2).sum() for a in (0.0, 1.0)]
        error = np.sqrt(sum((w + b) / n**2 for w, b, (_, n) in zip(within, between, sums, strict=True)))
        alarm = abs(rates[1] - rates[0]) > 1.96 * error
        tally.add("naive", alarm=alarm, covers=not alarm, finds=abs(rates[1] - rates[0] + effect) > 1.96 * error)


SPEND = tuple(
    Cell(
        "customers' spend",
        f"{control} v {variant}, tail {tail:g}{', adjusted' if adjusted else ''}",
        STUDENTISED if is_permuted((control, variant)) else ADJUSTED if adjusted else WELCH,
        partial(spend, arms=(control, variant), tail=tail, adjusted=adjusted),
    )
    for control, variant, tail, adjusted in (
        (50, 50, 1.0, False),
        (50, 50, 1.5, False),
        (200, 50, 1.0, False),
        (200, 50, 1.5, False),
        (200, 50, 1.0, True),
        (500, 500, 1.5, False),
        (500, 500, 1.0, True),
        (1_000, 100, 1.5, False),
    )
)
EVENTS = tuple(
    Cell(
        "customers' events",
        f"{control} v {variant}, share {share:g}",
        NEWCOMBE if min(control, variant) * min(share, 1 - share) < 20 else WELCH,
        partial(events, arms=(control, variant), share=share),
    )
    for control, variant, share in (
        (50, 50, 0.02),
        (50, 50, 0.1),
        (200, 50, 0.02),
        (200, 50, 0.1),
        (200, 50, 0.5),
        (500, 500, 0.1),
    )
)
RATIOS = tuple(
    Cell(
        "customers' ratios",
        f"{control} v {variant}{', adjusted' if adjusted else ''}",
        STUDENTISED if is_permuted((control, variant)) else RATIO_ADJUSTED if adjusted else RATIO,
        partial(ratio, arms=(control, variant), adjusted=adjusted),
    )
    for control, variant, adjusted in (
        (50, 50, False),
        (200, 50, False),
        (400, 100, False),
        (500, 500, False),
        (200, 200, True),
    )
)
CELLS = (*SPEND, *EVENTS, *RATIOS)
