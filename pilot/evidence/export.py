"""What leaves the house of a report: the frozen document without cells of fewer than five customers."""

import json
from typing import Any

from experiments.measure.metrics import MetricLevel, metric_from_code

FEWEST_CUSTOMERS = 5
_NAMES = ("unit", "variant", "stratum")
_KEPT = (
    "metric", "metric_unit", "level", "role", "direction", "variant", "segment", "stamps", "assumption", "refusal",
    "leads",
)  # fmt: skip


def exported(text: str) -> dict[str, Any]:
    """The document that ``text`` holds, for export: small cells keep their names and say ``suppressed``.

    A cell is a unit or an arm of a customer metric in ``moments``, or a row of the report, whose customers are ``n``
    and ``n_rows``; or a variant's time to the next purchase with a small count in any week. The frozen text, and its
    hash, stay as they are.
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
            document["risk"][variant] = {"suppressed": True}
    return document


def _cells(moments: dict[str, Any]) -> dict[str, Any]:
    return {
        code: [_cell(row) if _counts_customers(code, row) else row for row in rows] for code, rows in moments.items()
    }


def _counts_customers(code: str, row: dict[str, Any]) -> bool:
    return "variant" in row or metric_from_code(code).level is MetricLevel.CUSTOMER


def _cell(row: dict[str, Any]) -> dict[str, Any]:
    if not 0 < row["n"] < FEWEST_CUSTOMERS:
        return row
    return {name: row[name] for name in _NAMES if name in row} | {"suppressed": True}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    estimate = row["estimate"]
    if row["level"] != MetricLevel.CUSTOMER or estimate is None or estimate["n_rows"] >= FEWEST_CUSTOMERS:
        return row
    return {name: row[name] for name in _KEPT} | {"estimate": None, "suppressed": True}
