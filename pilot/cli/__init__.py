"""The command line: one file a command group. ``main`` is what the console script calls."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused (a rule or bad input), 2 wrong usage."""
    from pilot.cli.entry import run  # importing this package stays free of side effects and cheap

    return run(arguments)
