"""A notebook that computes the rows of a report again, from its exported moments, with ``import experiments`` only."""

import json
from typing import Any

from experiments.design.mechanisms import Mechanism, MechanismKind
from experiments.look.plan import LookPlan
from pilot.evidence.export import is_suppressed, stamp_of
from pilot.words import N_, Message, translate

_TITLE = Message("notebook_title", N_("Report {code}, computed again"))
_WHAT = Message(
    "notebook_what",
    N_(
        "This notebook holds the plan of the look, how its units were drawn, and the exact whole numbers behind every "
        "estimate. It needs the package experiments and nothing else: no database, no receipts. Run all cells: the "
        "last one compares every row with the report, to the last digit."
    ),
)
_EXPLORATORY = Message("notebook_exploratory", N_("Exploratory: not frozen, and no decision can rest on it."))
_HASHES = Message(
    "notebook_hashes",
    N_("Plan hash {plan}, ledger hash {ledger}, lake version {lake}, code version {version}."),
)
_LEFT_OUT = Message(
    "notebook_left_out",
    N_(
        "Not in here, because cells of fewer than {fewest} customers do not leave the house, and so not computed "
        "again: {metrics}."
    ),
)
_PLAN = Message("notebook_plan", N_("The plan of the look, and how units were drawn"))
_MOMENTS = Message("notebook_moments", N_("The exact moments"))
_AGAIN = Message("notebook_again", N_("The report, computed again"))
_COMPARED = Message("notebook_compared", N_("Compared with the report, row by row"))
_CHAPTERS = Message("notebook_chapters", N_("The report's chapters, as they were frozen"))

_READ_PLAN = """
mechanism = experiments.from_record(drawn["mechanism"])
plan = experiments.LookPlan(
    unit=experiments.AssignmentUnit(planned["unit"]),
    mechanism=mechanism,
    assignment=drawn["assignment"],
    metrics=tuple(
        experiments.PlannedMetric(
            experiments.metric_from_code(one["metric"]), experiments.Role(one["role"]), one["margin"]
        )
        for one in planned["metrics"]
    ),
    leads=experiments.Leads(planned["leads"]),
    seed=planned["seed"],
    alpha=planned["alpha"],
    look=planned["look"],
    looks_planned=planned["looks_planned"],
    draws=planned["draws"],
    identification_cannot_differ=planned["identification_cannot_differ"],
)
"""
_READ_MOMENTS = """
def rows_of(table, kind):
    return None if table is None else [kind(**dict(zip(table["columns"], row))) for row in table["rows"]]


kind = experiments.ArmMoments if planned["unit"] == "customer" else experiments.UnitMoments
moments = {metric: rows_of(table, kind) for metric, table in exported["moments"].items()}
identification = rows_of(exported["identification"], experiments.UnitMoments)
segments = {
    segment: {metric: rows_of(table, kind) for metric, table in found.items()}
    for segment, found in exported["segments"].items()
}
refusals = {metric: experiments.Message.from_dict(message) for metric, message in exported["refusals"].items()}
"""
_COMPUTE = """
report = experiments.analyze_look(plan, moments, identification, refusals=refusals, segments=segments or None)
for row in report.rows:
    if row.estimate is not None and row.segment is None:
        print(row.metric, row.variant, row.estimate.effect, row.estimate.interval, row.estimate.p_value)
"""
_COMPARE = """
def key(row):
    return row["metric"], row["variant"], row["segment"]


again = {key(row): row for row in report.to_dict()["rows"]}
different = [key(row) for row in reported if again[key(row)] != row]
compared = len(reported)
print(compared, "rows compared,", len(different), "differ", different)
assert not different
"""


