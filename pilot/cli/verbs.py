"""How a command group describes its verbs: name, purpose, what to do, and the options all of them share."""

import argparse
from collections.abc import Callable

from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common

Do = Callable[[Context], int | None]


class Verbs:
    """The verbs of one group, such as ``user add`` and ``user list``."""

    def __init__(self, command: argparse.ArgumentParser) -> None:
        self._verbs = command.add_subparsers(dest="verb", metavar="verb", required=True)

    def add(self, name: str, purpose: str, do: Do, *, acts: bool = False) -> argparse.ArgumentParser:
        """A verb; with ``acts`` it is done in the name of ``--as``."""
        parser = self._verbs.add_parser(name, help=phrase(purpose), description=phrase(purpose))
        add_common(parser, acts=acts)
        parser.set_defaults(do=do)
        return parser
