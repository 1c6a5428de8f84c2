"""Rows of a calibration: what replay measured of one method, the verdict, and the sentence that says it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from experiments.design.placebo import CR2, PERMUTATION, REGRESSION_T, STUDENTISED, Placebo, rate_interval
from experiments.design.power import DEFAULT_POWER
from experiments.design.reported_replay import CHANGES, SYNTHETIC
from experiments.messages import N_, Message

if TYPE_CHECKING:
    from experiments.estimate.estimate import Interval
    from experiments.plan import MetricSpec, Plan

FEWEST_WINDOWS = 4
_FLAGGED_AT = 1.6  # times the nominal level: 8 % where 5 % is promised

_WORDS = {
    REGRESSION_T: N_("regression t"),
    CR2: N_("CR2"),
    PERMUTATION: N_("permutation"),
    STUDENTISED: N_("permutation, studentised"),
    CHANGES: N_("difference in differences, HC2"),
    SYNTHETIC: N_("synthetic DiD"),
}


class Verdict(StrEnum):
    """What replay says about an interval."""

    OK = "ok"
    FLAGGED = "flagged"
    TOO_LITTLE_HISTORY = "too_little_history"
    BY_DESIGN = "by_design"


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """One method for one metric and variant.

    ``false_alarms`` is the share of placebo runs that rejected at the nominal level, ``coverage`` the share of
    intervals that held the true average effect when every treated unit gained ``lift`` of its own value; each with the
    95 % interval that the windows allow. They are None with too little history, and where only the design speaks:
    there ``level_by_design`` is the level of the permutation test. ``power`` is that for a constant effect of ``lift``
    times the mean, ``smallest_effect`` what a share 0.8 of the runs would find (None: nothing does). ``beside`` names
    the method that the plan would report, where this one only stands beside it (None: this one leads, or may).
    """

    metric: str
    variant: str
    method: str
    n_control: int
    n_variant: int
    n_runs: int
    false_alarms: float | None
    false_alarms_interval: Interval | None
    coverage: float | None
    coverage_interval: Interval | None
    level_by_design: float | None
    power: float
    smallest_effect: float | None
    smallest_relative: float | None
    verdict: Verdict
    sentence: Message
    beside: str | None = None

    def told(self) -> Message:
        """The sentence, and where it speaks of another method than the plan's, that it does."""
        if self.beside is None:
            return self.sentence
        values: dict[str, str | int | float] = {"method": _WORDS[self.beside], "sentence": str(self.sentence)}
        return Message("calibration_beside", N_("beside {method}, which the plan reports: {sentence}"), values)


def calibration_row(
    plan: Plan, metric: MetricSpec, variant: str, method: str, runs: Placebo, lift: float, beside: str | None = None
) -> CalibrationRow:
    """The row of ``method`` for one metric and variant, which stands ``beside`` another method where that is given."""
    null = runs.null[method]
    smallest = runs.smallest_effect(method, DEFAULT_POWER)
    answered = ~_is_nan(null.effect)
    false_alarms = coverage = None
    alarms_interval = coverage_interval = None
    if method in (PERMUTATION, STUDENTISED):
        verdict = Verdict.BY_DESIGN
    elif runs.n_windows < FEWEST_WINDOWS or not answered.all():
        verdict = Verdict.TOO_LITTLE_HISTORY
    else:
        false_alarms = float((null.p_value <= plan.alpha).sum() / len(null.p_value))
        coverage = float(runs.lifted[method].covers(runs.truth).sum() / len(runs.truth))
        alarms_interval = rate_interval(false_alarms, runs.n_windows)
        coverage_interval = rate_interval(coverage, runs.n_windows)
        low = alarms_interval[0] or 0.0
        is_flagged = false_alarms > _FLAGGED_AT * plan.alpha + 1e-12 or low > plan.alpha
        verdict = Verdict.FLAGGED if is_flagged else Verdict.OK
    values: dict[str, str | int | float] = {"method": _WORDS[method], "n": runs.n_windows, "alpha": plan.alpha}
    if verdict is Verdict.BY_DESIGN and runs.attained is not None:
        values |= {"level": runs.attained, "draws": runs.n_draws or 0}
    if false_alarms is not None and coverage is not None and alarms_interval is not None:
        values |= {"alarms": false_alarms, "coverage": coverage}
        values |= {"low": alarms_interval[0] or 0.0, "high": 1.0 if alarms_interval[1] is None else alarms_interval[1]}
    return CalibrationRow(
        metric=metric.name,
        variant=variant,
        method=method,
        n_control=runs.n_control,
        n_variant=runs.n_variant,
        n_runs=len(null.effect),
        false_alarms=false_alarms,
        false_alarms_interval=alarms_interval,
        coverage=coverage,
        coverage_interval=coverage_interval,
        level_by_design=runs.attained if verdict is Verdict.BY_DESIGN else None,
        power=runs.power_at(method, lift * runs.mean),
        smallest_effect=smallest,
        smallest_relative=smallest / abs(runs.mean) if smallest is not None and runs.mean else None,
        verdict=verdict,
        sentence=_sentence(verdict, values, bool(runs.n_draws), bool(answered.all())),
        beside=beside,
    )


def _sentence(verdict: Verdict, values: dict[str, str | int | float], listed: bool, answered: bool) -> Message:
    if verdict is Verdict.BY_DESIGN:
        template = (
            N_("{method}: rejects {level:.1%} by design, whatever the data (all {draws} draws are listed)")
            if listed
            else N_("{method}: rejects {level:.1%} by design, whatever the data")
        )
    elif not answered:
        return Message("no_error", N_("{method}: one unit alone carries the effect; there is no such interval"), values)
    elif verdict is Verdict.TOO_LITTLE_HISTORY:
        template = N_("{method}: too little history to say: {n} windows that do not overlap, four are needed")
    elif verdict is Verdict.FLAGGED:
        template = N_(
            "{method}: FLAGGED, {alarms:.1%} false alarms where {alpha:.0%} are promised ({low:.0%} to {high:.0%} by "
            "{n} windows); its interval covered {coverage:.1%}"
        )
    else:
        template = N_(
            "{method}: {alarms:.1%} false alarms where {alpha:.0%} are promised ({low:.0%} to {high:.0%} by {n} "
            "windows); its interval covered {coverage:.1%}"
        )
    return Message(f"calibration_{verdict.value}", template, values)


def comparison_words(row: CalibrationRow) -> Message:
    """Which units stand against which."""
    return Message(
        "calibration_of",
        N_("{metric}, {variant}: {n_variant} units against {n_control} in control"),
        {"metric": row.metric, "variant": row.variant, "n_variant": row.n_variant, "n_control": row.n_control},
    )


def power_words(row: CalibrationRow, lift: float) -> Message:
    """What the placebo runs say about power, as a sentence."""
    values: dict[str, str | int | float] = {"lift": lift, "power": row.power, "method": _WORDS[row.method]}
    if row.smallest_effect is None or row.smallest_relative is None:
        template = N_(
            "power ({method}): an effect of {lift:.1%} is found {power:.0%} of the time; "
            "no effect of any size is found four times in five"
        )
        return Message("calibration_no_power", template, values)
    values |= {"smallest": row.smallest_effect, "relative": row.smallest_relative}
    return Message(
        "calibration_power",
        N_(
            "power ({method}): an effect of {lift:.1%} is found {power:.0%} of the time; one of {relative:.1%} "
            "({smallest:.4g} a unit) four times in five"
        ),
        values,
    )


def _is_nan(values: Any) -> Any:
    return values != values
