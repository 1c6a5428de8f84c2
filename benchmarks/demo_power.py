"""What the totals of each demonstration pilot could see: the share of draws that find its own injected effect.

``python -m benchmarks.demo_power --write`` prints the table and puts it into docs/demo_power.md. Stores, purchases and
rewards are the demonstration's; only the draw is made again, 2,000 times, each analysed like the product's headline.
The bar was fixed beforehand: the pilot that earns its gate finds its effect in at least 95 % of the draws.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from benchmarks.one_draw import LEVEL, headline
from benchmarks.trials import CARD, paired_on_spend
from experiments.design.mechanisms import draw
from experiments.measure.metrics import spend_per_customer, store_total
from experiments.measure.unit_moments import UnitMoments
from pilot.demo.build import demo_before
from pilot.demo.seeds import DEMO, seed_of
from pilot.demo.stories import POINTS, STORIES, Stage
from pilot.demo.truth import Moments, world_moments
from pilot.demo.worlds import store_code

PAGE = Path(__file__).parents[1] / "docs" / "demo_power.md"
DRAWS = 2_000
BAR = 0.95
BOUND = (POINTS,)  # the bar is for the pilot that earns its gate; the others stand beside


@dataclass(frozen=True, slots=True)
class Row:
    """One pilot: its stores, the true relative effect on the store total, and the share of draws that find it."""

    pilot: str
    n_stores: int
    lift: float
    power: float


def measure(draws: int = DRAWS) -> list[Row]:
    """Every pilot, in the order of the stories."""
    stage = Stage.set(demo_before())
    return [_pilot(stage, story.pilot, draws) for story in STORIES]


def _pilot(stage: Stage, pilot: str, draws: int) -> Row:
    total, spend = store_total(), spend_per_customer()
    worlds = {"nobody": stage.world({}), "everybody": stage.world({pilot: stage.stores[pilot]})}
    own = {store_code(store) for store in stage.stores[pilot]}
    totals = {name: _only(world_moments(stage.before, world, total), own) for name, world in worlds.items()}
    pairs = paired_on_spend(_only(world_moments(stage.before, worlds["nobody"], spend), own))
    found = 0
    for number in range(draws):
        assignment = draw(pairs, seed_of(DEMO, "power", pilot, number)).assignment
        seen = tuple(
            totals["everybody" if variant == CARD else "nobody"][unit] for unit, variant in sorted(assignment.items())
        )
        row = headline(total, seen, pairs, assignment, seed=seed_of(DEMO, "power", pilot, "permutations"))
        found += row.p_value <= LEVEL and row.effect > 0
    sold = {name: sum(totals[name][unit].y for unit in pairs.codes) for name in totals}
    return Row(pilot, len(pairs.codes), sold["everybody"] / sold["nobody"] - 1, found / draws)


def _only(moments: Moments, units: set[str]) -> dict[str, UnitMoments]:
    return {unit: found for unit, found in moments.items() if unit in units}


def page(rows: list[Row], draws: int) -> str:
    """The page as markdown."""
    lines = [
        "# What the demonstration's pilots could see",
        "",
        f"Printed by `python -m benchmarks.demo_power --write`: {draws:,} draws a pilot, at a level of {LEVEL:.0%}.",
        "",
        "| pilot | stores | true effect on the store total | draws that find it |",
        "|---|---|---|---|",
        *(f"| {row.pilot} | {row.n_stores} | {row.lift:+.1%} | {row.power:.1%} |" for row in rows),
        "",
        *(
            f"Bar, fixed beforehand: *{row.pilot}* in at least {BAR:.0%} of the draws: "
            f"**{'holds' if row.power >= BAR else 'missed'}**."
            for row in rows
            if row.pilot in BOUND
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the page; ``--write`` keeps it, ``--draws`` makes fewer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--draws", type=int, default=DRAWS)
    options = parser.parse_args()
    text = page(measure(options.draws), options.draws)
    print(text)
    if options.write:
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
