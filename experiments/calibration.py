"""Calibration: the plan replayed on the retailer's own past, where nothing happened and every alarm is false.

Randomised plans: each past window is analysed under many redraws of the mechanism; the t and CR2 intervals show their
false alarms and coverage. The permutation test needs no such proof: redrawing what it permutes gives its level on any
data, which is a property of the design and printed as one. Hand-picked units: the units that were picked are slid over
past positions of the window, analysed as the report would (changes with the HC2 error, synthetic DiD of one to four
units); the t and CR2 intervals of the regression stand beside. Draws of one window share its data: the
uncertainty of a rate comes from the number of windows whose outcomes do not overlap; under four there is too little
history to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments.checks import at_least, finite
from experiments.design.calibration_rows import (
    FEWEST_WINDOWS,
    CalibrationRow,
    Verdict,
    calibration_row,
    comparison_words,
    power_words,
)
from experiments.design.past_windows import History, history_of
from experiments.design.placebo import CR2, REGRESSION_T, Placebo, placebo_runs
from experiments.design.reported_replay import reported_method, reported_runs
from experiments.errors import NotEstimable
from experiments.messages import N_, Message
from experiments.plan import Plan, plan_from_mapping

DEFAULT_REPLICATIONS = 1_000
DEFAULT_LIFT = 0.05
_DRAWS = 999


@dataclass(frozen=True, slots=True)
class Refusal:
    """A metric and variant that could not be replayed, and why."""

    metric: str
    variant: str
    reason: Message


@dataclass(frozen=True, slots=True)
class Calibration:
    """The answer of a replay. ``n_windows`` do not overlap; ``windows`` names their first and last periods.

    ``is_flagged`` where some interval promises more than it kept: more than 1.6 times the nominal false alarms (8 % at
    5 %), or more than nominal beyond doubt (lower end above the level). Methods that only stand beside what the plan
    reports are flagged in their rows alone, unless what it reports cannot be replayed.
    """

    rows: tuple[CalibrationRow, ...]
    refusals: tuple[Refusal, ...]
    assignment: str
    is_randomised: bool
    alpha: float
    lift: float
    n_periods: int
    n_before: int
    n_during: int
    windows: tuple[str, ...]
    replications: int
    draws: int
    seed: int

    @property
    def n_windows(self) -> int:
        """Past windows whose outcomes do not overlap."""
        return len(self.windows)

    @property
    def is_flagged(self) -> bool:
        """Whether some interval keeps less than it promises."""
        return any(row.verdict is Verdict.FLAGGED for rows in self._compared() for row in _leading(rows))

    @property
    def has_too_little_history(self) -> bool:
        """Whether there are fewer than four windows."""
        return self.n_windows < FEWEST_WINDOWS

    def lines(self) -> tuple[tuple[int, Message], ...]:
        """The whole answer as sentences, each with its indentation: what was replayed, then each metric and variant."""
        found = [(0, self._headline())]
        for rows in self._compared():
            found.append((0, comparison_words(rows[0])))
            found += [(1, row.told()) for row in rows]
            found.append((1, power_words(_leading(rows)[-1], self.lift)))
        for refusal in self.refusals:
            values = {"metric": refusal.metric, "variant": refusal.variant, "reason": str(refusal.reason)}
            found.append((0, Message("calibration_refused", N_("{metric}, {variant}: {reason}"), values)))
        return tuple(found)

    def to_text(self) -> str:
        """The answer as plain English."""
        return "\n".join(f"{'  ' * indent}{message}" for indent, message in self.lines())

    def __str__(self) -> str:
        return self.to_text()

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON-able data with full precision."""
        rows = [
            asdict(row) | {"verdict": row.verdict.value, "sentence": str(row.sentence)} | _lists(row)
            for row in self.rows
        ]
        return {
            "rows": rows,
            "refusals": [
                {"metric": r.metric, "variant": r.variant, "reason": str(r.reason), "code": r.reason.code}
                for r in self.refusals
            ],
            "flagged": self.is_flagged,
            "too_little_history": self.has_too_little_history,
            "assignment": self.assignment,
            "alpha": self.alpha,
            "lift": self.lift,
            "n_windows": self.n_windows,
            "windows": list(self.windows),
            "periods": self.n_periods,
            "periods_before": self.n_before,
            "periods_during": self.n_during,
            "replications": self.replications,
            "draws": self.draws,
            "seed": self.seed,
        }

    def _compared(self) -> list[list[CalibrationRow]]:
        """The rows of each metric and variant."""
        keys = dict.fromkeys((row.metric, row.variant) for row in self.rows)
        return [[row for row in self.rows if (row.metric, row.variant) == key] for key in keys]

    def _headline(self) -> Message:
        values: dict[str, str | int | float] = {
            "n": self.n_windows,
            "during": self.n_during,
            "before": self.n_before,
            "replications": self.replications,
            "assignment": self.assignment,
        }
        if self.is_randomised:
            return Message(
                "calibration",
                N_(
                    "Replay of the plan on its own past: {n} windows of {during} periods (after {before}) in which "
                    "nobody was treated, {replications} placebo draws of the mechanism ({assignment})."
                ),
                values,
            )
        return Message(
            "calibration_observational",
            N_(
                "Replay of the plan on its own past: the units that were picked, slid over {n} windows of {during} "
                "periods (after {before}) in which nobody was treated. Nobody drew them: no permutation test is "
                "licensed."
            ),
            values,
        )


