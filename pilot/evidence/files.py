"""An analysis from files: a plan in YAML and a table in, the document, text and HTML of its report out. No database."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.analysis import analyze
from experiments.errors import ExperimentError
from experiments.plan import Plan, plan_from_mapping
from experiments.reading import named_columns
from pilot.imports.tables import PlanUnreadable, line_of, read_plan_file, read_table, table_columns


@dataclass(frozen=True, slots=True)
class Analysed:
    """A report in its three forms; ``document`` is what ``docs/analyze.schema.json`` describes."""

    document: dict[str, Any]
    text: str
    html: str


def analyze_file(plan: Path, data: Path) -> Analysed:
    """The report of the plan in ``plan`` on the table in ``data`` (CSV or Parquet).

    Raises ``PlanUnreadable`` (with the line) and ``TableUnreadable`` for the files, and the errors of ``experiments``
    for what spoils the whole table.
    """
    read = read_plan(plan)
    there = table_columns(data)
    named = named_columns(read)
    if set(named) - set(there):  # refused below, with all the names that are there
        table = read_table(data).slice(0, 0)
    else:
        columns = read.data
        texts = [name for name in (columns.unit, columns.block, *read.segments) if name]
        table = read_table(data, named, texts)
    report = analyze(table, read)
    return Analysed(report.to_dict(), str(report), report._repr_html_())


def read_plan(path: Path) -> Plan:
    """The plan in a YAML file; a mistake in it is told with its line."""
    mapping = read_plan_file(path)
    try:
        return plan_from_mapping(mapping)
    except ExperimentError as error:
        where = str(error.message.values.get("path", ""))
        raise PlanUnreadable(path=str(path), line=line_of(path, where), problem=str(error)) from error
