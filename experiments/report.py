"""What an analysis says: its rows, omnibus tests, diagnostics and warnings; as text, HTML, data, and charts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from experiments.estimate.estimate import Interval
from experiments.messages import Message
from experiments.monitor.diagnostic import Diagnostic, Status
from experiments.monitor.looks import LookRule
from experiments.rows.finding import Finding
from experiments.rows.omnibus import Omnibus

if TYPE_CHECKING:
    from experiments.report_charts import Charts

VERSION = 1
NOT_FOR_THE_GATE = "not for the gate"

# The numbers of a row, in the order of the document; all of them null where there is a refusal.
NUMBERS = (
    "n_units", "n_rows", "mean_control", "mean_variant", "effect", "relative_effect", "std_error", "df", "interval",
    "interval_level", "p_value", "p_value_adjusted", "randomization_p",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one variant against control, in one segment or in all.

    ``effect`` is variant − control in the metric's unit, ``relative_effect`` its share of ``mean_control``, or of
    what treated units would have had where it is an effect on them (None where that is zero). ``interval`` has the
    confidence ``interval_level``; an end is None where the data set no limit.
    ``interval_plan`` is the interval at 1 − alpha where looks give ``interval`` another level: not for the gate.
    ``p_value`` is that of ``method``; a guardrail's is that of non-inferiority. ``p_value_adjusted`` covers the
    row's family, by ``adjusted_by``. Where ``refusal`` stands, every number is None.
    """

    metric: str
    kind: str
    role: str
    direction: str
    variant: str
    segment: str | None
    n_units: int | None = None
    n_rows: int | None = None
    mean_control: float | None = None
    mean_variant: float | None = None
    effect: float | None = None
    relative_effect: float | None = None
    std_error: float | None = None
    df: float | None = None
    interval: Interval | None = None
    interval_level: float | None = None
    interval_plan: tuple[Interval, float] | None = None
    p_value: float | None = None
    p_value_adjusted: float | None = None
    adjusted_by: str | None = None
    randomization_p: float | None = None
    method: str | None = None
    reason: Message | None = None
    estimand: str | None = None
    assumptions: tuple[Message, ...] = ()
    alternatives: tuple[Finding, ...] = ()
    verdict: Message | None = None
    refusal: Message | None = None
    exploratory: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON-able data: keys of the published schema, sentences in English."""
        found: dict[str, Any] = {
            "metric": self.metric,
            "kind": self.kind,
            "role": self.role,
            "direction": self.direction,
            "variant": self.variant,
            "segment": self.segment,
        }
        found |= {name: _plain(getattr(self, name)) for name in NUMBERS}
        found["interval_95"] = None
        if self.interval_plan is not None:
            interval, level = self.interval_plan
            found["interval_95"] = {"interval": list(interval), "level": level, "use": NOT_FOR_THE_GATE}
        return found | {
            "adjusted_by": self.adjusted_by,
            "method": self.method,
            "why": _text(self.reason),
            "estimand": self.estimand,
            "assumptions": [str(message) for message in self.assumptions],
            "alternatives": [_alternative(finding, self.estimand) for finding in self.alternatives],
            "verdict": _text(self.verdict),
            "exploratory": self.exploratory,
            "refusal": _text(self.refusal),
            "refusal_code": self.refusal.code if self.refusal else None,
            "extra": _plain(self.extra),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Row":
        """The row that ``to_dict`` wrote; sentences come back as they were said."""
        beside = data["interval_95"]
        plain = ("metric", "kind", "role", "direction", "variant", "segment", *NUMBERS)
        row = cls(**{name: data[name] for name in plain}, method=data["method"], estimand=data["estimand"])
        return replace(
            row,
            interval=_pair(data["interval"]),
            interval_plan=None if beside is None else (_pair(beside["interval"]) or (None, None), beside["level"]),
            adjusted_by=data["adjusted_by"],
            reason=_said(data["why"]),
            assumptions=tuple(_sentence(text) for text in data["assumptions"]),
            alternatives=tuple(_finding(found) for found in data["alternatives"]),
            verdict=_said(data["verdict"]),
            refusal=None if data["refusal"] is None else _sentence(data["refusal"], data["refusal_code"]),
            exploratory=data["exploratory"],
            extra=data["extra"],
        )


@dataclass(frozen=True, slots=True)
class Series:
    """For charts: the mean of a metric over a variant's units in one period."""

    metric: str
    period: str
    variant: str
    value: float
    n_units: int


