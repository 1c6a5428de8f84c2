"""Which code computed a report: the version, and a digest of the source files that computed it."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from pilot import __version__

PACKAGES = ("experiments", "pilot")
_DIGITS = 12


@cache
def code_version() -> str:
    """Such as ``0.1.0+3f2a…``: two installations with equal texts here run the same statistics and rules.

    The digest covers the names and bytes of every Python file of both packages, in sorted order; a checkout and the
    wheel built from it give the same one.
    """
    return f"{__version__}+{digest_of({package: files(package) for package in PACKAGES})[:_DIGITS]}"


def digest_of(folders: Mapping[str, Traversable]) -> str:
    """SHA-256 in hexadecimal over the Python files below ``folders`` (by package name)."""
    digest = hashlib.sha256()
    for package, folder in sorted(folders.items()):
        for path, content in sorted(_sources(folder, package)):
            digest.update(f"{path}\n{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def _sources(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found = []
    for child in folder.iterdir():
        if child.is_dir() and child.name != "dbmigrations":
            found += _sources(child, f"{path}/{child.name}")
        elif child.name.endswith(".py"):
            found.append((f"{path}/{child.name}", child.read_bytes()))
    return found
