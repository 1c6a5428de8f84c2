"""What a room gives to an import: its rule table, and the verbs that know where the rows belong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
from sqlalchemy.orm import Session

from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.rules import Field, RowRule
from pilot.words import Message

if TYPE_CHECKING:
    from pilot.imports.mapping import FileMapping

Progress = Callable[[int, int], None]  # rows done, and expected in all
CLASHES_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Context:
    """What the database knew when the check began. ``facts`` is the importer's own.

    ``known``: for each reference field the codes that exist, with their ids. ``depends``: what else the rules depend
    on, as canonical text takes it: a check that was cut off goes on only under the same rules. ``phone_region``: as
    ``Reading`` has it.
    """

    now: datetime
    known: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    currency_exponent: int = 2
    facts: Any = None
    depends: Mapping[str, Any] = field(default_factory=dict)
    phone_region: str | None = None


@dataclass(frozen=True, slots=True)
class Clash:
    """A staged row (by line) that has the key of a stored row or of an earlier line, but other content."""

    line: int
    field: str
    reason: Message


@dataclass(frozen=True, slots=True)
class Comparison:
    """Staged rows against what is stored: how many are new or changed, how many the same; and which clash.

    ``clashes`` holds at most the first ``CLASHES_LIMIT`` of ``n_clashes``.
    """

    n_new: int
    n_same: int
    n_clashes: int = 0
    clashes: tuple[Clash, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """What came of publishing: rows that were taken or changed something, and the lake's version for receipts.

    ``known_lines``: rows that were there already. ``clashes``: rows set aside, where that was asked for.
    """

    n_new: int
    lake_version: int | None = None
    known_lines: Sequence[int] = ()
    clashes: tuple[Clash, ...] = ()


class Importer(Protocol):
    """One kind of file. ``keys``: rows of a file equal in one of these must be equal in every staged column.

    ``renamed``: the field from which a staged column of another name comes; people are told of fields.
    """

    @property
    def kind(self) -> ImportKind: ...
    @property
    def fields(self) -> Sequence[Field]: ...
    @property
    def takes_attributes(self) -> bool:
        """Whether columns without a field of ours may come along as attributes."""

    @property
    def keys(self) -> Sequence[Sequence[str]]: ...
    @property
    def renamed(self) -> Mapping[str, str]: ...
    def context(self, session: Session, now: datetime) -> Context:
        """Read from the database what the check needs; raises a named error where the network is not set up."""

    def rules(self, context: Context) -> Sequence[RowRule]: ...
    def finish(self, good: pa.Table, mapping: "FileMapping", context: Context) -> pa.Table:
        """From parsed fields (null where not mapped) to staged columns; ``line`` stays."""

    def look_up(self, session: Session, staged: Path) -> None:
        """What ``compare`` wants of the database, for all staged rows: asked while doubles among them are sought."""

    def compare(self, session: Session, staged: Path, context: Context) -> Comparison:
        """The staged rows against what is stored."""

    def on_staged(self, session: Session, staged: Path, now: datetime) -> None:
        """What has to be in the database before publishing (customer keys)."""

    def publish(self, session: Session, run: ImportRun, staged: Path, now: datetime) -> Published:
        """Take the staged rows in, all or nothing. Called again after a crash, it finishes what is missing."""
