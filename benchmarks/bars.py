"""The bars of the coverage benchmark, as a table: what must hold, what was measured, whether it holds."""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.tally import Rate, Tally
from benchmarks.trials import JUDGED

COVERAGE = (0.93, 0.98)
NULL_REJECTION = (0.03, 0.07)
WIDEST = 1.1
STAMP_WITHOUT_REASON = 0.15
STAMP_WITH_REASON = 0.95
FALSE_ADVANCE = 0.05


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: ``holds`` allows two Monte-Carlo errors."""

    what: str
    demanded: str
    measured: str
    holds: bool


def coverage_bars(tally: Tally) -> tuple[Bar, ...]:
    """The bars of the lifted and the null world, per judged metric, and of the stamp without reason."""
    return (
        *_metric_bars(tally),
        _at_most("identification stamp with the effect", tally.rate("stamp_lifted"), STAMP_WITHOUT_REASON),
        _at_most("identification stamp with nothing injected", tally.rate("stamp_null"), STAMP_WITHOUT_REASON),
    )


def card_bars(tally: Tally) -> tuple[Bar, ...]:
    """The bars of the two worlds in which nobody buys more."""
    same, stamped = tally.rate("new/same_rows"), tally.rate("shown/stamped")
    total = tally.rate("shown/store_total/rises")
    return (
        Bar("(a) customer rows equal those without the new shoppers", "always", same.percent(), same.mean == 1.0),
        Bar(
            "(b) customer rows are stamped",
            f"≥ {STAMP_WITH_REASON:.0%}",
            stamped.percent(),
            stamped.within(STAMP_WITH_REASON, 1.0),
        ),
        _at_most("(b) the gate advances", tally.rate("shown/advances"), FALSE_ADVANCE),
        _at_most("(b) store totals rise (one side of the 5 % test)", total, FALSE_ADVANCE),
    )


def _metric_bars(tally: Tally) -> Iterable[Bar]:
    for metric in JUDGED:
        covers, rejects = tally.rate(f"{metric.code}/covers"), tally.rate(f"{metric.code}/rejects_null")
        ratio = tally.rate(f"{metric.code}/width").mean / tally.rate(f"{metric.code}/regression_width").mean
        yield Bar(f"{metric.code}: coverage", "93–98 %", covers.percent(), covers.within(*COVERAGE))
        yield Bar(
            f"{metric.code}: rejection of a true null", "3–7 %", rejects.percent(), rejects.within(*NULL_REJECTION)
        )
        yield Bar(f"{metric.code}: width / regression's", f"≤ {WIDEST}", f"{ratio:.3f}", ratio <= WIDEST)


def _at_most(what: str, rate: Rate, limit: float) -> Bar:
    return Bar(what, f"≤ {limit:.0%}", rate.percent(), rate.within(0.0, limit))
