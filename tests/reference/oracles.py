"""Expected values from other programs: where they stand, and how close a result must come.

``expect("O12", "att_2004_2004").of(found)`` compares with the manifest; ``reference("mpdta.csv")`` is a file of the
public reference data, which never travel with the project: a test that needs one is skipped where they are absent.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.reference.manifest import ORACLES, Within

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Expected:
    """One expected value of one oracle."""

    oracle: str
    name: str

    @property
    def value(self) -> float:
        """The number that the other program or the cited source gives."""
        found = ORACLES[self.oracle].values[self.name]
        assert not isinstance(found, Within), f"{self.oracle} {self.name} is a range: use of()"
        return found.read()

    def of(self, found: float) -> None:
        """Fail unless ``found`` is within the oracle's tolerance, or inside its range."""
        expected = ORACLES[self.oracle].values[self.name]
        if isinstance(expected, Within):
            assert expected.low <= found <= expected.high, (self, found, expected)
            return
        tolerance = ORACLES[self.oracle].tolerance_of(self.name)
        assert abs(float(found) - expected.read()) <= tolerance, (self, found, expected.read(), tolerance)


def expect(oracle: str, name: str) -> Expected:
    """The expected value ``name`` of ``oracle``; ``KeyError`` when the manifest has none."""
    ORACLES[oracle].values[name]
    return Expected(oracle, name)


def names(oracle: str) -> Iterator[str]:
    """All names of the values of ``oracle``."""
    yield from ORACLES[oracle].values


def reference(name: str) -> Path:
    """A file of the reference data by its name (``mpdta.csv``, ``hillstrom/hillstrom.csv.gz``); skips where absent."""
    for folder in _folders():
        if (folder / name).is_file():
            return folder / name
    return pytest.skip(f"not beside the project: {name}")  # reference data, which their licences keep out of it


def _folders() -> Iterator[Path]:
    beside = ROOT.parent / "shared"
    named = os.environ.get("PILOT_REFERENCE_DATA")
    for folder in (Path(named) if named else None, beside / "data", beside / "oracles"):
        if folder is not None:
            yield folder
            yield folder.parent / "oracles"
