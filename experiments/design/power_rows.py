"""Rows of a power report: which effects a plan finds, how that is known, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from experiments.design.cluster_power import IntraclassCorrelation
from experiments.design.power import detectable, power_of_t
from experiments.messages import N_, Message

if TYPE_CHECKING:
    from experiments.design.placebo import Placebo
    from experiments.plan import Plan


class How(StrEnum):
    """Where a power comes from."""

    CLOSED_FORM = "closed_form"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class PowerRow:
    """Power for one metric and variant. ``power`` holds (relative effect, power); ``smallest_effect`` is what is found
    with ``power_wanted`` (None: nothing is), ``smallest_relative`` its share of ``mean``. ``std_error`` and ``df`` are
    those of the closed form. ``smallest_p`` is the least p-value that the draw can give (None: nobody drew).
    ``icc`` where the table has rows beneath the units. ``beside`` names the method that the plan would report, where
    this row is of another one (None: it is of that one, or the closed form that stands for it)."""

    metric: str
    variant: str
    how: How
    method: str
    n_control: int
    n_variant: int
    n_windows: int
    mean: float
    std_error: float | None
    df: float | None
    smallest_effect: float | None
    smallest_relative: float | None
    power: tuple[tuple[float, float], ...]
    smallest_p: float | None
    icc: IntraclassCorrelation | None
    sentence: Message
    beside: str | None = None

    def told(self) -> Message:
        """The sentence with what it is about."""
        values: dict[str, str | int | float] = {
            "metric": self.metric,
            "variant": self.variant,
            "how": self.how.value.replace("_", " "),
            "method": self.method,
            "sentence": str(self.sentence),
        }
        if self.beside is None:
            return Message("power_of", N_("{metric}, {variant} ({how}, {method}): {sentence}"), values)
        values["reported"] = self.beside
        template = N_("{metric}, {variant} ({how}, {method}, beside {reported}, which the plan reports): {sentence}")
        return Message("power_beside", template, values)


@dataclass(frozen=True, slots=True)
class PowerReport:
    """The answer of ``plan_power``: rows, and (metric, variant, reason) of what could not be answered."""

    rows: tuple[PowerRow, ...]
    refusals: tuple[tuple[str, str, Message], ...]
    level: float
    power_wanted: float
    seed: int

    def to_text(self) -> str:
        """The answer as plain English."""
        lines = [str(row.told()) for row in self.rows]
        lines += [f"{metric}, {variant}: {reason}" for metric, variant, reason in self.refusals]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_text()

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON-able data with full precision."""
        rows = []
        for row in self.rows:
            known = asdict(row) | {"how": row.how.value, "sentence": str(row.sentence)}
            known["power"] = [list(pair) for pair in row.power]
            rows.append(known)
        return {
            "rows": rows,
            "refusals": [{"metric": m, "variant": v, "reason": str(r), "code": r.code} for m, v, r in self.refusals],
            "level": self.level,
            "power_wanted": self.power_wanted,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What one row is to answer: whose power, for which relative effects, and the power of the smallest effect."""

    plan: Plan
    metric: str
    variant: str
    lifts: Sequence[float]
    wanted: float

    def in_closed_form(
        self,
        method: str,
        sizes: tuple[int, int],
        error: float,
        df: float,
        mean: float,
        *,
        n_windows: int = 0,
        reach: float | None = None,
        icc: IntraclassCorrelation | None = None,
        beside: str | None = None,
    ) -> PowerRow:
        """The noncentral t of ``error`` and ``df``; ``sizes`` are the units of control and variant."""
        level = self.plan.alpha
        power = tuple(
            (lift, power_of_t(lift * mean, error, df, level=level) if error > 0 else 1.0) for lift in self.lifts
        )
        smallest = detectable(error, df, level=level, power=self.wanted)
        relative = smallest / abs(mean) if mean else None
        return PowerRow(
            metric=self.metric,
            variant=self.variant,
            how=How.CLOSED_FORM,
            method=method,
            n_control=sizes[0],
            n_variant=sizes[1],
            n_windows=n_windows,
            mean=mean,
            std_error=error,
            df=df,
            smallest_effect=smallest,
            smallest_relative=relative,
            power=power,
            smallest_p=reach,
            icc=icc,
            sentence=_sentence(level, smallest, relative, self.wanted, power, reach),
            beside=beside,
        )

    def by_replay(
        self, method: str, runs: Placebo, *, reach: float | None = None, beside: str | None = None
    ) -> PowerRow:
        """The share of placebo runs that find the effect."""
        smallest = runs.smallest_effect(method, self.wanted)
        relative = smallest / abs(runs.mean) if smallest is not None and runs.mean else None
        power = tuple((lift, runs.power_at(method, lift * runs.mean)) for lift in self.lifts)
        return PowerRow(
            metric=self.metric,
            variant=self.variant,
            how=How.REPLAY,
            method=method,
            n_control=runs.n_control,
            n_variant=runs.n_variant,
            n_windows=runs.n_windows,
            mean=runs.mean,
            std_error=None,
            df=None,
            smallest_effect=smallest,
            smallest_relative=relative,
            power=power,
            smallest_p=reach,
            icc=None,
            sentence=_sentence(self.plan.alpha, smallest, relative, self.wanted, power, reach),
            beside=beside,
        )


def _sentence(
    level: float,
    smallest: float | None,
    relative: float | None,
    wanted: float,
    power: tuple[tuple[float, float], ...],
    reach: float | None,
) -> Message:
    if reach is not None and reach > level:
        values: dict[str, str | int | float] = {"reach": reach, "level": level}
        template = N_("the smallest p-value of this draw is {reach:.3f}, above {level:g}: it can never show an effect")
        return Message("power_out_of_reach", template, values)
    listed = ", ".join(f"{share:.0%} for {lift:+.1%}" for lift, share in power)
    values = {"wanted": wanted, "listed": listed}
    if smallest is None:
        return Message(
            "power_none", N_("no effect of any size is found with power {wanted:.0%}; power {listed}"), values
        )
    values["smallest"] = smallest
    if relative is None:
        template = N_("an effect of {smallest:.4g} is found with power {wanted:.0%}")
        return Message("power_absolute", template, values)
    values["relative"] = relative
    template = N_("an effect of {relative:.1%} ({smallest:.4g}) is found with power {wanted:.0%}; power {listed}")
    return Message("power_relative", template, values)
