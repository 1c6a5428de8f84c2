"""The rules by which a cell is judged, fixed before anything was measured."""

import math
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.error_rates.cell import LEVEL, Cell, Counts, Tally

MOST_ALARMS, MOST_ALARMS_BOUND, FEWEST_ALARMS = 0.07, 0.08, 0.03
COVERAGE = (0.93, 0.98)
_Z99 = 2.3263478740408408
NAIVE = "naive"
WARNINGS = (
    NAIVE,
    "unadjusted",
    "its normal approximation",
    "unpaired t",
    "t without the criterion",
    "free permutation",
    "super-population",
)


class Kind(StrEnum):
    """What a verdict says."""

    INSIDE = "inside"
    DESIGN = "the design's own level"
    CONSERVATIVE = "conservative"
    UNREACHABLE = "too few units to reject"
    REFUSED = "refused"
    BROKEN = "assumption broken on purpose"
    OUTSIDE = "OUTSIDE"


@dataclass(frozen=True, slots=True)
class Verdict:
    kind: Kind
    says: str


def upper_bound(hits: int, n: int) -> float:
    """The upper 99 % Monte-Carlo bound of a rate (Wilson)."""
    rate = hits / n
    centre = rate + _Z99**2 / (2 * n)
    reach = _Z99 * math.sqrt(rate * (1 - rate) / n + _Z99**2 / (4 * n * n))
    return (centre + reach) / (1 + _Z99**2 / n)


def monte_carlo_error(hits: int, n: int) -> float:
    """The standard error of a rate over ``n`` replications."""
    return math.sqrt(hits / n * (1 - hits / n) / n)


def keeps_level(counts: Counts) -> bool:
    """Not more than 7 % false alarms, and not more than 8 % within the Monte-Carlo error."""
    if not counts.null:
        return False
    return counts.alarm_rate <= MOST_ALARMS and upper_bound(counts.alarms, counts.null) <= MOST_ALARMS_BOUND


def best_power(tally: Tally) -> tuple[str, float]:
    """The method with most power among those that keep the level."""
    valid = {
        name: counts.power
        for name, counts in tally.counts.items()
        if not name.startswith(WARNINGS) and counts.lifted and keeps_level(counts)
    }
    if not valid:
        return "", float("nan")
    name = max(valid, key=lambda method: valid[method])
    return name, valid[name]


def judge(cell: Cell, tally: Tally) -> Verdict:
    """The verdict of the chosen method in one cell."""
    if cell.refused:
        return Verdict(Kind.REFUSED, f"refused: {cell.refused}")
    counts = tally.counts.get(cell.chosen)
    if counts is None or not counts.null:
        return Verdict(Kind.OUTSIDE, f"{cell.chosen} gave no answer")
    if not cell.attainable:
        if counts.alarms:
            return Verdict(Kind.OUTSIDE, "OUTSIDE: rejects where its design cannot")
        return Verdict(Kind.UNREACHABLE, "cannot reject at 5 %: the smallest p-value is above it, and the row says so")
    if cell.breaks:
        return Verdict(Kind.BROKEN, f"the row says: {cell.breaks}")
    broken = _broken(cell, counts)
    if broken:
        return Verdict(Kind.OUTSIDE, f"OUTSIDE: {broken}")
    if cell.attainable < 0.9 * LEVEL and cell.exact:
        return Verdict(Kind.DESIGN, f"inside: the design's own level, {100 * cell.attainable:.2f} %")
    best, power = best_power(tally)
    if counts.alarm_rate < FEWEST_ALARMS or (counts.tried and counts.coverage > COVERAGE[1]):
        lost = f"; power {100 * counts.power:.1f} % against {100 * power:.1f} % of {best}" if best else ""
        if best == cell.chosen:
            lost = "; nothing that keeps the level finds more"
        return Verdict(Kind.CONSERVATIVE, f"conservative{lost}")
    return Verdict(Kind.INSIDE, "inside")


def _broken(cell: Cell, counts: Counts) -> str:
    if not keeps_level(counts):
        return f"false alarms {100 * counts.alarm_rate:.2f} %"
    if cell.attainable < 0.9 * LEVEL:
        error = math.sqrt(cell.attainable * (1 - cell.attainable) / counts.null)
        apart = counts.alarm_rate - cell.attainable
        if (abs(apart) if cell.exact else apart) > 3.3 * error:
            level = f"{100 * cell.attainable:.2f} %"
            return f"false alarms {100 * counts.alarm_rate:.2f} % where the design's level is {level}"
        return ""
    if counts.tried and counts.coverage < COVERAGE[0]:
        return f"coverage {100 * counts.coverage:.1f} %"
    return ""
