"""``pilot calibrate``: the plan replayed on the retailer's own past, where every alarm is false."""

import argparse
from pathlib import Path

from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common, at_least_one, whole_number
from pilot.planning.calibration import replay_file
from pilot.words import N_, translate

_SEEDS = 2**48 - 1


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command)
    command.add_argument("plan", type=Path, metavar="PLAN.yaml", help=phrase(N_("the plan, as for “pilot analyze”")))
    words = phrase(N_("the panel with the periods before the start: CSV or Parquet"))
    command.add_argument("data", type=Path, metavar="DATA", help=words)
    words = phrase(N_("placebo draws over all past windows together (1000)"))
    command.add_argument("--replications", type=at_least_one, default=1_000, metavar="N", help=words)
    words = phrase(N_("seed of the placebo draws (the plan's)"))
    command.add_argument("--seed", type=_seed, metavar="N", help=words)
    words = phrase(N_("effect for coverage and power, in per cent of the mean (5)"))
    command.add_argument("--lift", type=_percent, default=0.05, metavar="PERCENT", help=words)
    command.set_defaults(do=calibrate)


def calibrate(context: Context) -> None:
    options, console = context.options, context.console
    found = replay_file(
        options.plan, options.data, replications=options.replications, seed=options.seed, lift=options.lift
    )
    for indent, line in found.lines:
        console.say("{line}", line="  " * indent + translate(line))
    console.answer(found.document)


def _seed(text: str) -> int:
    return whole_number(text, 0, _SEEDS)


def _percent(text: str) -> float:
    """A share between 0 and 1 from a number of per cent, for argparse."""
    try:
        share = float(text) / 100
    except ValueError:
        share = -1.0
    if not 0.0 < share <= 1.0:
        raise argparse.ArgumentTypeError(phrase(N_("a number above 0, up to 100, is expected")))
    return share
