"""Reading a plan: from the mapping that a YAML file holds to a ``Plan``, each mistake named with its place."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from experiments.plan import (
    DEFAULT_ALPHA,
    DEFAULT_DRAWS,
    Assignment,
    Better,
    DataColumns,
    Estimand,
    Kind,
    Looks,
    MetricSpec,
    MissingKey,
    Plan,
    Rerandomised,
    Role,
    Spending,
    UnknownKey,
    Windows,
    WrongValue,
)

# Every key of the plan, with what it must be: the documentation is compared with this table.
KEYS: dict[str, dict[str, str]] = {
    "": {
        "data": "a mapping that says which column means what",
        "windows": "a mapping with the periods before the start and during the test",
        "assignment": "one of complete, stratified, matched_pairs, rerandomized, bernoulli, stepped_wedge, "
        "observational",
        "estimand": "units or rows",
        "shares": "a mapping from labels of variants to their weights in the draw",
        "metrics": "a list of metrics, at least one",
        "segments": "a list of columns",
        "alpha": "a number between 0 and 1, both excluded",
        "looks": "a mapping with planned, spending and information",
        "seed": "a whole number, not negative",
        "draws": "a whole number from 99 to 1000000",
        "rerandomized": "a mapping with covariates and max_distance",
    },
    "data": {
        "unit": "the column of the unit that was assigned, or null when every row is a unit of its own",
        "variant": "the column of what the unit received (it may be left out with treated_from)",
        "control": "the label of control in the variant column (it may be left out with treated_from)",
        "block": "the column of the stratum or pair inside which the assignment was drawn",
        "weight": "the column of the sampling weight of a row",
        "period": "the column of time",
        "treated_from": "the column of the unit's first treated period",
        "received": "the column of what was actually received (0 or 1)",
        "cost": "the column of what it cost",
    },
    "windows": {
        "before": "a list of the first and the last period before the start",
        "during": "a list of the first and the last period of the test",
    },
    "metrics[]": {
        "name": "a name, each metric its own",
        "kind": "one of proportion, mean, count, ratio, duration",
        "value": "the column of the metric",
        "denominator": "the column to divide by, for a ratio",
        "event": "the column that is 1 where the event was seen, for a duration",
        "role": "one of primary, secondary, guardrail",
        "direction": "increase or decrease, whichever is good",
        "covariates": "a list of columns that were known before the start",
        "margin": "the loss that is accepted, a number greater than 0 in the metric's unit, for a guardrail",
        "horizon": "a number of days greater than 0, for a duration",
        "winsorise": "a quantile between 0.5 and 1, for a mean or a count: larger values are cut there",
    },
    "looks": {
        "planned": "a whole number, at least 1",
        "spending": "one of obrien_fleming, pocock, equal",
        "information": "a list of increasing numbers above 0 and at most 1, one for each look so far",
    },
    "rerandomized": {
        "covariates": "a list of the columns that were balanced",
        "max_distance": "a number greater than 0: the largest Mahalanobis distance that was accepted",
    },
}

_Choice = TypeVar("_Choice", bound=StrEnum)
_MOST_DRAWS = 1_000_000


class _Section:
    """One mapping of the plan: its keys are taken by name, each with its check."""

    def __init__(self, given: Any, path: str, kind: str) -> None:
        self._keys = KEYS[kind]
        self.path = path
        if not isinstance(given, Mapping):
            raise WrongValue(path=path or "plan", value=_shown(given), must_be="a mapping of keys to values")
        self._given = given
        for key in given:
            if key not in self._keys:
                near = difflib.get_close_matches(str(key), self._keys, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                raise UnknownKey(path=self.at(str(key)), hint=hint, keys=", ".join(self._keys))

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return self._given.get(key) is not None

    def names(self, key: str) -> bool:
        return key in self._given

    def wrong(self, key: str, must_be: str | None = None) -> WrongValue:
        return WrongValue(path=self.at(key), value=_shown(self._given.get(key)), must_be=must_be or self._keys[key])

    def missing(self, key: str) -> MissingKey:
        return MissingKey(path=self.at(key), must_be=self._keys[key])

    def required(self, key: str) -> Any:
        if not self.has(key):
            raise self.missing(key)
        return self._given[key]

    def optional(self, key: str) -> Any:
        return self._given.get(key)

    def text(self, key: str, *, required: bool = False) -> str | None:
        value = self.required(key) if required else self.optional(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise self.wrong(key)
        return str(value)

    def choice(self, key: str, choices: type[_Choice], default: _Choice | None = None) -> _Choice:
        value = self.optional(key) if default is not None else self.required(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in {member.value for member in choices}:
            raise self.wrong(key)
        return choices(value)

    def number(self, key: str, allowed: Callable[[float], bool], *, required: bool = False) -> float | None:
        value = self.required(key) if required else self.optional(key)
        if value is None:
            return None
        if not _is_number(value) or not allowed(float(value)):
            raise self.wrong(key)
        return float(value)

    def whole(self, key: str, least: int, most: int | None, default: int | None) -> int | None:
        value = self.optional(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < least or (most and value > most):
            raise self.wrong(key)
        return value

    def listed(self, key: str) -> list[Any]:
        value = self.optional(key)
        if value is None:
            return []
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            raise self.wrong(key)
        return list(value)

    def columns(self, key: str) -> tuple[str, ...]:
        found = self.listed(key)
        if any(not isinstance(name, str) or not name for name in found) or len(set(found)) < len(found):
            raise self.wrong(key, f"{self._keys[key]}, each once")
        return tuple(found)


def read_plan(mapping: Mapping[str, Any]) -> Plan:
    """The plan of ``mapping``; see ``experiments.plan.plan_from_mapping``."""
    plan = _Section(mapping, "", "")
    data = _data(_Section(plan.required("data"), "data", "data"))
    metrics = _metrics(plan)
    assignment = plan.choice("assignment", Assignment, Assignment.STRATIFIED if data.block else Assignment.COMPLETE)
    if assignment in (Assignment.MATCHED_PAIRS, Assignment.STRATIFIED) and data.block is None:
        raise MissingKey(path="data.block", must_be=f"{KEYS['data']['block']}, which {assignment.value} needs")
    if data.treated_from is not None and data.period is None:
        raise MissingKey(path="data.period", must_be=f"{KEYS['data']['period']}, which treated_from needs")
    if assignment is Assignment.STEPPED_WEDGE and data.treated_from is None:
        raise MissingKey(path="data.treated_from", must_be=f"{KEYS['data']['treated_from']}, which stepped_wedge needs")
    if data.period is not None and data.treated_from is None and not plan.has("windows"):
        raise MissingKey(path="windows", must_be=f"{KEYS['']['windows']}, which a panel without treated_from needs")
    if data.period is None and plan.has("windows"):
        raise MissingKey(path="data.period", must_be=f"{KEYS['data']['period']}, which windows need")
    if data.period is not None and data.unit is None:
        raise plan_wrong("data.unit", "null", "the column of the unit: a panel follows units over time")
    alpha = plan.number("alpha", lambda value: 0.0 < value < 1.0)
    return Plan(
        data=data,
        metrics=metrics,
        windows=_windows(plan),
        assignment=assignment,
        assignment_stated=plan.has("assignment"),
        estimand=plan.choice("estimand", Estimand, Estimand.UNITS),
        shares=_shares(plan),
        segments=plan.columns("segments"),
        alpha=DEFAULT_ALPHA if alpha is None else alpha,
        looks=_looks(plan),
        seed=plan.whole("seed", 0, None, None),
        draws=plan.whole("draws", 99, _MOST_DRAWS, DEFAULT_DRAWS) or DEFAULT_DRAWS,
        rerandomized=_rerandomized(plan),
    )


def plan_wrong(path: str, value: object, must_be: str) -> WrongValue:
    """The error of a value that does not fit another one."""
    return WrongValue(path=path, value=_shown(value), must_be=must_be)


def as_label(value: Any) -> str:
    """A label of the plan as text: 1 and "1" are the same, true is "true", a date is its ISO text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _data(section: _Section) -> DataColumns:
    if not section.names("unit"):  # null is an answer, silence is not: rows taken for units are the classic mistake
        raise section.missing("unit")
    columns = {
        key: section.text(key)
        for key in ("unit", "variant", "block", "weight", "period", "treated_from", "received", "cost")
    }
    control = section.optional("control")
    if isinstance(control, Mapping | list):
        raise section.wrong("control")
    for key, value in (("variant", columns["variant"]), ("control", control)):
        if value is None and (columns["treated_from"] is None or columns["variant"] is not None):
            raise section.missing(key)
    return DataColumns(control=None if control is None else as_label(control), **columns)


