"""The analysis plan: which column means what, how units were assigned, and what is tested. Everything is fixed here."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from experiments.errors import ExperimentError
from experiments.look.plan import Role as Role
from experiments.messages import N_
from experiments.monitor.spending import Spending as Spending

DEFAULT_ALPHA = 0.05
DEFAULT_DRAWS = 9_999
SEED_BITS = 48  # a seed from the plan's hash is short enough to stay exact in any JSON reader

# The labels of a panel that knows only when a unit was treated.
NOT_YET = "not yet"
TREATED = "treated"


class Assignment(StrEnum):
    """How the units got their variant."""

    COMPLETE = "complete"
    STRATIFIED = "stratified"
    MATCHED_PAIRS = "matched_pairs"
    RERANDOMIZED = "rerandomized"
    BERNOULLI = "bernoulli"
    STEPPED_WEDGE = "stepped_wedge"
    OBSERVATIONAL = "observational"


class Estimand(StrEnum):
    """What an effect is an average over: units, each once, or rows, each by its weight."""

    UNITS = "units"
    ROWS = "rows"


class Kind(StrEnum):
    """What a metric is."""

    PROPORTION = "proportion"
    MEAN = "mean"
    COUNT = "count"
    RATIO = "ratio"
    DURATION = "duration"


class Better(StrEnum):
    """The good direction of a metric."""

    INCREASE = "increase"
    DECREASE = "decrease"


class UnknownKey(ExperimentError):
    """A key that the plan does not have."""

    code = "unknown_key"
    template = N_("{path}: there is no such key{hint}; the keys here are {keys}")


class MissingKey(ExperimentError):
    """A key that the plan needs."""

    code = "missing_key"
    template = N_("{path}: this key is missing; it is {must_be}")


class WrongValue(ExperimentError):
    """A value that its key cannot have."""

    code = "wrong_value"
    template = N_("{path}: {value} will not do; it must be {must_be}")


@dataclass(frozen=True, slots=True)
class DataColumns:
    """The columns of the table. ``unit`` None: every row is a unit. ``control`` is a label, compared as text."""

    unit: str | None
    variant: str | None = None
    control: str | None = None
    block: str | None = None
    weight: str | None = None
    period: str | None = None
    treated_from: str | None = None
    received: str | None = None
    cost: str | None = None


@dataclass(frozen=True, slots=True)
class Windows:
    """First and last period, both included, before the start and during the test; as text, in units of ``period``."""

    before: tuple[str, str] | None
    during: tuple[str, str]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric. ``value`` is its column; a ratio divides it by ``denominator``; a duration counts days to ``event``
    (0/1) up to ``horizon``. ``margin`` is the loss that a guardrail accepts, absolute, in the metric's unit.
    ``winsorise`` is the quantile, pooled over all variants, above which values are cut."""

    name: str
    kind: Kind
    value: str
    denominator: str | None = None
    event: str | None = None
    role: Role = Role.SECONDARY
    direction: Better = Better.INCREASE
    covariates: tuple[str, ...] = ()
    margin: float | None = None
    horizon: float | None = None
    winsorise: float | None = None

    @property
    def good_is_up(self) -> bool:
        """Whether more is better."""
        return self.direction is Better.INCREASE


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks of one stage: how many are planned, how they share the level, and the information at each look so far
    (increasing shares of the planned information; the last is now)."""

    planned: int
    spending: Spending
    information: tuple[float, ...]

    @property
    def look(self) -> int:
        """The number of this look, from 1."""
        return len(self.information)


@dataclass(frozen=True, slots=True)
class Rerandomised:
    """A draw was accepted when the Mahalanobis distance of the arm means of ``covariates`` was at most
    ``max_distance``."""

    covariates: tuple[str, ...]
    max_distance: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan. ``shares`` are label → weight in the draw (empty: not checked against anything but equality);
    ``assignment_stated`` is False where the plan leaves it to the default."""

    data: DataColumns
    metrics: tuple[MetricSpec, ...]
    windows: Windows | None = None
    assignment: Assignment = Assignment.COMPLETE
    assignment_stated: bool = True
    estimand: Estimand = Estimand.UNITS
    shares: Mapping[str, float] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    alpha: float = DEFAULT_ALPHA
    looks: Looks | None = None
    seed: int | None = None
    draws: int = DEFAULT_DRAWS
    rerandomized: Rerandomised | None = None

    @property
    def is_randomised(self) -> bool:
        """Whether chance decided who got what."""
        return self.assignment is not Assignment.OBSERVATIONAL

    @property
    def confidence_level(self) -> float:
        """1 − alpha."""
        return 1.0 - self.alpha

    @property
    def effective_seed(self) -> int:
        """The plan's seed, else the first 48 bits of the SHA-256 of its canonical text."""
        if self.seed is not None:
            return self.seed
        mapping = self.to_mapping()
        mapping.pop("seed", None)
        text = json.dumps(mapping, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[: SEED_BITS // 8], "big")

    def to_mapping(self) -> dict[str, Any]:
        """The plan as the mapping that ``plan_from_mapping`` reads, every default written out, nothing left out that
        was said."""
        mapping: dict[str, Any] = {
            "data": _said(self.data) | {"unit": self.data.unit},
            "assignment": self.assignment.value,
            "estimand": self.estimand.value,
            "metrics": [_said(metric) for metric in self.metrics],
            "alpha": self.alpha,
            "draws": self.draws,
        }
        if self.windows is not None:
            mapping["windows"] = _said(self.windows)
        if self.shares:
            mapping["shares"] = dict(self.shares)
        if self.segments:
            mapping["segments"] = list(self.segments)
        if self.looks is not None:
            mapping["looks"] = _said(self.looks)
        if self.rerandomized is not None:
            mapping["rerandomized"] = _said(self.rerandomized)
        if self.seed is not None:
            mapping["seed"] = self.seed
        return mapping


def plan_from_mapping(mapping: Mapping[str, Any]) -> Plan:
    """The plan that a file says. Raises ``UnknownKey``, ``MissingKey`` or ``WrongValue``, whose ``path`` names the
    place (``metrics[1].kind``)."""
    from experiments.plan_reading import read_plan

    return read_plan(mapping)


def _said(value: Any) -> dict[str, Any]:
    """The fields of a frozen value that are not empty, as JSON-able data."""
    found: dict[str, Any] = {}
    for name in value.__dataclass_fields__:
        item = getattr(value, name)
        if item is None or item == ():
            continue
        found[name] = list(item) if isinstance(item, tuple) else item.value if isinstance(item, StrEnum) else item
    return found
