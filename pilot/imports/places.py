"""A place between two records of a file, from which reading can begin again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """``offset`` bytes (of a Parquet file: rows) lie before it, and the next record begins on ``line``."""

    offset: int = 0
    line: int = 1
