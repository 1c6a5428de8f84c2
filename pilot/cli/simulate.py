"""``pilot simulate-network``: a made-up chain of any size, to try an installation, a plan or a machine with."""

import argparse
import time
from pathlib import Path

from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common, whole_number
from pilot.simulation.service import Form, simulate_network
from pilot.simulation.shape import LIMITS, SEEDS, Shape
from pilot.words import N_

_MOST = 10**12  # what is too much is refused by name


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command)
    words = {
        "stores": phrase(N_("how many stores")),
        "customers": phrase(N_("how many customers are in the program")),
        "receipts": phrase(N_("how many receipts, returns included")),
        "weeks": phrase(N_("over how many weeks (52)")),
    }
    for name in LIMITS:
        default = 52 if name == "weeks" else None
        command.add_argument(
            f"--{name}", type=_number, metavar="N", default=default, required=default is None, help=words[name]
        )
    command.add_argument(
        "--seed", type=_seed, metavar="N", default=1, help=phrase(N_("the same seed writes the same bytes (1)"))
    )
    command.add_argument(
        "--out", type=Path, metavar="DIR", help=phrase(N_("a folder that is new or empty (network-SEED, here)"))
    )
    form = phrase(N_("“import” (default): files for “pilot import”; “lake”: the lake's columns by business month"))
    command.add_argument("--format", choices=[str(form) for form in Form], default=str(Form.IMPORT), help=form)
    files = phrase(N_("so many receipt files, each of as many days (default: one a month)"))
    command.add_argument("--files", type=_number, metavar="N", help=files)
    command.set_defaults(do=simulate)


def simulate(context: Context) -> None:
    options, console = context.options, context.console
    shape = Shape(options.stores, options.customers, options.receipts, options.seed, options.weeks)
    folder = options.out or Path(f"network-{shape.seed}")
    began = time.perf_counter()
    with console.progress(N_("Writing receipts")) as bar:

        def progress(done: int, total: int) -> None:
            bar.label = phrase(N_("Writing receipts, {rate:,} a second"), rate=_rate(done, began))
            bar(done, total)

        found = simulate_network(shape, folder, form=Form(options.format), files=options.files, progress=progress)
    seconds = time.perf_counter() - began
    console.say(
        N_("{receipts:,} receipts of {stores:,} stores and {customers:,} customers are in {folder}."),
        receipts=found.receipts,
        stores=shape.stores,
        customers=shape.customers,
        folder=found.folder,
    )
    console.say(
        N_("From {first:date} to {last:date}: {returns:,} returns, {identified:,} receipts with a customer."),
        first=found.first_day,
        last=found.last_day,
        returns=found.returns,
        identified=found.identified,
    )
    console.say(
        N_("Took {seconds:,.1f} seconds, {rate:,} receipts a second."),
        seconds=seconds,
        rate=_rate(found.receipts, began),
    )
    if options.format == Form.IMPORT:
        console.say(N_("Next: “pilot import regions”, “stores”, “customers”, then “receipts” with these files."))
    console.answer({**found.document(), "seconds": round(seconds, 3)})


def _rate(done: int, began: float) -> int:
    return round(done / max(time.perf_counter() - began, 1e-6))


def _number(text: str) -> int:
    return whole_number(text, 0, _MOST)


def _seed(text: str) -> int:
    return whole_number(text, 0, SEEDS)
