"""``pilot calibrate``: the plan replayed on the retailer's own past, where every alarm is false."""

import argparse
from pathlib import Path
from typing import Any

from pilot.assignment.exclusions import excluding
from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common, at_least_one, whole_number
from pilot.errors import Refused
from pilot.outcomes.lake import Lake
from pilot.planning.calibration import Replay, replay_file, replay_stage
from pilot.planning.queries import draft_plan
from pilot.planning.queries import pilot as pilot_by_code
from pilot.words import N_, translate

_SEEDS = 2**48 - 1


class FilesOrPilot(Refused):
    code = "files_or_pilot"
    template = N_("Name a plan and a table (PLAN.yaml DATA), or a pilot (--pilot CODE --stage N).")


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command)
    words = phrase(N_("the plan, as for “pilot analyze”"))
    command.add_argument("plan", type=Path, nargs="?", metavar="PLAN.yaml", help=words)
    words = phrase(N_("the panel with the periods before the start: CSV or Parquet"))
    command.add_argument("data", type=Path, nargs="?", metavar="DATA", help=words)
    words = phrase(N_("instead of files: a pilot of this installation, on its own weekly totals"))
    command.add_argument("--pilot", metavar="CODE", help=words)
    command.add_argument("--stage", type=at_least_one, default=1, metavar="N", help=phrase(N_("its stage (1)")))
    words = phrase(N_("placebo draws over all past windows together (1000)"))
    command.add_argument("--replications", type=at_least_one, default=1_000, metavar="N", help=words)
    words = phrase(N_("seed of the placebo draws (the plan's)"))
    command.add_argument("--seed", type=_seed, metavar="N", help=words)
    words = phrase(N_("effect for coverage and power, in per cent of the mean (5)"))
    command.add_argument("--lift", type=_percent, default=0.05, metavar="PERCENT", help=words)
    command.set_defaults(do=calibrate)


def calibrate(context: Context) -> None:
    options, console = context.options, context.console
    how = {"replications": options.replications, "seed": options.seed, "lift": options.lift}
    if options.pilot is not None and options.plan is None:
        found = _of_stage(context, **how)
    elif options.pilot is None and options.data is not None:
        found = replay_file(options.plan, options.data, **how)
    else:
        raise FilesOrPilot()
    for indent, line in found.lines:
        console.say("{line}", line="  " * indent + translate(line))
    console.answer(found.document)


def _of_stage(context: Context, **how: Any) -> Replay:
    options, lake = context.options, Lake(context.settings)
    with context.database.reading() as session:
        pilot = pilot_by_code(session, options.pilot)
        plan, excluded = draft_plan(pilot), excluding(session, pilot)
        return replay_stage(session, lake, plan, options.stage, excluded=excluded(options.stage), **how)


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
