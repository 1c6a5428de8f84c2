"""How the command line speaks: sentences or one JSON document on stdout, progress and refusals on stderr."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from pilot.words import Message, translate

_BAR_WIDTH = 30


def phrase(template: str, **values: Any) -> str:
    """``template`` (marked ``N_``) in the person's language, with its values."""
    return translate(Message("cli", template, values))


@dataclass(slots=True)
class Console:
    """Where a command's words go. With ``is_json`` stdout carries one document and nothing else."""

    is_json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def say(self, template: str, **values: Any) -> None:
        """A sentence for a person; silent where a program reads."""
        if not self.is_json:
            print(phrase(template, **values), file=self.out)

    def answer(self, document: Mapping[str, Any] | Sequence[Any]) -> None:
        """The document for a program; silent where a person reads."""
        if self.is_json:
            print(json.dumps(document, ensure_ascii=False, indent=2, default=str), file=self.out)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Columns for a person, as wide as what stands in them. ``header`` holds templates (marked ``N_``)."""
        if self.is_json:
            return
        texts = [[str(cell) for cell in row] for row in ([phrase(word) for word in header], *rows)]
        widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
        for row in texts:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), file=self.out)

    def refuse(self, message: Message) -> None:
        """Why a command did not happen: a sentence on stderr, and for programs a document on stdout."""
        self.answer({"error": {"code": message.code, "message": translate(message)}})
        print(translate(message), file=self.err)

    @contextmanager
    def progress(self, template: str, **values: Any) -> Iterator["Bar"]:
        """A bar on stderr while the block lasts; nothing where stderr is not a terminal."""
        bar = Bar(phrase(template, **values), self.err if self.err.isatty() else None)
        try:
            yield bar
        finally:
            bar.close()


@dataclass(slots=True)
class Bar:
    """Call it with the steps done and, where known, the total."""

    label: str
    err: TextIO | None
    shown: str = ""

    def __call__(self, done: int, total: int = 0) -> None:
        if self.err is None:
            return
        if total:
            filled = min(_BAR_WIDTH, _BAR_WIDTH * done // total)
            text = f"{self.label}  [{'#' * filled}{'·' * (_BAR_WIDTH - filled)}] {min(100, 100 * done // total)} %"
        else:
            text = f"{self.label}  {done}"
        if text != self.shown:
            self.shown = text
            print(f"\r{text}\x1b[K", end="", file=self.err, flush=True)

    def close(self) -> None:
        if self.err is not None and self.shown:
            print("\r\x1b[K", end="", file=self.err, flush=True)
