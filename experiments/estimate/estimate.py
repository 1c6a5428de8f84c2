"""What an estimate is, and what every inference can answer: a p-value, a one-sided p-value, an interval, a bound."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

from experiments.checks import finite, probability
from experiments.errors import InvalidNumber

Interval = tuple[float | None, float | None]


class Method(StrEnum):
    """How an estimate was made; each has a page in ``docs/methods``."""

    PERMUTATION = "permutation"
    PERMUTATION_STUDENTISED = "permutation_studentised"
    REGRESSION_T = "regression_t"
    CR2 = "cr2"
    UNPAIRED_CR2 = "unpaired_cr2"
    CUSTOMER_WEIGHTED = "customer_weighted"
    WELCH = "welch"
    WELCH_ADJUSTED = "welch_adjusted"
    WELCH_DELTA = "welch_delta"
    WELCH_DELTA_ADJUSTED = "welch_delta_adjusted"


class Side(StrEnum):
    """The alternative of a one-sided test: the effect is greater, or less, than the value that is tested."""

    GREATER = "greater"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class Estimate:
    """One effect, variant − control, in the units of the metric.

    ``relative_effect`` is the effect as a share of ``mean_control`` (None when that is zero). ``df`` is None where
    the p-value comes from permutation. An end of ``interval`` is None where the data set no limit on that side.
    ``n_units`` are the units of assignment that were compared, ``n_rows`` the rows beneath them (customers,
    store-days or receipts).
    """

    effect: float
    relative_effect: float | None
    std_error: float
    df: float | None
    interval: Interval
    confidence_level: float
    p_value: float
    n_units: int
    n_rows: int
    mean_control: float
    mean_variant: float
    method: str

    def __post_init__(self) -> None:
        for name in ("effect", "std_error", "mean_control", "mean_variant"):
            finite(name, getattr(self, name))
        probability("confidence_level", self.confidence_level)
        if not 0.0 <= self.p_value <= 1.0:
            raise InvalidNumber(name="p_value", value=self.p_value, must_be="a number from 0 to 1")

    def to_dict(self) -> dict[str, Any]:
        """The estimate as JSON-able data with full precision."""
        return asdict(self) | {"interval": list(self.interval)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Estimate":
        """The estimate that ``to_dict`` wrote."""
        lower, upper = data["interval"]
        return cls(**{**data, "interval": (lower, upper)})


class Inference(Protocol):
    """What a test of one effect can answer, whatever its distribution."""

    @property
    def effect(self) -> float: ...

    def p_value(self, at: float = 0.0) -> float:
        """Two-sided p-value of the hypothesis that the effect is ``at`` in every unit."""
        ...

    def p_one_sided(self, side: Side, at: float = 0.0) -> float:
        """p-value of "the effect is at most ``at``" against GREATER, or "at least ``at``" against LESS."""
        ...

    def interval(self, confidence_level: float) -> Interval:
        """The values that the two-sided test does not reject at 1 − ``confidence_level``."""
        ...

    def bound(self, side: Side, confidence_level: float) -> float | None:
        """The lower end (GREATER) or upper end (LESS) of the one-sided interval; None where there is no limit."""
        ...


@dataclass(frozen=True, slots=True)
class TInference:
    """An effect whose ratio to ``std_error`` follows Student's t with ``df`` degrees of freedom."""

    effect: float
    std_error: float
    df: float

    def __post_init__(self) -> None:
        finite("effect", self.effect)
        if not self.std_error >= 0.0 or not self.df > 0.0:
            raise InvalidNumber(
                name="std_error, df", value=f"{self.std_error}, {self.df}", must_be="not negative, positive"
            )

    def p_value(self, at: float = 0.0) -> float:
        return min(1.0, 2.0 * _t_cdf(-abs(self._statistic(at)), self.df))

    def p_one_sided(self, side: Side, at: float = 0.0) -> float:
        statistic = self._statistic(at)
        return _t_cdf(-statistic if side is Side.GREATER else statistic, self.df)

    def interval(self, confidence_level: float) -> Interval:
        reach = _t_quantile(0.5 + probability("confidence_level", confidence_level) / 2, self.df) * self.std_error
        return self.effect - reach, self.effect + reach

    def bound(self, side: Side, confidence_level: float) -> float | None:
        reach = _t_quantile(probability("confidence_level", confidence_level), self.df) * self.std_error
        return self.effect - reach if side is Side.GREATER else self.effect + reach

    def _statistic(self, at: float) -> float:
        difference = self.effect - at
        if self.std_error == 0.0:
            return math.copysign(math.inf, difference) if difference else 0.0
        return difference / self.std_error


def make_estimate(
    inference: Inference,
    *,
    method: Method,
    std_error: float,
    df: float | None,
    confidence_level: float,
    n_units: int,
    n_rows: int,
    mean_control: float,
    mean_variant: float,
) -> Estimate:
    """The ``Estimate`` of an inference: its effect, relative effect, two-sided p-value and interval."""
    return Estimate(
        effect=inference.effect,
        relative_effect=inference.effect / mean_control if mean_control else None,
        std_error=std_error,
        df=df,
        interval=inference.interval(confidence_level),
        confidence_level=confidence_level,
        p_value=inference.p_value(),
        n_units=n_units,
        n_rows=n_rows,
        mean_control=mean_control,
        mean_variant=mean_variant,
        method=method.value,
    )


def _t_cdf(value: float, df: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(df, value))


def _t_quantile(probability_below: float, df: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, probability_below))