@dataclass(frozen=True, slots=True)
class Difference:
    """For charts: the standardised difference of a covariate between a variant and control before the start."""

    covariate: str
    variant: str
    difference: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that ``analyze`` found. ``plan`` is the plan as read, ``seed`` the seed that was used."""

    rows: tuple[Row, ...]
    omnibus: tuple[Omnibus, ...]
    diagnostics: tuple[Diagnostic, ...]
    warnings: tuple[Message, ...]
    versions: Mapping[str, str]
    seed: int
    alpha: float
    control: str
    look: LookRule | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)
    balance: tuple[Difference, ...] = ()
    series: tuple[Series, ...] = ()
    start: str | None = None

    @property
    def charts(self) -> "Charts":
        """Forest, series over time, and balance, as Altair charts."""
        from experiments.report_charts import Charts

        return Charts(self)

    def row(self, metric: str, variant: str, segment: str | None = None) -> Row:
        """The row of ``metric`` and ``variant``; ``KeyError`` when the report has none."""
        for row in self.rows:
            if (row.metric, row.variant, row.segment) == (metric, variant, segment):
                return row
        raise KeyError((metric, variant, segment))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data; ``docs/analyze.schema.json`` describes it."""
        return {
            "version": VERSION,
            "control": self.control,
            "alpha": self.alpha,
            "seed": self.seed,
            "look": None if self.look is None else _look(self.look),
            "rows": [row.to_dict() for row in self.rows],
            "omnibus": [_omnibus(found) for found in self.omnibus],
            "diagnostics": [
                {
                    "check": found.check,
                    "status": found.status.value,
                    "value": _plain(found.value),
                    "message": str(found.message),
                    "variant": found.variant,
                }
                for found in self.diagnostics
            ],
            "warnings": [str(message) for message in self.warnings],
            "balance": [{name: getattr(point, name) for name in Difference.__slots__} for point in self.balance],
            "series": [{name: getattr(point, name) for name in Series.__slots__} for point in self.series],
            "start": self.start,
            "plan": dict(self.plan),
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Report":
        """The report that ``to_dict`` wrote."""
        return cls(
            rows=tuple(Row.from_dict(row) for row in data["rows"]),
            omnibus=tuple(
                Omnibus(
                    found["metric"],
                    found["statistic"],
                    None if found["df"] is None else (found["df"][0], found["df"][1]),
                    found["p"],
                    found["method"],
                    _said(found["refusal"]),
                )
                for found in data["omnibus"]
            ),
            diagnostics=tuple(
                Diagnostic(d["check"], Status(d["status"]), d["value"], _sentence(d["message"]), d["variant"])
                for d in data["diagnostics"]
            ),
            warnings=tuple(_sentence(text) for text in data["warnings"]),
            versions=data["versions"],
            seed=data["seed"],
            alpha=data["alpha"],
            control=data["control"],
            look=None
            if data["look"] is None
            else LookRule(**{name: data["look"][name] for name in LookRule.__slots__}),
            plan=data["plan"],
            balance=tuple(Difference(**point) for point in data["balance"]),
            series=tuple(Series(**point) for point in data["series"]),
            start=data["start"],
        )

    def __str__(self) -> str:
        from experiments.rendering import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from experiments.rendering import as_html

        return as_html(self)


def _look(look: LookRule) -> dict[str, Any]:
    found = {name: getattr(look, name) for name in LookRule.__slots__}
    return found | {"information": list(look.information), "gate_confidence": look.gate_confidence}


def _omnibus(found: Omnibus) -> dict[str, Any]:
    return {
        "metric": found.metric,
        "statistic": _plain(found.statistic),
        "df": None if found.df is None else list(found.df),
        "p": _plain(found.p_value),
        "method": found.method,
        "refusal": _text(found.refusal),
    }


def _alternative(finding: Finding, estimand: str | None) -> dict[str, Any]:
    names = ("method", "effect", "std_error", "df", "interval", "interval_level", "p_value", "estimand", "per")
    named = {name: _plain(getattr(finding, name)) for name in names} | {"estimand": finding.estimand or estimand}
    return named | {str(name): _plain(value) for name, value in finding.extra.items()}


def _finding(data: Mapping[str, Any]) -> Finding:
    names = ("method", "effect", "std_error", "df", "interval", "interval_level", "p_value", "estimand", "per")
    extra = {name: value for name, value in data.items() if name not in names}
    known = {name: data[name] for name in names}
    return Finding(**{**known, "interval": _pair(known["interval"]) or (None, None)}, extra=extra)


def _plain(value: Any) -> Any:
    """JSON-able: numpy numbers as Python's, a number that is not finite as null, tuples as lists."""
    if isinstance(value, Message):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    number = float(value)
    return number if math.isfinite(number) else None


def _pair(values: Any) -> Interval | None:
    return None if values is None else (values[0], values[1])


def _text(message: Message | None) -> str | None:
    return None if message is None else str(message)


def _sentence(text: str, code: str = "said") -> Message:
    return Message(code, text.replace("{", "{{").replace("}", "}}"), {})


def _said(text: str | None) -> Message | None:
    return None if text is None else _sentence(text)
