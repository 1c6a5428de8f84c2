"""Replay of a plan file on a table: false alarms, coverage and power on the retailer's own past, no database needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.calibration import Calibration, calibrate
from experiments.errors import ExperimentError
from experiments.plan import Plan, plan_from_mapping
from experiments.reading import named_columns
from pilot.imports.tables import PlanUnreadable, line_of, read_plan_file, read_table, table_columns
from pilot.words import Message


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay answers: ``lines`` (each with its indentation) for a person, ``document`` for a program."""

    lines: tuple[tuple[int, Message], ...]
    document: Mapping[str, Any]
    is_flagged: bool


def replay_file(plan: Path, data: Path, *, replications: int, seed: int | None, lift: float) -> Replay:
    """The plan in ``plan`` (YAML) replayed on the periods before its start in ``data`` (CSV or Parquet).

    Raises ``PlanUnreadable`` (with the line) and ``TableUnreadable`` for the files, and the errors of ``experiments``
    for what spoils the whole table.
    """
    read = _plan(plan)
    named = named_columns(read)
    texts = [name for name in (read.data.unit, read.data.block, *read.segments) if name]
    is_whole = set(named) <= set(table_columns(data))  # else refused by the reader, with all the names that are there
    table = read_table(data, named, texts) if is_whole else read_table(data).slice(0, 0)
    return _answer(calibrate(table, read, replications=replications, seed=seed, lift=lift))


def _plan(path: Path) -> Plan:
    mapping = read_plan_file(path)
    try:
        return plan_from_mapping(mapping)
    except ExperimentError as error:
        where = str(error.message.values.get("path", ""))
        raise PlanUnreadable(path=str(path), line=line_of(path, where), problem=str(error)) from error


def _answer(found: Calibration) -> Replay:
    lines = tuple((indent, Message(m.code, m.template, dict(m.values))) for indent, m in found.lines())
    return Replay(lines, found.to_dict(), found.is_flagged)
