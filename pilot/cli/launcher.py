"""Start several long-lived commands and end all of them together: on SIGINT, on SIGTERM, or when one of them ends."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

_PATIENCE_SECONDS = 15.0
_LOOK_EVERY_SECONDS = 0.5


def run_together(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> int:
    """Run until a signal (returns 0) or until one of ``commands`` ends by itself (returns 1); none is left behind.

    Each command gets a process group of its own: Ctrl-C reaches this process only, and it ends the others in order.
    What they print goes to stderr: stdout is the launcher's.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    children: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            children.append(subprocess.Popen(command, env=dict(environment), stdout=sys.stderr, start_new_session=True))
        while not stop.wait(_LOOK_EVERY_SECONDS):
            if any(child.poll() is not None for child in children):
                return 1
        return 0
    finally:
        _end(children)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