def _windows(plan: _Section) -> Windows | None:
    if not plan.has("windows"):
        return None
    section = _Section(plan.required("windows"), "windows", "windows")

    def ends(key: str) -> tuple[str, str] | None:
        found = section.listed(key)
        if not found:
            return None
        if len(found) != 2 or any(isinstance(end, bool | Mapping | list) or end is None for end in found):
            raise section.wrong(key)
        return as_label(found[0]), as_label(found[1])

    during = ends("during")
    if during is None:
        raise section.missing("during")
    return Windows(ends("before"), during)


def _shares(plan: _Section) -> dict[str, float]:
    if not plan.has("shares"):
        return {}
    given = plan.required("shares")
    if not isinstance(given, Mapping) or len(given) < 2:
        raise plan.wrong("shares", f"{KEYS['']['shares']}, at least two")
    for label, weight in given.items():
        if not _is_number(weight) or not weight > 0:
            raise plan_wrong(f"shares.{as_label(label)}", weight, "a number greater than 0")
    return {as_label(label): float(weight) for label, weight in given.items()}


def _metrics(plan: _Section) -> tuple[MetricSpec, ...]:
    plan.required("metrics")
    found: list[MetricSpec] = []
    for place, given in enumerate(plan.listed("metrics")):
        metric = _metric(_Section(given, f"metrics[{place}]", "metrics[]"))
        if metric.name in {other.name for other in found}:
            raise plan_wrong(f"metrics[{place}].name", metric.name, KEYS["metrics[]"]["name"])
        found.append(metric)
    if not found:
        raise plan.wrong("metrics")
    return tuple(found)


