"""Replay of a plan on its own past: of a plan file on a table (no database needed), and of a stage on its lake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from experiments.calibration import Calibration, calibrate
from experiments.design.mechanisms import CONTROL, Mechanism, draw
from experiments.errors import ExperimentError
from experiments.measure.metrics import AssignmentUnit
from experiments.plan import Plan, plan_from_mapping
from experiments.reading import named_columns
from pilot.errors import Refused
from pilot.imports.tables import PlanUnreadable, line_of, read_plan_file, read_table, table_columns
from pilot.outcomes import history
from pilot.planning.candidates import NOTHING_EXCLUDED, Exclusions
from pilot.planning.designer import Design, design_of
from pilot.planning.errors import TooLittleHistory
from pilot.planning.plan import STORE_TOTAL
from pilot.planning.plan import Plan as PilotPlan
from pilot.words import N_, Message

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake


class CustomersAreNotReplayed(Refused):
    code = "customers_are_not_replayed"
    template = N_(
        "Stage {stage} draws customers: their numbers are so large that the tests keep their level. "
        "Replay is for stores and regions."
    )


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


def replay_stage(
    session: Session,
    lake: Lake,
    plan: PilotPlan,
    number: int,
    *,
    excluded: Exclusions = NOTHING_EXCLUDED,
    replications: int,
    seed: int | None,
    lift: float,
) -> Replay:
    """Stage ``number`` replayed on the weekly totals of its own candidates before it starts.

    The windows are as long as the stage and its pre-period, the draws those of its mechanism. Raises
    ``CustomersAreNotReplayed``, and what stands against the design (``TooLittleHistory``, ``DesignRefused`` …).
    """
    if plan.unit is AssignmentUnit.CUSTOMER:
        raise CustomersAreNotReplayed(stage=number)
    design = design_of(session, lake, plan, number, excluded=excluded)
    return replay_design(lake, plan, number, design, replications=replications, seed=seed, lift=lift)


def replay_design(
    lake: Lake, plan: PilotPlan, number: int, design: Design, *, replications: int, seed: int | None, lift: float
) -> Replay:
    """The same of a design of stores or regions that is known."""
    stage = plan.stage(number)
    table = _weekly(lake, design.candidates.version, design.candidates.stores, design.mechanism, plan, number)
    weeks = max(table["week"]) + 1
    blocked = len(design.mechanism.blocks) > 1
    mapping = {
        "data": {"unit": "unit", "variant": "variant", "control": CONTROL, "period": "week"}
        | ({"block": "block"} if blocked else {}),
        "windows": {"before": [weeks, weeks + plan.windows.pre_weeks - 1]}
        | {"during": [weeks + plan.windows.pre_weeks, weeks + plan.windows.pre_weeks + stage.weeks - 1]},
        "assignment": plan.mechanism.kind.value,
        "metrics": [{"name": STORE_TOTAL, "kind": "mean", "value": "net_minor", "role": "primary"}],
        "alpha": float(plan.alpha),
    }
    read = plan_from_mapping(mapping)
    return _answer(calibrate(table, read, replications=replications, seed=seed, lift=lift))


def _weekly(
    lake: Lake,
    version: int,
    stores: Mapping[str, tuple[int, ...]],
    mechanism: Mechanism,
    plan: PilotPlan,
    number: int,
) -> dict[str, list[Any]]:
    """One row per unit and whole week before the stage: net sales in minor units, 0 where nothing was sold."""
    known = history.period_known(lake, version)
    if known is None:
        raise TooLittleHistory(first="–", last="–", stage=number)
    last = min(plan.stage(number).starts_on - timedelta(days=1), known[1])
    weeks = ((last - known[0]).days + 1) // 7
    if weeks < 1:
        raise TooLittleHistory(first=str(known[0]), last=str(last), stage=number)
    first = last - timedelta(days=7 * weeks - 1)
    unit_of = {store: code for code in mechanism.codes for store in stores[code]}
    sold: dict[tuple[str, int], int] = defaultdict(int)
    for row in history.store_weeks(lake, version, first, last).to_pylist():
        if row["store_id"] in unit_of:
            sold[unit_of[row["store_id"]], (row["week_start"] - first).days // 7] += row["net_minor"]
    placebo = draw(mechanism, 0).assignment  # numbers and blocks of the mechanism; replay draws again and again
    block_of = {code: f"{block}" for block, codes in enumerate(mechanism.blocks) for code in codes}
    rows = [(code, week) for code in sorted(mechanism.codes) for week in range(weeks)]
    return {
        "unit": [code for code, _ in rows],
        "week": [week for _, week in rows],
        "variant": [placebo[code] for code, _ in rows],
        "block": [block_of[code] for code, _ in rows],
        "net_minor": [sold[row] for row in rows],
    }


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
