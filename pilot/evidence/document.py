"""The report document: everything one look knew, as codes and numbers. Sentences are made when it is shown."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from experiments.design.balance import BalanceRow
from experiments.look.report import LookReport
from experiments.measure.risk import RiskWeek
from experiments.measure.series import WeekPoint
from experiments.measure.windows import Window
from pilot.canonical import sha256_hex
from pilot.evidence.recommendation import Recommendation

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Freshness:
    """How complete the receipts were: the last complete business day, receipts in the window, and units to look at.

    ``silent`` are units without a receipt in the window's last seven days, ``lost`` those that left the comparison.
    """

    through: date
    receipts: int
    silent: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownTruth:
    """The true effect that a demonstration knows, in the metric's own unit."""

    metric: str
    variant: str
    effect: float


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """One look at one stage. ``audit_head`` is empty until the document is frozen.

    ``moments`` holds, per metric, the exact whole numbers behind the estimates (one entry per unit or arm);
    ``risk`` tells by variant, week by week, when customers came back, where retention is planned;
    ``chapters`` holds what the report says beside the effects, by the chapter's code (``chapters.registry``);
    ``beside`` holds what else the rows were computed from: identification and segments' moments, and refusals;
    ``permutation_seed`` follows from the ledger's hash, so nobody chooses it.
    """

    code: str
    pilot: str
    stage: int
    look: int
    looks_planned: int
    exploratory: bool
    currency: str
    plan_hash: str
    ledger_hash: str
    lake_version: int
    code_version: str
    window: Window
    before: Window
    freshness: Freshness
    permutation_seed: int
    analysis: LookReport
    recommendation: Recommendation
    balance: tuple[BalanceRow, ...]
    series_metric: str
    series: tuple[WeekPoint, ...]
    moments: Mapping[str, list[dict[str, Any]]]
    risk: Mapping[str, tuple[RiskWeek, ...]] = field(default_factory=dict)
    chapters: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    truths: tuple[KnownTruth, ...] = ()
    audit_head: str = ""

    def text(self) -> str:
        """The JSON text that is frozen: sorted keys, every digit of every number. The same document, the same text."""
        return json.dumps(self._plain(), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def hash(self) -> str:
        """SHA-256 of the text."""
        return sha256_hex(self.text())

    def truth(self, metric: str, variant: str) -> float | None:
        """The known true effect; None where nobody knows it."""
        return next((t.effect for t in self.truths if (t.metric, t.variant) == (metric, variant)), None)

    def _plain(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {
            "format": FORMAT,
            "window": _window(self.window),
            "before": _window(self.before),
            "freshness": {
                "through": self.freshness.through.isoformat(),
                "receipts": self.freshness.receipts,
                "silent": list(self.freshness.silent),
                "lost": list(self.freshness.lost),
            },
            "analysis": self.analysis.to_dict(),
            "recommendation": self.recommendation.to_document(),
            "balance": [{name: getattr(row, name) for name in BalanceRow.__slots__} for row in self.balance],
            "series": [
                {"week": p.week.isoformat(), "variant": p.variant, "value": p.value, "n_units": p.n_units}
                for p in self.series
            ],
            "moments": dict(self.moments),
            "truths": [{"metric": t.metric, "variant": t.variant, "effect": t.effect} for t in self.truths],
            **({"chapters": dict(self.chapters)} if self.chapters else {}),
            **({"beside": dict(self.beside)} if self.beside else {}),
            **({"risk": {variant: [asdict(week) for week in weeks] for variant, weeks in self.risk.items()}}
               if self.risk else {}),
        }  # fmt: skip


_PLAIN = (
    "code", "pilot", "stage", "look", "looks_planned", "exploratory", "currency", "plan_hash", "ledger_hash",
    "lake_version", "code_version", "permutation_seed", "series_metric", "audit_head",
)  # fmt: skip


def read_document(text: str) -> ReportDocument:
    """The document that ``ReportDocument.text`` wrote."""
    stored = json.loads(text)
    fresh = stored["freshness"]
    return ReportDocument(
        **{name: stored[name] for name in _PLAIN},
        window=_read_window(stored["window"]),
        before=_read_window(stored["before"]),
        freshness=Freshness(
            date.fromisoformat(fresh["through"]), fresh["receipts"], tuple(fresh["silent"]), tuple(fresh["lost"])
        ),
        analysis=LookReport.from_dict(stored["analysis"]),
        recommendation=Recommendation.from_document(stored["recommendation"]),
        balance=tuple(BalanceRow(**row) for row in stored["balance"]),
        series=tuple(
            WeekPoint(date.fromisoformat(p["week"]), p["variant"], p["value"], p["n_units"]) for p in stored["series"]
        ),
        moments=stored["moments"],
        risk={variant: tuple(RiskWeek(**week) for week in weeks) for variant, weeks in stored.get("risk", {}).items()},
        chapters=stored.get("chapters", {}),
        beside=stored.get("beside", {}),
        truths=tuple(KnownTruth(**truth) for truth in stored["truths"]),
    )


def _window(window: Window) -> dict[str, str]:
    return {"first": window.first.isoformat(), "last": window.last.isoformat()}


def _read_window(stored: Mapping[str, str]) -> Window:
    return Window(date.fromisoformat(stored["first"]), date.fromisoformat(stored["last"]))