def _metric(section: _Section) -> MetricSpec:
    kind = section.choice("kind", Kind)
    needs = {Kind.RATIO: ("denominator",), Kind.DURATION: ("event", "horizon")}.get(kind, ())
    for key in ("denominator", "event", "horizon"):
        if key in needs:
            section.required(key)
        elif section.has(key):
            raise section.wrong(key, f"left out of a {kind.value}: it is {KEYS['metrics[]'][key]}")
    role = section.choice("role", Role, Role.SECONDARY)
    if section.has("margin") and role is not Role.GUARDRAIL:
        raise section.wrong("margin", f"left out of a {role.value} metric: only a guardrail has a margin")
    if section.has("winsorise") and kind not in (Kind.MEAN, Kind.COUNT):
        raise section.wrong("winsorise", f"left out of a {kind.value}: it is {KEYS['metrics[]']['winsorise']}")
    return MetricSpec(
        name=section.text("name", required=True) or "",
        kind=kind,
        value=section.text("value", required=True) or "",
        denominator=section.text("denominator"),
        event=section.text("event"),
        role=role,
        direction=section.choice("direction", Better, Better.INCREASE),
        covariates=section.columns("covariates"),
        margin=section.number("margin", lambda value: value > 0),
        horizon=section.number("horizon", lambda value: value > 0),
        winsorise=section.number("winsorise", lambda value: 0.5 < value < 1.0),
    )


def _looks(plan: _Section) -> Looks | None:
    if not plan.has("looks"):
        return None
    section = _Section(plan.required("looks"), "looks", "looks")
    section.required("planned")
    planned = section.whole("planned", 1, 100, 1) or 1
    section.required("information")
    information = section.listed("information")
    for before, now in zip([0.0, *information], information, strict=False):
        if not _is_number(now) or not before < now <= 1.0:
            raise section.wrong("information")
    if not information:
        raise section.wrong("information")
    return Looks(
        planned, section.choice("spending", Spending, Spending.OBRIEN_FLEMING), tuple(float(i) for i in information)
    )


def _rerandomized(plan: _Section) -> Rerandomised | None:
    if not plan.has("rerandomized"):
        return None
    section = _Section(plan.required("rerandomized"), "rerandomized", "rerandomized")
    section.required("covariates")
    distance = section.number("max_distance", lambda value: value > 0, required=True)
    covariates = section.columns("covariates")
    if not covariates or distance is None:
        raise section.wrong("covariates")
    return Rerandomised(covariates, distance)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
