"""One draw of one world, judged: does each interval cover the truth, does each test reject where nothing was added?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.naive import naive_interval
from benchmarks.tally import Tally
from benchmarks.trials import CARD, IDENTIFICATION, TrialWorld
from experiments.design.mechanisms import CONTROL, Mechanism, draw
from experiments.estimate.estimate import Interval
from experiments.estimate.permutation import permutation_inference
from experiments.estimate.redraws import redraws
from experiments.estimate.unit_means import fit
from experiments.estimate.unit_table import unit_table
from experiments.measure.metrics import Metric, MetricLevel
from experiments.measure.unit_moments import UnitMoments
from pilot.demo.seeds import DEMO, seed_of

LEVEL = 0.05
STAMP_LEVEL = 0.10
Assignment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Headline:
    """The headline and, beside it, the t interval of the same regression (with pairs: of the pair differences)."""

    effect: float
    p_value: float
    interval: Interval
    regression_interval: Interval


def headline(
    metric: Metric, seen: tuple[UnitMoments, ...], mechanism: Mechanism, assignment: Assignment, *, seed: int
) -> Headline:
    """The product's own headline for matched pairs; ``seed`` draws the permutations, shared by a world's draws."""
    table = unit_table(metric, seen, mechanism=mechanism, assignment=assignment, variant=CARD)
    regression = fit(table)
    test = permutation_inference(regression, redraws(table, seed=seed), studentise=False)
    confidence = 1 - LEVEL
    return Headline(
        regression.effect, test.p_value(), test.interval(confidence), regression.inference.interval(confidence)
    )


def judge(world: TrialWorld, number: int, metrics: tuple[Metric, ...], tally: Tally) -> None:
    """Make draw ``number`` of ``world``, analyse it with and without the effect, and count what came out."""
    assignment = draw(world.pairs, seed_of(DEMO, "coverage", world.number, "pairs", number)).assignment
    free = draw(world.free, seed_of(DEMO, "coverage", world.number, "complete", number)).assignment
    seed = seed_of(DEMO, "coverage", world.number, "permutations")
    for metric in metrics:
        truth = world.truth(metric)
        add = _adder(tally, world.number, metric)
        lifted = headline(metric, world.seen(metric, assignment, lifted=True), world.pairs, assignment, seed=seed)
        nothing = headline(metric, world.seen(metric, assignment, lifted=False), world.pairs, assignment, seed=seed)
        add("truth", truth)
        add("covers", _covers(lifted.interval, truth))
        add("power", lifted.p_value <= LEVEL)
        add("rejects_null", nothing.p_value <= LEVEL)
        add("width", _width(lifted.interval))
        add("regression_width", _width(lifted.regression_interval))
        add("regression_covers", _covers(lifted.regression_interval, truth))
        if metric.level is MetricLevel.CUSTOMER:
            for design, drawn in (("pairs", assignment), ("complete", free)):
                with_effect, without = (
                    naive_interval(metric, *_arms(world, metric, drawn, lifted=x)) for x in (True, False)
                )
                add(f"naive_{design}_covers", with_effect.covers(truth))
                add(f"naive_{design}_rejects_null", without.rejects)
    for name, lift in (("stamp_lifted", True), ("stamp_null", False)):
        seen = world.seen(IDENTIFICATION, assignment, lifted=lift)
        shift = headline(IDENTIFICATION, seen, world.pairs, assignment, seed=seed)
        tally.add(name, world.number, shift.p_value < STAMP_LEVEL)


def _adder(tally: Tally, world: int, metric: Metric) -> Callable[[str, float], None]:
    return lambda name, value: tally.add(f"{metric.code}/{name}", world, value)


def _arms(
    world: TrialWorld, metric: Metric, assignment: Assignment, *, lifted: bool
) -> tuple[list[UnitMoments], list[UnitMoments]]:
    seen = world.seen(metric, assignment, lifted=lifted)
    return [m for m in seen if assignment[m.unit] == CARD], [m for m in seen if assignment[m.unit] == CONTROL]


def _covers(interval: Interval, truth: float) -> bool:
    lower, upper = interval
    return (lower is None or lower <= truth) and (upper is None or truth <= upper)


def _width(interval: Interval) -> float:
    lower, upper = interval
    return float("inf") if lower is None or upper is None else upper - lower
