"""Coverage on real households: does the headline interval hold what it says, draw after draw, against a known truth?

``python -m benchmarks.coverage`` makes 5,000 draws over 40 injected worlds and twice 400 draws of worlds in which
nobody buys more, prints the bars, writes the tables between the markers of ``docs/coverage.md``, and ends with 1 if a
bar fails.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.bars import Bar, card_bars, coverage_bars
from benchmarks.nobody_buys_more import cards_shown_more, new_shoppers
from benchmarks.one_draw import judge
from benchmarks.tally import Tally
from benchmarks.trials import CEILING, IDENTIFICATION, JUDGED, trial_world
from experiments.measure.metrics import Metric, MetricLevel, MetricUnit
from pilot.demo.households import load_baskets, load_segments

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
BEGIN, END = "<!-- written by benchmarks/coverage.py: begin -->", "<!-- written by benchmarks/coverage.py: end -->"
SHOWN: tuple[Metric, ...] = (*JUDGED, CEILING)


def run(*, draws: int, worlds: int, card_draws: int, card_worlds: int) -> Tally:
    """All trials. ``draws`` and ``card_draws`` are totals, dealt evenly over the worlds (rounded up)."""
    baskets, segments = load_baskets(), load_segments()
    tally = Tally()
    for number in range(worlds):
        world = trial_world(number, baskets, segments, (*SHOWN, IDENTIFICATION))
        for k in range(-(-draws // worlds)):
            judge(world, k, SHOWN, tally)
        _say(f"world {number + 1} of {worlds}")
    for number in range(card_worlds):
        new_shoppers(number, baskets, -(-card_draws // card_worlds), tally)
        cards_shown_more(number, baskets, -(-card_draws // card_worlds), tally)
        _say(f"card worlds {number + 1} of {card_worlds}")
    return tally


def page(tally: Tally, bars: tuple[Bar, ...], *, worlds: int, card_worlds: int) -> str:
    """The tables in Markdown, as they stand in the documentation."""
    n, n_new, n_shown = (tally.rate(name).n for name in ("stamp_null", "new/stamped", "shown/stamped"))
    return "\n\n".join(
        (
            f"{n:,} draws over {worlds} injected worlds; {n_new} draws of world (a) and {n_shown} of world (b) over "
            f"{card_worlds} worlds each. ± is one Monte-Carlo standard error, between worlds.",
            "### The bars (two Monte-Carlo errors allowed)\n\n" + _bars(bars),
            "### The headline\n\n" + _headlines(tally),
            "### The naive customer-level test, as a warning\n\n" + _naive(tally),
            "### Nobody buys more\n\n" + _cards(tally),
        )
    )


def write_page(text: str) -> None:
    """Put ``text`` between the markers of the documentation page."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def main() -> int:
    """The command: parse, run, print, write, and say whether every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5_000)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--card-draws", type=int, default=400)
    parser.add_argument("--card-worlds", type=int, default=10)
    parser.add_argument("--no-page", action="store_true", help="print only; leave docs/coverage.md alone")
    chosen = parser.parse_args()
    started = time.monotonic()
    tally = run(draws=chosen.draws, worlds=chosen.worlds, card_draws=chosen.card_draws, card_worlds=chosen.card_worlds)
    bars = coverage_bars(tally) + card_bars(tally)
    text = page(tally, bars, worlds=chosen.worlds, card_worlds=chosen.card_worlds)
    print(text)
    if not chosen.no_page:
        write_page(text)
    _say(f"{time.monotonic() - started:.0f} seconds")
    return 0 if all(bar.holds for bar in bars) else 1


def _bars(bars: tuple[Bar, ...]) -> str:
    rows: list[tuple[str, ...]] = [
        (bar.what, bar.demanded, bar.measured, "holds" if bar.holds else "**fails**") for bar in bars
    ]
    return _table(("bar", "demanded", "measured", ""), rows)


def _headlines(tally: Tally) -> str:
    rows: list[tuple[str, ...]] = []
    for metric in SHOWN:
        rate = {name: tally.rate(f"{metric.code}/{name}") for name in _HEADLINE}
        rows.append(
            (
                metric.code + (" (at its ceiling, not judged)" if metric == CEILING else ""),
                _amount(metric, rate["truth"].mean),
                rate["covers"].percent(),
                rate["regression_covers"].percent(),
                rate["rejects_null"].percent(),
                rate["power"].percent(),
                f"{rate['width'].mean / rate['regression_width'].mean:.3f}",
            )
        )
    names = ("metric", "truth, mean of worlds", "coverage", "coverage of the regression's t interval")
    return _table((*names, "rejects a true null", "power", "width / regression's"), rows)


_HEADLINE = ("truth", "covers", "regression_covers", "rejects_null", "power", "width", "regression_width")


def _naive(tally: Tally) -> str:
    rows = [
        (
            metric.code,
            *(tally.rate(f"{metric.code}/naive_{design}_{what}").percent() for design in _DESIGNS for what in _WHAT),
        )
        for metric in SHOWN
        if metric.level is MetricLevel.CUSTOMER
    ]
    names = (
        f"{design}: {what}" for design in ("pairs", "complete draw") for what in ("coverage", "rejects a true null")
    )
    return _table(("metric", *names), rows)


_DESIGNS = ("pairs", "complete")
_WHAT = ("covers", "rejects_null")


def _cards(tally: Tally) -> str:
    rows: list[tuple[str, ...]] = [
        (
            "identified share rises by (points)",
            *(f"{100 * tally.rate(f'{w}/identified_more').mean:.1f}" for w in _CARDS),
        )
    ]
    for metric in JUDGED:
        effects = (_amount(metric, tally.rate(f"{world}/{metric.code}/effect").mean) for world in _CARDS)
        rises = (tally.rate(f"{w}/{metric.code}/rises").percent() for w in _CARDS)
        rows += [(f"{metric.code}: mean effect", *effects), (f"{metric.code}: significantly up", *rises)]
    for name, what in _CARD_RATES.items():
        rows.append((what, *(tally.rate(f"{world}/{name}").percent() for world in _CARDS)))
    return _table(("", "(a) new shoppers identified", "(b) listed customers show the card more"), rows)


_CARDS = ("new", "shown")
_CARD_RATES = {
    "stamped": "customer rows stamped",
    "advances": "the gate advances (store totals lead)",
    "advances_customers_lead": "the gate advances (customers lead, a stamp hands over)",
}


def _amount(metric: Metric, value: float) -> str:
    """An effect in words of its unit; the data set's money is in US cents."""
    if metric.unit is MetricUnit.MONEY:
        return f"{value / 100:+,.2f} USD"
    return f"{100 * value:+.2f} points" if metric.unit is MetricUnit.SHARE else f"{value:+.3f}"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
