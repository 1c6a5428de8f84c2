"""``pilot demo``: the whole loop on real households, its result, then server and worker on this machine."""

import argparse
import os
import sys
from pathlib import Path

from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common
from pilot.cli.errors import NotLoopback
from pilot.cli.launcher import run_together
from pilot.cli.serving import add_address, is_loopback, require_address, require_our_web
from pilot.demo.build import build_demo
from pilot.demo.result import DemoResult
from pilot.demo.seeds import demo_entropy
from pilot.demo.show import table_lines
from pilot.settings import Settings, load_settings
from pilot.words import N_, Message, translate


def configure(_name: str, command: argparse.ArgumentParser) -> None:
    add_common(command)
    add_address(command)
    command.add_argument("--no-serve", action="store_true", help=phrase(N_("end after the result")))
    command.set_defaults(do=play)


def play(context: Context) -> int:
    """Build a fresh home, show what came out, and serve it until Ctrl-C."""
    options, console = context.options, context.console
    if not options.no_serve:
        require_our_web()
        if not is_loopback(options.host):
            raise NotLoopback(address=options.host)
        require_address(context.settings, options.host, options.port)
    settings = context.settings.model_copy(update={"home": _home(context)})
    with console.progress(N_("The demonstration")) as bar:

        def hear(done: int, total: int, step: Message) -> None:
            bar.label = translate(step)
            bar(done, total)

        result = build_demo(settings, demo_entropy(), hear)
    _show(context, result)
    if options.no_serve:
        console.say(N_("Next: “pilot serve --home {home}” and “pilot worker --home {home}”."), home=settings.home)
        return 0
    return _serve(context, load_settings(settings.home))


def _home(context: Context) -> Path:
    """The home that was named, else one of its own: the demonstration replaces what it finds there."""
    home = context.settings.home
    return home if context.options.home or "PILOT_HOME" in os.environ else home.with_name("pilot-demo")


def _show(context: Context, result: DemoResult) -> None:
    console = context.console
    for line in table_lines(result, locale=context.settings.language):
        console.say("{line}", line=line)
    console.answer(result.to_document())


def _serve(context: Context, settings: Settings) -> int:
    options = context.options
    context.console.say(N_("Open http://{host}:{port} — Ctrl-C ends everything."), host=options.host, port=options.port)
    sys.stdout.flush()
    pilot = (sys.executable, "-m", "pilot.cli")
    address = ("--host", options.host, "--port", str(options.port))
    return run_together(
        [
            [*pilot, "serve", "--home", str(settings.home), *address],
            [*pilot, "worker", "--home", str(settings.home)],
        ],
        {**os.environ, "PILOT_HOME": str(settings.home)},
    )
