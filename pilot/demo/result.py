"""What the demonstration found: one JSON document for programs, one table for people."""

import json
from dataclasses import dataclass
from typing import Any

from pilot.demo.people import Account
from pilot.evidence.document import ReportDocument


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One row of the report beside its truth. Values in the metric's unit (money in minor units), never rounded."""

    metric: str
    variant: str
    effect: float
    interval: tuple[float | None, float | None]
    p_value: float
    method: str
    n_units: int
    truth: float | None

    @property
    def covers_truth(self) -> bool | None:
        """Whether the interval holds the truth; None where nobody knows it."""
        if self.truth is None:
            return None
        lower, upper = self.interval
        return (lower is None or lower <= self.truth) and (upper is None or self.truth <= upper)


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The pilot at its gate, its hashes, and the accounts to look at it with. ``interval`` is the 95 % interval."""

    pilot: str
    stage: int
    n_stores: int
    rows: tuple[ResultRow, ...]
    recommendation: str
    ledger_hash: str
    plan_hash: str
    lake_version: int
    audit_head: str
    accounts: tuple[Account, ...]

    def to_document(self) -> dict[str, Any]:
        """The JSON document of ``pilot demo --json``."""
        return {
            "pilot": self.pilot,
            "stage": self.stage,
            "n_stores": self.n_stores,
            "rows": [
                {
                    "metric": row.metric,
                    "variant": row.variant,
                    "effect": row.effect,
                    "interval": list(row.interval),
                    "p_value": row.p_value,
                    "method": row.method,
                    "n_units": row.n_units,
                    "truth": row.truth,
                }
                for row in self.rows
            ],
            "recommendation": self.recommendation,
            "ledger_hash": self.ledger_hash,
            "plan_hash": self.plan_hash,
            "lake_version": self.lake_version,
            "audit_head": self.audit_head,
        }

    def to_json(self) -> str:
        """``to_document`` as text, every digit of every number."""
        return json.dumps(self.to_document(), indent=2, ensure_ascii=False, allow_nan=False)


def result_of(document: ReportDocument, *, n_stores: int, accounts: tuple[Account, ...]) -> DemoResult:
    """The result from the frozen report: its estimated rows without segments, beside their truths."""
    rows = tuple(
        ResultRow(
            metric=row.metric,
            variant=row.variant,
            effect=row.estimate.effect,
            interval=row.estimate.interval,
            p_value=row.estimate.p_value,
            method=row.estimate.method,
            n_units=row.estimate.n_units,
            truth=document.truth(row.metric, row.variant),
        )
        for row in document.analysis.rows
        if row.segment is None and row.estimate is not None
    )
    return DemoResult(
        pilot=document.pilot,
        stage=document.stage,
        n_stores=n_stores,
        rows=rows,
        recommendation=document.recommendation.choice.value,
        ledger_hash=document.ledger_hash,
        plan_hash=document.plan_hash,
        lake_version=document.lake_version,
        audit_head=document.audit_head,
        accounts=accounts,
    )