def notebook(document: dict[str, Any], plan: LookPlan) -> dict[str, Any]:
    """The notebook (nbformat 4.5) of an ``exported`` document; ``plan`` is what its look was analysed by.

    A customer metric that has a suppressed cell anywhere is left out whole, and named: without the cell its rows could
    not come again. The sentences are in the reader's language, the code is in English.
    """
    moments, segments, left_out = _whole_metrics(document)
    rows = [row for row in document["analysis"]["rows"] if row["metric"] not in left_out]
    exported = {
        "moments": {code: _table(found) for code, found in moments.items()},
        "identification": _table(document["beside"]["identification"]) if document.get("beside") else None,
        "segments": {name: {code: _table(f) for code, f in found.items()} for name, found in segments.items()},
        "refusals": document.get("beside", {}).get("refusals", {}),
    }
    cells = [
        _words(_introduction(document, left_out)),
        _code("import json\n\nimport experiments"),
        _words(f"## {translate(_PLAN)}"),
        _code(_data("planned", _planned(plan)) + "\n" + _data("drawn", _drawn(plan)) + "\n" + _READ_PLAN.strip("\n")),
        _words(f"## {translate(_MOMENTS)}"),
        _code(_data("exported", exported) + "\n\n" + _READ_MOMENTS.strip("\n")),
        _words(f"## {translate(_AGAIN)}"),
        _code(_COMPUTE.strip("\n")),
        _words(f"## {translate(_COMPARED)}"),
        _code(_data("reported", rows) + "\n\n" + _COMPARE.strip("\n")),
    ]
    if document.get("chapters"):
        cells += [
            _words(f"## {translate(_CHAPTERS)}"),
            _code(_data("chapters", document["chapters"]) + "\nlist(chapters)"),
        ]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "pilot": {"report": document["code"], "stamp": stamp_of(document)},
        },
        "cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells, start=1)],
    }


def _introduction(document: dict[str, Any], left_out: list[str]) -> str:
    from pilot.evidence.export import FEWEST_CUSTOMERS
    from pilot.planning.metrics import library_metric

    said = [f"# {translate(Message(_TITLE.code, _TITLE.template, {'code': document['code']}))}"]
    if stamp_of(document):
        said.append(f"**{translate(_EXPLORATORY)}**")
    said.append(translate(_WHAT))
    hashes = {
        "plan": document["plan_hash"],
        "ledger": document["ledger_hash"],
        "lake": document["lake_version"],
        "version": document["code_version"],
    }
    said.append(translate(Message(_HASHES.code, _HASHES.template, hashes)))
    if left_out:
        names = ", ".join(translate(library_metric(code).title) for code in left_out)
        values = {"fewest": FEWEST_CUSTOMERS, "metrics": names}
        said.append(translate(Message(_LEFT_OUT.code, _LEFT_OUT.template, values)))
    return "\n\n".join(said)


def _whole_metrics(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """The moments of the metrics of which no cell is suppressed, everywhere; and the codes of the others."""
    segments = document.get("beside", {}).get("segments", {})
    groups = [document["moments"], *segments.values()]
    small = {code for group in groups for code, rows in group.items() if any(map(is_suppressed, rows))}
    small |= {row["metric"] for row in document["analysis"]["rows"] if is_suppressed(row)}
    if not document.get("beside"):  # frozen before reports kept their segments' moments
        small |= {row["metric"] for row in document["analysis"]["rows"] if row["level"] == "customer"}

    def whole(group: dict[str, Any]) -> dict[str, Any]:
        return {code: rows for code, rows in group.items() if code not in small}

    return whole(document["moments"]), {name: whole(found) for name, found in segments.items()}, sorted(small)


def _planned(plan: LookPlan) -> dict[str, Any]:
    return {
        "unit": plan.unit.value,
        "leads": plan.leads.value,
        "seed": plan.seed,
        "alpha": plan.alpha,
        "look": plan.look,
        "looks_planned": plan.looks_planned,
        "draws": plan.draws,
        "identification_cannot_differ": plan.identification_cannot_differ,
        "metrics": [{"metric": one.metric.code, "role": one.role.value, "margin": one.margin} for one in plan.metrics],
    }


def _drawn(plan: LookPlan) -> dict[str, Any]:
    """The mechanism's record and the assignment. Customers' own codes stay at home: estimates do not read them."""
    mechanism = _without_people(plan.mechanism) if plan.customers_assigned else plan.mechanism
    return {"mechanism": mechanism.to_record(), "assignment": dict(plan.assignment)}


def _without_people(mechanism: Mechanism) -> Mechanism:
    return Mechanism(MechanismKind.BERNOULLI_HASH, (), mechanism.shares, (), (), salt="not exported")


def _table(rows: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    """Rows of equal columns, the names once."""
    if rows is None:
        return None
    columns = list(rows[0]) if rows else []
    return {"columns": columns, "rows": [[row[name] for name in columns] for row in rows]}


def _data(name: str, value: Any) -> str:
    """A line that reads ``value``: every digit of every number travels as JSON."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{name} = json.loads({text!r})"


def _words(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(text: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }
