"""What the demonstration found: one JSON document for programs, one table a pilot for people."""

import json
from dataclasses import dataclass
from typing import Any

from pilot.demo.people import Account
from pilot.evidence.document import ReportDocument


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One row of a report beside its truth. Values in the metric's unit (money in minor units), never rounded.

    ``leads`` marks the row that decides; ``interval`` is the 95 % interval.
    """

    metric: str
    variant: str
    effect: float
    interval: tuple[float | None, float | None]
    p_value: float
    method: str
    n_units: int
    truth: float | None
    leads: bool

    @property
    def covers_truth(self) -> bool | None:
        """Whether the interval holds the truth; None where nobody knows it."""
        if self.truth is None:
            return None
        lower, upper = self.interval
        return (lower is None or lower <= self.truth) and (upper is None or self.truth <= upper)

    def to_document(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "metric": self.metric,
            "variant": self.variant,
            "effect": self.effect,
            "interval": list(self.interval),
            "p_value": self.p_value,
            "method": self.method,
            "n_units": self.n_units,
            "truth": self.truth,
            "leads": self.leads,
        }


@dataclass(frozen=True, slots=True)
class PilotResult:
    """One pilot's last report: its rows, what the gate's rules recommend, whether that is what was injected for.

    ``expected`` is what the story of this pilot was made to show, fixed before the first draw.
    """

    pilot: str
    name: str
    stage: int
    look: int
    n_stores: int
    rows: tuple[ResultRow, ...]
    recommendation: str
    cause: str | None
    expected: str
    decided: str | None
    ledger_hash: str
    plan_hash: str

    @property
    def is_as_told(self) -> bool:
        """Whether the recommendation is the one that the story was made to show."""
        return self.expected == (f"{self.recommendation}:{self.cause}" if self.cause else self.recommendation)

    def to_document(self) -> dict[str, Any]:
        """JSON-able data."""
        return {
            "pilot": self.pilot,
            "stage": self.stage,
            "look": self.look,
            "n_stores": self.n_stores,
            "rows": [row.to_document() for row in self.rows],
            "recommendation": self.recommendation,
            "cause": self.cause,
            "expected": self.expected,
            "decided": self.decided,
            "ledger_hash": self.ledger_hash,
            "plan_hash": self.plan_hash,
        }


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The pilots that ran, the record they rest on, and the accounts to look at them with."""

    pilots: tuple[PilotResult, ...]
    lake_version: int
    audit_head: str
    accounts: tuple[Account, ...]

    def to_document(self) -> dict[str, Any]:
        """The JSON document of ``pilot demo --json``."""
        return {
            "pilots": [pilot.to_document() for pilot in self.pilots],
            "lake_version": self.lake_version,
            "audit_head": self.audit_head,
        }

    def to_json(self) -> str:
        """``to_document`` as text, every digit of every number."""
        return json.dumps(self.to_document(), indent=2, ensure_ascii=False, allow_nan=False)


def pilot_result(
    document: ReportDocument, *, name: str, n_stores: int, expected: str, decided: str | None
) -> PilotResult:
    """The result from a frozen report: its estimated rows without segments, beside their truths."""
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
            leads=row.leads,
        )
        for row in document.analysis.rows
        if row.segment is None and row.estimate is not None
    )
    recommended = document.recommendation
    return PilotResult(
        pilot=document.pilot,
        name=name,
        stage=document.stage,
        look=document.look,
        n_stores=n_stores,
        rows=rows,
        recommendation=recommended.choice.value,
        cause=recommended.cause.value if recommended.cause else None,
        expected=expected,
        decided=decided,
        ledger_hash=document.ledger_hash,
        plan_hash=document.plan_hash,
    )
