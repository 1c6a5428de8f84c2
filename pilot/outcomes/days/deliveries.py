"""What the lake got, cut into slices that fit into memory: a base (everything so far) or one commit at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pilot.outcomes.days.tables import Included
from pilot.outcomes.errors import LakeVersionVacuumed

if TYPE_CHECKING:
    from pilot.outcomes.delta import Commit
    from pilot.outcomes.lake import Lake

_SLICE_BYTES = 64 << 20
_WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Slice:
    """Receipt files, by business year, that are reduced in one go. ``name`` is the same at every attempt."""

    name: str
    files: Mapping[str, list[str]]

    @property
    def is_whole(self) -> bool:
        """Whether it is all of a delivery, which is small then."""
        return self.name == _WHOLE


@dataclass(frozen=True, slots=True)
class Delivery:
    """The receipts that came with one lake version, or all up to it, in slices."""

    version: int
    batch: str
    slices: tuple[Slice, ...]


def base_of(lake: Lake, included: Included) -> Delivery:
    """Everything the lake held at ``included.base``. Raises ``LakeVersionVacuumed``."""
    return _cut(lake, included.base, included.batch, lake.files(included.base))


def delivery_of(lake: Lake, commit: Commit) -> Delivery:
    """What one commit brought. Raises ``LakeVersionVacuumed``."""
    if not all(lake.storage.exists(name) for name in _names(lake, commit.files)):
        raise LakeVersionVacuumed(version=commit.version)
    return _cut(lake, commit.version, commit.batch_id, commit.files)


def _cut(lake: Lake, version: int, batch: str, files: Sequence[str]) -> Delivery:
    """In one slice, or month by month where it is large."""
    if sum(lake.storage.size(name) for name in _names(lake, files)) > _SLICE_BYTES:
        return Delivery(version, batch, _by_month(files))
    return Delivery(version, batch, (Slice(_WHOLE, _by_year(files)),))


def _names(lake: Lake, files: Iterable[str]) -> list[str]:
    """The files' places below the lake's root."""
    return [file.removeprefix(lake.root).lstrip("/") for file in files]


def _by_month(files: Iterable[str]) -> tuple[Slice, ...]:
    months: dict[str, list[str]] = {}
    for file in sorted(files):
        months.setdefault(_month(file), []).append(file)
    return tuple(Slice(month, {month[:4]: found}) for month, found in sorted(months.items()))


def _by_year(files: Iterable[str]) -> dict[str, list[str]]:
    years: dict[str, list[str]] = {}
    for file in sorted(files):
        years.setdefault(_month(file)[:4], []).append(file)
    return years


def _month(file: str) -> str:
    return Path(file).parent.name.partition("=")[2]
