"""What a long import says while it works: how much is done, how many rows, and how fast."""

import time
from dataclasses import dataclass, field

from pilot.cli.console import Console, phrase
from pilot.words import N_

_BAR_WIDTH = 24
_EVERY_SECONDS = 0.2
_MEGABYTE = 1_000_000


@dataclass(slots=True)
class Meter:
    """Call it with the rows done and those expected; it writes one line on a terminal and nothing elsewhere."""

    console: Console
    label: str
    n_bytes: int
    started: float = field(default_factory=time.monotonic)
    rows: int = 0
    _first: int = -1
    _said: float = 0.0

    def __call__(self, rows: int, expected: int) -> None:
        self._first = rows if self._first < 0 else self._first  # a check that is resumed begins with some
        self.rows = rows
        now = time.monotonic()
        if not self.console.err.isatty() or now - self._said < _EVERY_SECONDS:
            return
        self._said = now
        share = rows / max(expected, 1)
        filled = round(_BAR_WIDTH * share)
        text = phrase(
            N_("{label}  [{bar}] {percent} %  {rows:,} rows  {megabytes:,} of {total:,} MB  {rate:,} rows/s"),
            label=self.label,
            bar="#" * filled + "·" * (_BAR_WIDTH - filled),
            percent=round(100 * share),
            rows=rows,
            megabytes=round(self.n_bytes * share / _MEGABYTE),
            total=round(self.n_bytes / _MEGABYTE),
            rate=self.rate,
        )
        print(f"\r{text}\x1b[K", end="", file=self.console.err, flush=True)

    @property
    def rate(self) -> int:
        """Rows a second since the meter began."""
        return round((self.rows - max(self._first, 0)) / max(time.monotonic() - self.started, 1e-3))

    def close(self) -> None:
        if self.console.err.isatty() and self._said:
            print("\r\x1b[K", end="", file=self.console.err, flush=True)
