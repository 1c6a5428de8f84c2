"""The third-party files are the ones that VENDOR.md names, with their licences beside."""

import hashlib
import re
from pathlib import Path

import web

VENDOR = Path(web.__file__).parent / "static" / "vendor"
ROW = re.compile(r"^\| (\S+) \| (\S+) \| (\S+) \| (\S+) \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def rows() -> list[tuple[str, ...]]:
    return ROW.findall((VENDOR / "VENDOR.md").read_text("utf-8"))


def test_every_vendored_file_has_the_hash_that_is_written_down() -> None:
    for _name, _version, _licence, file, digest in rows():
        assert hashlib.sha256((VENDOR / file).read_bytes()).hexdigest() == digest, file


def test_no_vendored_file_is_missing_from_the_list() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {row[3] for row in rows()} | {"VENDOR.md"}


def test_every_package_has_its_licence_beside() -> None:
    by_package: dict[str, list[str]] = {}
    for name, _version, _licence, file, _digest in rows():
        by_package.setdefault(name, []).append(file)
    assert all(any(file.startswith("LICENSE") for file in files) for files in by_package.values())
