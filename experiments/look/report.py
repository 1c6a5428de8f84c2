"""What a report is: rows of estimates with their stamps, diagnostics, and nothing rounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from experiments.estimate.estimate import Estimate, Interval
from experiments.messages import Message
from experiments.monitor.diagnostic import Diagnostic as Diagnostic
from experiments.monitor.diagnostic import Status as Status
from experiments.monitor.looks import LookRule


class Stamp(StrEnum):
    """What a reader must know about a row before believing it."""

    MAY_BE_IDENTIFICATION = "may_be_identification"
    IDENTIFICATION_NOT_TESTED = "identification_not_tested"
    ASSUMES_SAME_EFFECT = "assumes_same_effect"
    UNITS_LOST = "units_lost"
    UNITS_EMPTY = "units_empty"
    NO_COVARIATE = "no_covariate"
    EXPLORATORY = "exploratory"


# Rows with one of these cannot take a pilot through a gate.
BLOCKING_STAMPS = frozenset({Stamp.MAY_BE_IDENTIFICATION, Stamp.IDENTIFICATION_NOT_TESTED, Stamp.EXPLORATORY})


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """A guardrail: ``margin`` is the loss that is accepted, in the metric's unit; ``p_value`` tests that the loss is
    larger.

    ``bound`` is the one-sided limit of the effect on the bad side at ``confidence_level`` (None: no limit).
    """

    margin: float
    p_value: float
    bound: float | None
    confidence_level: float
    holds: bool


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One metric of one variant (in one segment). Either ``estimate`` or ``refusal`` is there.

    ``estimate.interval`` is the 95 % interval; ``interval_gate`` is the one the gate reads, at ``gate_confidence``.
    ``p_value_adjusted`` covers the family of primary rows (None for other roles; Benjamini–Hochberg inside a metric
    for segments). ``p_harm`` is the one-sided p-value of an effect in the bad direction. ``leads`` marks the rows
    that decide.
    """

    metric: str
    metric_unit: str
    level: str
    role: str
    direction: str
    variant: str
    segment: str | None
    estimate: Estimate | None
    interval_gate: Interval | None = None
    gate_confidence: float | None = None
    p_value_adjusted: float | None = None
    p_harm: float | None = None
    non_inferiority: NonInferiority | None = None
    alternatives: tuple[Estimate, ...] = ()
    stamps: tuple[str, ...] = ()
    assumption: Message | None = None
    refusal: Message | None = None
    leads: bool = False

    @property
    def blocked(self) -> bool:
        """Whether a stamp keeps this row from taking a pilot through a gate."""
        return any(stamp in BLOCKING_STAMPS for stamp in self.stamps)

    def improves(self, look: LookRule) -> bool:
        """Whether the row shows an effect in the good direction at the level of ``look`` (two-sided, adjusted, not
        blocked)."""
        if self.estimate is None or self.blocked or not look.may_advance:
            return False
        p = self.estimate.p_value if self.p_value_adjusted is None else self.p_value_adjusted
        return p <= look.level and (self.estimate.effect > 0) == (self.direction == "up")

    def harms(self, look: LookRule) -> bool:
        """Whether the row shows harm at the level of ``look``: one-sided where the look can only stop, else half of
        it."""
        if self.p_harm is None or look.exploratory:
            return False
        return self.p_harm <= (look.level if look.harm_only else look.level / 2.0)


@dataclass(frozen=True, slots=True)
class LookReport:
    """What one look at one stage found. ``unit`` is the unit of assignment, ``leads`` what the plan lets decide."""

    unit: str
    mechanism: str
    leads: str
    alpha: float
    look: LookRule
    n_units: int
    rows: tuple[ReportRow, ...]
    diagnostics: tuple[Diagnostic, ...]
    warnings: tuple[Message, ...]

    @property
    def leading_rows(self) -> tuple[ReportRow, ...]:
        """The rows that decide."""
        return tuple(row for row in self.rows if row.leads)

    def row(self, metric: str, variant: str, segment: str | None = None) -> ReportRow:
        """The row of ``metric`` and ``variant``; ``KeyError`` when the report has none."""
        for row in self.rows:
            if (row.metric, row.variant, row.segment) == (metric, variant, segment):
                return row
        raise KeyError((metric, variant, segment))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data; floats keep every digit through ``json.dumps`` and back."""
        return {
            "version": 1,
            "unit": self.unit,
            "mechanism": self.mechanism,
            "leads": self.leads,
            "alpha": self.alpha,
            "look": {name: getattr(self.look, name) for name in LookRule.__slots__},
            "n_units": self.n_units,
            "rows": [_row_to_dict(row) for row in self.rows],
            "diagnostics": [
                {
                    "check": d.check,
                    "status": d.status.value,
                    "value": d.value,
                    "message": d.message.to_dict(),
                    "variant": d.variant,
                }
                for d in self.diagnostics
            ],
            "warnings": [message.to_dict() for message in self.warnings],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "LookReport":
        """The report that ``to_dict`` wrote."""
        return cls(
            data["unit"],
            data["mechanism"],
            data["leads"],
            data["alpha"],
            LookRule(**data["look"]),
            data["n_units"],
            tuple(_row_from_dict(row) for row in data["rows"]),
            tuple(
                Diagnostic(d["check"], Status(d["status"]), d["value"], Message.from_dict(d["message"]), d["variant"])
                for d in data["diagnostics"]
            ),
            tuple(Message.from_dict(message) for message in data["warnings"]),
        )


_PLAIN = (
    "metric", "metric_unit", "level", "role", "direction", "variant", "segment", "gate_confidence", "p_value_adjusted",
    "p_harm", "leads",
)  # fmt: skip


def _row_to_dict(row: ReportRow) -> dict[str, Any]:
    guard = row.non_inferiority
    return {name: getattr(row, name) for name in _PLAIN} | {
        "estimate": row.estimate.to_dict() if row.estimate else None,
        "interval_gate": list(row.interval_gate) if row.interval_gate else None,
        "non_inferiority": {name: getattr(guard, name) for name in NonInferiority.__slots__} if guard else None,
        "alternatives": [estimate.to_dict() for estimate in row.alternatives],
        "stamps": list(row.stamps),
        "assumption": row.assumption.to_dict() if row.assumption else None,
        "refusal": row.refusal.to_dict() if row.refusal else None,
    }


def _row_from_dict(data: Mapping[str, Any]) -> ReportRow:
    gate, guard = data["interval_gate"], data["non_inferiority"]
    return ReportRow(
        **{name: data[name] for name in _PLAIN},
        estimate=Estimate.from_dict(data["estimate"]) if data["estimate"] else None,
        interval_gate=(gate[0], gate[1]) if gate else None,
        non_inferiority=NonInferiority(**guard) if guard else None,
        alternatives=tuple(Estimate.from_dict(estimate) for estimate in data["alternatives"]),
        stamps=tuple(data["stamps"]),
        assumption=Message.from_dict(data["assumption"]) if data["assumption"] else None,
        refusal=Message.from_dict(data["refusal"]) if data["refusal"] else None,
    )
