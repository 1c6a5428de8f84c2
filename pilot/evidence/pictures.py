"""Pictures of charts for paper and mail: a Vega-Lite specification in, PNG out, drawn in a process of its own.

The engine behind it keeps threads that do not survive a fork, and much memory: the child ends when the picture is done.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from pilot.errors import Misconfigured
from pilot.words import N_

_SECONDS = 60.0
_FINER = 3


class PictureNotDrawn(Misconfigured):
    """The engine that draws charts does not work here."""

    code = "picture_not_drawn"
    template = N_("The chart could not be drawn here: the engine for pictures does not work. Its data stand beside it.")


def png(chart: Mapping[str, Any], *, width: int = 480) -> bytes:
    """``chart`` as PNG for paper: ``width`` pixels wide as a screen has it, three times as fine.

    Raises ``PictureNotDrawn``.
    """
    order = json.dumps({**chart, "width": width})
    try:
        drawn = subprocess.run(
            [sys.executable, "-P", "-m", "pilot.evidence.pictures"],
            input=order.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PictureNotDrawn() from error
    return drawn.stdout


def _draw() -> None:
    import vl_convert

    sys.stdout.buffer.write(vl_convert.vegalite_to_png(json.load(sys.stdin), scale=_FINER))


if __name__ == "__main__":
    _draw()
