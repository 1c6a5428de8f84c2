"""How fast a full report is from 10 M receipts, beside DuckDB's own scan and beside peers: ``make bench``.

500 stores, 1 M customers, 52 weeks; the stores that are open from the first day are drawn into three variants. Asked
are six metrics in 26 weeks after 26 weeks, four of them of customers and these in four segments as well, the
identification test, the weekly picture and how fresh each store is.

**The yardstick**, defined before anything was measured: DuckDB (the version that the product uses, no memory limit, all
threads) reads the same files with ``GROUP BY customer_key``: number of receipts, sum of net, number of sales, first
and last business date; the groups are summed up so that nothing is handed over. Beside it a narrow one, which reads
three columns (customer, date, net).

**Timed** is from opening the lake to all 44 adjusted, store-clustered estimates, which every peer computes too; the
product keeps its memory limit. Beside it the whole report with 9,999 permutation draws, which no peer does. Caches are
warm for all; the product and the yardstick take turns, the fastest of each counts. The next day is one in a hundred
receipts, delivered as one commit: taking them into the derived days and the report's state, then the report. Three such
days follow one another, each with one more day's news than the last; the fastest counts, and medians are printed.

Peers: pandas for the metrics, then statsmodels (clustered) or tea-tasting (does not cluster); Spark local[2] reduces
the files to the same moments (JVM started before, second run). ``python -m benchmarks.scale_report``
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from statistics import median
from typing import Any, TypeVar

from benchmarks.scale_estimates import Estimates, estimates_of, furthest
from benchmarks.scale_peers import by_statsmodels, by_tea_tasting, spark
from benchmarks.scale_world import CUSTOMER_METRICS, SEGMENTS, STORES, World, deliver, held_back, world_of
from experiments.measure.days import DayFacts
from experiments.measure.stage import StageMoments, stage_reach, store_reach
from pilot.outcomes.days.service import Days
from pilot.outcomes.lake import Lake

RECEIPTS, ROUNDS, DELIVERIES = 10_000_000, 3, 3
RAW, FROM_DAYS, NEXT_DAY = 6.0, 2.0, 0.6
STATSMODELS, TEA_TASTING, SPARK = "pandas + statsmodels", "pandas + tea-tasting", "Spark local[2]"
AGAINST = {STATSMODELS: 4.0, TEA_TASTING: 2.0, SPARK: 4.0}
CLOSE = 1e-9

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Beside:
    """Seconds of a peer, and of ours right after it: a machine's load changes within a run."""

    seconds: float
    from_days: float
    from_receipts: float


def main(receipts: int = RECEIPTS) -> int:
    """Print the section of the speed page; 0 where every bar is held."""
    with world_of(receipts, deliveries=DELIVERIES) as world:
        return _measure(world)


def _measure(world: World) -> int:
    began = time.perf_counter()
    Days(world.lake()).keep_up()
    first_days = time.perf_counter() - began
    timed: dict[str, list[float]] = {}
    next_days = _next_days(world, timed)
    files = world.lake().files(months=world.months)
    for _ in range(ROUNDS):
        _clock(timed, "yardstick", lambda: _yardstick(files))
        _clock(timed, "narrow", lambda: _narrow(files))
        raw = _clock(timed, "raw", lambda: world.moments(world.facts_of_receipts(world.lake())))
        days = _clock(timed, "days", lambda: world.moments(_day_facts(world)))
        mine = _clock(timed, "estimates", partial(estimates_of, days, world.assignment))
        _clock(timed, "look", partial(world.look, days))
    kept = _report_of_today(world, *_opened(world))
    assert raw == days == kept, "receipts, days and the kept state give different moments"
    _assert_counts(world, files, days)
    best = {name: min(seconds) for name, seconds in timed.items()}
    peers, worst = _peers(world, files, days, mine)
    usual = median(next_days) / median(timed["yardstick"])
    return _print(world, best, next_days, usual, first_days, peers, worst)


def _clock(timed: dict[str, list[float]], name: str, work: Callable[[], Found]) -> Found:
    began = time.perf_counter()
    found = work()
    timed.setdefault(name, []).append(time.perf_counter() - began)
    return found