def calibrate(
    data: Any,
    plan: Plan | Mapping[str, Any],
    *,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int | None = None,
    lift: float = DEFAULT_LIFT,
    draws: int = _DRAWS,
) -> Calibration:
    """Replay ``plan`` on the past in ``data``: false alarms and coverage of the t and CR2 intervals, and power.

    ``data`` is a panel (pandas, polars, Arrow, Ibis or a mapping of columns) with the periods before the start; later
    periods are not used. Past windows are as long as the plan's. The analysis is the plan's for a panel with one start:
    the regression of unit values on treatment, blocks and the value before, with its t, its CR2 error, and the
    permutation test over ``draws`` shared redraws (whose intervals give the power of a randomised plan). In an
    observational panel the change with its HC2 error, or synthetic DiD of one to four units, leads instead. ``lift`` is
    the relative effect for coverage and power. Raises the errors of reading and ``NotEstimable`` where no window can
    be replayed at all. Reference: Bertrand, Duflo and Mullainathan (2004), Quarterly Journal of Economics 119.
    """
    from experiments.reading import read

    plan = plan if isinstance(plan, Plan) else plan_from_mapping(plan)
    at_least("replications", replications, 1)
    finite("lift", lift)
    frame = read(data, plan, all_periods=True).frame
    history = history_of(frame, plan)
    seed = plan.effective_seed if seed is None else at_least("seed", seed, 0)
    rows: list[CalibrationRow] = []
    refusals: list[Refusal] = []
    for metric in plan.metrics:
        for variant in frame.variants[1:]:
            reported = reported_method(history, metric, variant)
            reasons: dict[str, Message] = {}
            try:
                runs = placebo_runs(
                    history, metric, variant, replications=replications, draws=draws, seed=seed, lift=lift
                )
                rows += [calibration_row(plan, metric, variant, name, runs, lift, reported) for name in _order(runs)]
            except NotEstimable as refusal:
                reasons[refusal.message.code] = refusal.message
            try:
                if reported is not None:
                    own = reported_runs(history, metric, variant, lift=lift)
                    rows.append(calibration_row(plan, metric, variant, reported, own, lift))
            except NotEstimable as refusal:
                reasons[refusal.message.code] = refusal.message
            refusals += [Refusal(metric.name, variant, reason) for reason in reasons.values()]
    return Calibration(
        rows=tuple(rows),
        refusals=tuple(refusals),
        assignment=plan.assignment.value,
        is_randomised=plan.is_randomised,
        alpha=plan.alpha,
        lift=lift,
        n_periods=history.n_periods,
        n_before=history.n_before,
        n_during=history.n_during,
        windows=_names(history),
        replications=replications,
        draws=draws,
        seed=seed,
    )


def _leading(rows: list[CalibrationRow]) -> list[CalibrationRow]:
    """What the plan would report; where that could not be replayed, what stands beside it."""
    return [row for row in rows if row.beside is None] or rows


def _names(history: History) -> tuple[str, ...]:
    return tuple(window.name for window in history.windows())


def _order(runs: Placebo) -> list[str]:
    """t and CR2 first, then the permutation test: what is measured before what the design promises."""
    return sorted(runs.null, key=lambda method: (method not in (REGRESSION_T, CR2), method != REGRESSION_T))


def _lists(row: CalibrationRow) -> dict[str, Any]:
    return {
        name: None if getattr(row, name) is None else list(getattr(row, name))
        for name in ("false_alarms_interval", "coverage_interval")
    }
