"""What leaves the house of a report: the frozen document without cells of fewer than five customers."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from experiments.look.report import Stamp
from experiments.measure.metrics import MetricLevel, metric_from_code
from experiments.messages import Message
from pilot.planning.metrics import in_our_words
from pilot.words import N_, translate
from pilot.words import Message as Sentence

FEWEST_CUSTOMERS = 5
SUPPRESSED = "suppressed"
FEW = Sentence("few_customers", N_("not shown: fewer than {n} customers"), {"n": FEWEST_CUSTOMERS})
_NAMES = ("unit", "variant", "stratum")
_KEPT = (
    "metric", "metric_unit", "level", "role", "direction", "variant", "segment", "stamps", "assumption", "refusal",
    "leads",
)  # fmt: skip
_COUNTS_OF_CUSTOMERS = ("customers", "n_customers", "new_customers")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
CSV_COLUMNS = (
    "metric", "role", "variant", "segment", "effect", "relative_effect", "low", "high", "confidence_level", "p_value",
    "n_units", "n_rows", "method", "stamps", "truth", "refusal", "stamp",
)  # fmt: skip


def exported(text: str) -> dict[str, Any]:
    """The document that ``text`` holds, for export: small cells keep their names and say ``suppressed``.

    A cell is a unit or an arm of a customer metric in ``moments``, or a row of the report, whose customers are ``n``
    and ``n_rows``; a variant's time to the next purchase with a small count in any week; or a part of a chapter that
    counts its ``customers``. What is exploratory says so first. The frozen text, and its hash, stay as they are.
    """
    document: dict[str, Any] = json.loads(text)
    document["moments"] = _cells(document["moments"])
    beside = document.get("beside", {})
    if beside:
        beside["segments"] = {segment: _cells(moments) for segment, moments in beside["segments"].items()}
    document["analysis"]["rows"] = [_row(row) for row in document["analysis"]["rows"]]
    for variant, weeks in document.get("risk", {}).items():
        # A week that was left out could be told from its neighbours.
        if any(0 < week[name] < FEWEST_CUSTOMERS for week in weeks for name in ("at_risk", "events", "censored")):
            document["risk"][variant] = {SUPPRESSED: True}
    if "chapters" in document:
        document["chapters"] = _told(document["chapters"])
    return {"stamp": stamp_of(document)} | document


def stamp_of(document: Mapping[str, Any]) -> str:
    """``exploratory`` for a document that no decision can rest on, else nothing."""
    return Stamp.EXPLORATORY.value if document.get("exploratory") else ""


def is_suppressed(row: Mapping[str, Any]) -> bool:
    """Whether a row, cell or part was left out because too few customers are in it."""
    return bool(row.get(SUPPRESSED))


def csv_text(document: dict[str, Any]) -> str:
    """The effect table of an ``exported`` document with every digit, one row an estimate or refusal."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for row in csv_rows(document):
        writer.writerow([neutralised(row[column]) for column in CSV_COLUMNS])
    return text.getvalue()


def csv_rows(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of the table, by column: codes and numbers; a refusal is a sentence in the reader's language."""
    truths = {(one["metric"], one["variant"]): one["effect"] for one in document["truths"]}
    for row in document["analysis"]["rows"]:
        cells: dict[str, Any] = dict.fromkeys(CSV_COLUMNS, "")
        for name in ("metric", "role", "variant"):
            cells[name] = row.get(name) or ""
        cells["segment"], cells["stamps"] = row["segment"] or "", " ".join(row["stamps"])
        one = row["estimate"]
        if one is not None:
            cells |= {name: one[name] for name in _OF_ESTIMATE}
            cells["low"], cells["high"] = one["interval"]
        elif is_suppressed(row):
            cells["refusal"] = translate(FEW)
        elif row["refusal"]:
            cells["refusal"] = translate(in_our_words(Message.from_dict(row["refusal"])))
        if row["segment"] is None:
            cells["truth"] = truths.get((row["metric"], row["variant"]), "")
        # A row inside a frozen report may be exploratory by itself, such as a segment's.
        cells["stamp"] = stamp_of(document) or (Stamp.EXPLORATORY.value if "exploratory" in row["stamps"] else "")
        yield cells


def neutralised(cell: Any) -> Any:
    """A cell of an exported table that no spreadsheet takes for a formula: ``= + - @``, tab and return get a quote."""
    return "'" + cell if isinstance(cell, str) and cell[:1] in _FORMULAS else cell


_OF_ESTIMATE = ("effect", "relative_effect", "confidence_level", "p_value", "n_units", "n_rows", "method")


def _cells(moments: dict[str, Any]) -> dict[str, Any]:
    return {
        code: [_cell(row) if _counts_customers(code, row) else row for row in rows] for code, rows in moments.items()
    }


def _counts_customers(code: str, row: dict[str, Any]) -> bool:
    return "variant" in row or metric_from_code(code).level is MetricLevel.CUSTOMER


def _cell(row: dict[str, Any]) -> dict[str, Any]:
    if not 0 < row["n"] < FEWEST_CUSTOMERS:
        return row
    return {name: row[name] for name in _NAMES if name in row} | {SUPPRESSED: True}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    estimate = row["estimate"]
    if row["level"] != MetricLevel.CUSTOMER or estimate is None or estimate["n_rows"] >= FEWEST_CUSTOMERS:
        return row
    return {name: row[name] for name in _KEPT} | {"estimate": None, SUPPRESSED: True}


def _told(part: Any) -> Any:
    """A part of a chapter; one that counts a few customers keeps its codes only."""
    if isinstance(part, list):
        return [_told(one) for one in part]
    if not isinstance(part, dict):
        return part
    counts = [part[name] for name in _COUNTS_OF_CUSTOMERS if isinstance(part.get(name), int)]
    if any(0 < count < FEWEST_CUSTOMERS for count in counts):
        return {name: value for name, value in part.items() if isinstance(value, str)} | {SUPPRESSED: True}
    return {name: _told(value) for name, value in part.items()}