def _next_days(world: World, timed: dict[str, list[float]]) -> list[float]:
    """Seconds from a delivery in the lake to the estimates, once for each, with the yardstick beside."""
    back = held_back(world, DELIVERIES)
    size = back.num_rows // DELIVERIES
    _report_of_today(world, *_opened(world))
    seconds = []
    for number in range(DELIVERIES):
        deliver(world.lake(), back.slice(number * size, size), number)
        began = time.perf_counter()
        lake, days = _opened(world)
        days.keep_up()
        estimates_of(_report_of_today(world, lake, days), world.assignment)
        seconds.append(time.perf_counter() - began)
        _clock(timed, "yardstick", partial(_yardstick, world.lake().files(months=world.months)))
    return seconds


def _opened(world: World) -> tuple[Lake, Days]:
    lake = world.lake()
    return lake, Days(lake)


def _report_of_today(world: World, lake: Lake, days: Days) -> StageMoments:
    """The moments from what an earlier report kept of each customer and the days since, as the product's reports."""
    from pilot.evidence.state import StageState

    version = lake.version()
    facts, state = days.day_facts(version), StageState(lake, days)
    reach, reach_of_stores = stage_reach(world.asked()), store_reach(world.asked())
    assert facts is not None, "the days are behind the lake"
    assert reach is not None
    assert reach_of_stores is not None
    return world.moments(facts, state.customer_sums(version, reach), state.store_days(version, reach_of_stores))


def _day_facts(world: World) -> DayFacts:
    lake = world.lake()
    facts = Days(lake).day_facts(lake.version())
    assert facts is not None, "the days are behind the lake"
    return facts


def _yardstick(files: Sequence[str]) -> tuple[int, int, int]:
    return _grouped(
        files,
        "count(*) AS n, sum(net_minor) AS net, count(*) FILTER (kind = 'sale') AS sales, "
        "min(business_date) AS first, max(business_date) AS last",
        "sum(n), sum(net), sum(sales), min(first), max(last)",
    )


def _narrow(files: Sequence[str]) -> tuple[int, int, int]:
    return _grouped(files, "sum(net_minor) AS net, max(business_date) AS last", "count(*), sum(net), max(last)")


def _grouped(files: Sequence[str], each: str, together: str) -> Any:
    import duckdb

    connection = duckdb.connect()
    listed = ", ".join(f"'{file}'" for file in files)
    found = connection.execute(
        f"SELECT {together} FROM (SELECT customer_key, {each} FROM read_parquet([{listed}]) GROUP BY customer_key)"  # noqa: S608 - our own files
    ).fetchone()
    connection.close()
    return found


def _assert_counts(world: World, files: Sequence[str], found: StageMoments) -> None:
    """Every receipt was read, and the sales of the drawn stores are those that DuckDB counts."""
    import duckdb

    assert _yardstick(files)[0] == world.shape.receipts
    stores = world.stores["store_id"].to_pylist()
    with duckdb.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FILTER (kind = 'sale'), sum(net_minor) FROM read_parquet(?) WHERE store_id IN "
            "(SELECT unnest(?))",
            [list(files), stores],
        ).fetchone()
    baskets = found.moments["average_basket"]
    assert row == (sum(unit.n + unit.n_x for unit in baskets), sum(unit.y + unit.x for unit in baskets))


def _peers(world: World, files: Sequence[str], found: StageMoments, mine: Estimates) -> tuple[dict[str, Beside], float]:
    """Seconds of each peer and of ours right after it, and the largest difference to statsmodels."""
    timed: dict[str, list[float]] = {}

    def beside(name: str) -> Beside:
        _clock(timed, "days", lambda: estimates_of(world.moments(_day_facts(world)), world.assignment))
        _clock(
            timed,
            "receipts",
            lambda: estimates_of(world.moments(world.facts_of_receipts(world.lake())), world.assignment),
        )
        return Beside(timed[name][-1], timed["days"][-1], timed["receipts"][-1])

    peers = {}
    theirs = _clock(timed, STATSMODELS, lambda: by_statsmodels(world, files))
    worst = furthest(mine, theirs)
    assert worst < CLOSE, worst
    peers[STATSMODELS] = beside(STATSMODELS)
    _clock(timed, TEA_TASTING, lambda: by_tea_tasting(world, files))
    peers[TEA_TASTING] = beside(TEA_TASTING)
    with spark(world, files) as reduce:
        reduce()
        rows = _clock(timed, SPARK, reduce)
        peers[SPARK] = beside(SPARK)
    _assert_same_moments(found, rows["customers"])
    return peers, worst


def _assert_same_moments(found: StageMoments, rows: list[Any]) -> None:
    for code in CUSTOMER_METRICS:
        names = ("y", "x", "yy", "xx", "xy")
        mine = {
            (unit.unit, segment): (unit.n, *(Decimal(getattr(unit, name)) for name in names))
            for segment in SEGMENTS
            for unit in found.segments[segment][code]
            if unit.n
        }
        theirs = {
            (row["unit"], row["segment"]): (row["n"], *(Decimal(row[f"{name}_{code}"]) for name in names))
            for row in rows
        }
        assert mine == theirs, code


def _print(
    world: World,
    best: dict[str, float],
    next_days: list[float],
    usual: float,
    first_days: float,
    peers: dict[str, Beside],
    worst: float,
) -> int:
    yardstick, next_day = best["yardstick"], min(next_days)
    raw, days = best["raw"] + best["estimates"], best["days"] + best["estimates"]
    bars = [
        Row("from receipts", raw, f"≤ {RAW:g}", raw <= RAW * yardstick),
        Row("from customer-days", days, f"≤ {FROM_DAYS:g}", days <= FROM_DAYS * yardstick),
        Row("next day, 1 % new receipts and upkeep", next_day, f"≤ {NEXT_DAY:g}", next_day <= NEXT_DAY * yardstick),
    ]
    beside = [
        Row("DuckDB scan + GROUP BY customer", yardstick, "the yardstick"),
        Row("the same over three columns", best["narrow"], ""),
        *bars,
        Row("whole report from receipts, with permutation tests", best["raw"] + best["look"], ""),
        Row("whole report from customer-days, with permutation tests", best["days"] + best["look"], ""),
        Row("customer-days and store-days made for the first time", first_days, ""),
    ]
    print(f"## A full report from {world.shape.receipts:,} receipts\n")
    print(
        f"{STORES} stores, {world.shape.customers:,} customers, {world.shape.weeks} weeks; 3 variants, 4 segments, "
        f"6 metrics, 44 adjusted and clustered estimates; moments from receipts, customer-days and Spark are the same "
        f"whole numbers, estimates differ from statsmodels' by at most {worst:.1e} of their errors. The permutation "
        f"tests (9,999 draws) take {best['look']:.1f} s, however many receipts there are; no peer makes them. "
        f"Three next days one after another took {', '.join(f'{seconds:.2f}' for seconds in next_days)} s. Of each row "
        f"the fastest of three counts, of the yardstick the fastest of six; the median next day takes {usual:.2f} of "
        f"the median yardstick.\n"
    )
    print("| what | seconds | × yardstick | bar |\n|---|---|---|---|")
    for row in beside:
        print(f"| {row.what} | {row.seconds:.2f} | {row.seconds / yardstick:.2f} | {row.bar} |")
    print("\n| peer, and ours right after it | seconds | ours from days | ratio | bar | ours from receipts | ratio |")
    print("|---|---|---|---|---|---|---|")
    held = all(row.holds for row in bars)
    for name, one in peers.items():
        held = held and one.seconds >= AGAINST[name] * one.from_days
        print(
            f"| {name} | {one.seconds:.1f} | {one.from_days:.2f} | {one.seconds / one.from_days:.1f} "
            f"| ≥ {AGAINST[name]:g} | {one.from_receipts:.2f} | {one.seconds / one.from_receipts:.1f} |"
        )
    return 0 if held else 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    seconds: float
    bar: str
    holds: bool = True


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
