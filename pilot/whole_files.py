"""Files that appear whole under their names, whoever else writes the same one at the same moment."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PARTIAL = ".partial"
_OLD_SECONDS = 24 * 3600.0  # nothing that is made again at will is a day in the making


@contextmanager
def whole_file(path: Path, *, synced: bool = False) -> Iterator[Path]:
    """A new path beside ``path`` to write to. What is there when the block ends takes the name; after an error it goes.

    ``synced``: it is on disk before it has the name. What killed processes left beside it goes too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_PARTIAL}")
    try:
        yield partial
        if synced:
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    for partial in folder.glob(f"*{_PARTIAL}"):
        with suppress(FileNotFoundError):
            if partial.stat().st_mtime < time.time() - _OLD_SECONDS:
                partial.unlink()
