"""What a design can see: the smallest effect of the leading metric on the network's own history, before the seal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlalchemy.orm import Session

from experiments.design.mechanisms import Mechanism
from experiments.design.power import VisibleEffect, smallest_visible_customer_effect, smallest_visible_effect
from experiments.design.reach import n_possible_draws, smallest_p
from experiments.errors import ExperimentError, NotEstimable
from experiments.measure.metrics import AssignmentUnit, Metric, metric_from_code
from experiments.measure.moments import arm_moments, unit_moments
from experiments.measure.unit_moments import ArmMoments, UnitMoments
from experiments.measure.windows import Window, windows_for
from experiments.messages import Message as ExperimentMessage
from experiments.monitor.looks import advancing_level
from pilot.errors import PilotError
from pilot.outcomes import history
from pilot.planning.candidates import (
    NOTHING_EXCLUDED,
    UNSEALED,
    CandidateList,
    Exclusions,
    candidate_list,
    home_list,
    mechanism_for,
    require_included,
    units_table,
)
from pilot.planning.errors import DesignRefused, DesignRefusedManyLooks, TooLittleHistory
from pilot.planning.metrics import in_our_words
from pilot.planning.plan import STORE_TOTAL, Plan, StagePlan
from pilot.words import N_, Message

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake

POWER = 0.8
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Visible:
    """What a stage can see in ``metric`` (its leading one, unless another is asked about), with ``power``, at the level
    of the look that may advance.

    ``effect`` is in the metric's unit (minor units per store-week for a store total), ``relative`` a share of the
    past mean; both None where ``refusal`` says why. ``window_weeks`` and ``before_weeks`` are what the history allowed;
    ``smallest_p`` is the least p-value that the draw can ever give, of the variant that can reach least.
    """

    stage: int
    metric: str
    effect: float | None
    relative: float | None
    mean: float | None
    level: float
    power: float
    n_units: int
    n_draws: int | None
    smallest_p: float
    n_windows: int
    window_weeks: int
    before_weeks: int
    left_out: tuple[tuple[str, str], ...]
    refusal: Message | None
    note: Message | None = None

    @property
    def effect_minor_per_week(self) -> float | None:
        """The effect in minor units per store-week; None where the leading metric is not the store total."""
        return self.effect if self.metric == STORE_TOTAL else None

    @property
    def reaches_its_level(self) -> bool:
        """Whether the draw can ever give a p-value that lets the stage advance."""
        return self.smallest_p <= self.level


@dataclass(frozen=True, slots=True)
class Design:
    """A stage as it would be drawn from what is known now."""

    candidates: CandidateList
    mechanism: Mechanism
    level: float
    smallest_p: float

    @property
    def n_units(self) -> int:
        return len(self.mechanism.codes) or len(self.candidates.candidates)


def design_of(
    session: Session, lake: Lake, plan: Plan, number: int, *, excluded: Exclusions = NOTHING_EXCLUDED
) -> Design:
    """The stage's candidates, mechanism, level and smallest p on the history up to its start, or up to now."""
    version = lake.version()
    before = min(plan.stage(number).starts_on, _observed(lake, version, number)[1] + timedelta(days=1))
    listed = candidate_list(session, lake, plan, number, version=version, before=before, excluded=excluded)
    return design_from(plan, number, listed)


def design_from(plan: Plan, number: int, listed: CandidateList, *, salt: str = UNSEALED) -> Design:
    """The design over candidates that are known."""
    mechanism = mechanism_for(plan, listed.candidates, salt=salt)
    require_included(plan, number, mechanism)
    n_units = len(mechanism.codes) or len(listed.candidates)
    level = advancing_level(plan.stage(number).looks, n_units=max(1, n_units), alpha=float(plan.alpha))
    return Design(listed, mechanism, level, max(smallest_p(mechanism, variant) for variant in plan.treated))


def require_design(
    session: Session, lake: Lake, plan: Plan, number: int, *, excluded: Exclusions = NOTHING_EXCLUDED
) -> Design:
    """The design; ``DesignRefused`` when its smallest p-value exceeds the level of the look that may advance."""
    design = design_of(session, lake, plan, number, excluded=excluded)
    require_reach(plan, number, design)
    return design


def require_reach(plan: Plan, number: int, design: Design) -> None:
    """``DesignRefused`` with what would do."""
    if design.smallest_p > design.level:
        error = DesignRefusedManyLooks if plan.stage(number).looks > 1 else DesignRefused
        raise error(
            n_units=design.n_units,
            stage=number,
            smallest_p=design.smallest_p,
            level=design.level,
        )


def smallest_effect(
    session: Session, lake: Lake, plan: Plan, number: int, *, excluded: Exclusions = NOTHING_EXCLUDED
) -> Visible:
    """The smallest effect of the primary metric that stage ``number`` sees with probability 0.8.

    Measured on windows as long as the stage (or as long as the history allows, said in ``note``) before its start, each
    adjusted by the period before it, with the very mechanism of the plan. Whatever stands against the design or the
    measurement is ``refusal``: data, not an exception.
    """
    try:
        design = design_of(session, lake, plan, number, excluded=excluded)
    except PilotError as error:
        return _nothing(plan, number, error.message)
    return smallest_effect_of(lake, plan, number, design)


def smallest_effect_of(lake: Lake, plan: Plan, number: int, design: Design, *, metric: str = "") -> Visible:
    """The same of a design that is known, for another ``metric`` than the primary where one is named."""
    code = metric or plan.primary
    windows = _past_windows(plan, plan.stage(number), *_observed(lake, design.candidates.version, number))
    refusal, visible = None, None
    try:
        require_reach(plan, number, design)
        visible = _visible(lake, plan, code, design, windows)
    except PilotError as error:
        refusal = error.message
    except ExperimentError as error:
        refusal = in_our_words(error.message)
    closed = bool(design.mechanism.codes)
    return Visible(
        stage=number,
        metric=code,
        effect=visible.absolute if visible else None,
        relative=visible.relative if visible else None,
        mean=visible.mean if visible else None,
        level=design.level,
        power=POWER,
        n_units=visible.n_units if visible else design.n_units,
        n_draws=n_possible_draws(design.mechanism) if closed else None,
        smallest_p=design.smallest_p,
        n_windows=visible.n_windows if visible else 0,
        window_weeks=windows[0].window.days // 7 if windows else 0,
        before_weeks=windows[0].before.days // 7 if windows else 0,
        left_out=(*design.candidates.left_out, *design.mechanism.left_out),
        refusal=refusal,
        note=_note(plan.stage(number), windows),
    )


def past_moments(
    lake: Lake, plan: Plan, number: int, design: Design, code: str
) -> tuple[UnitMoments, ...] | tuple[ArmMoments, ...]:
    """The metric ``code`` in the last past window of the stage's length: per unit, or of all customers as one arm.

    Empty where the history has no such window.
    """
    version, metric = design.candidates.version, metric_from_code(code)
    windows = _past_windows(plan, plan.stage(number), *_observed(lake, version, number))[:1]
    if not windows:
        return ()
    if plan.unit is AssignmentUnit.CUSTOMER:
        return _arms(lake, version, metric, design, windows)
    return _moments(lake, version, plan, metric, design, windows[0])


@dataclass(frozen=True, slots=True)
class _PastWindow:
    window: Window
    before: Window


def _past_windows(plan: Plan, stage: StagePlan, first: date, last: date) -> list[_PastWindow]:
    """Windows of the stage's length with the pre-period before each, back from the start; shorter if they must be."""
    end = min(stage.starts_on - timedelta(days=1), last)
    weeks = ((end - first).days + 1) // 7
    length, before = stage.weeks, plan.windows.pre_weeks
    if weeks < length + before:
        length, before = weeks * length // (length + before), weeks - weeks * length // (length + before)
    found = []
    while length and before and (end - first).days + 1 >= 7 * (length + before):
        start = end - timedelta(days=7 * length - 1)
        found.append(
            _PastWindow(Window(start, end), Window(start - timedelta(days=7 * before), start - timedelta(days=1)))
        )
        end = start - timedelta(days=1)
    return found


def _visible(lake: Lake, plan: Plan, code: str, design: Design, windows: list[_PastWindow]) -> VisibleEffect:
    """The largest of the variants' smallest visible effects."""
    metric, version = metric_from_code(code), design.candidates.version
    if plan.unit is AssignmentUnit.CUSTOMER:
        arms = _arms(lake, version, metric, design, windows[:1])
        shares = design.mechanism.shares
        effects = [
            smallest_visible_customer_effect(metric, arms, shares, variant, level=design.level, power=POWER)
            for variant in plan.treated
        ]
    else:
        past = [_moments(lake, version, plan, metric, design, window) for window in windows]
        effects = [
            smallest_visible_effect(design.mechanism, variant, metric, past, level=design.level, power=POWER)
            for variant in plan.treated
        ]
    return max(effects, key=lambda visible: visible.absolute)


def _moments(
    lake: Lake, version: int, plan: Plan, metric: Metric, design: Design, past: _PastWindow
) -> tuple[UnitMoments, ...]:
    unit_of = {i: code for code, ids in design.candidates.stores.items() for i in ids if code in design.mechanism.codes}
    homes = home_list(lake, version, plan.home_window(past.window.first))
    listed = units_table({key: unit_of[i] for key, i in homes.items() if i in unit_of}, "customer_key")
    windows = windows_for(metric, window=past.window, before=past.before, data_through=past.window.last)
    units = list(design.mechanism.codes)
    stores = units_table(unit_of)
    return unit_moments(lake.receipts(version), metric, windows, units=units, stores=stores, homes=listed)


def _arms(
    lake: Lake, version: int, metric: Metric, design: Design, windows: list[_PastWindow]
) -> tuple[ArmMoments, ...]:
    keys = [int(candidate.code) for candidate in design.candidates.candidates]
    customers = pa.table(
        {
            "customer_key": pa.array(keys, pa.int64()),
            "variant": pa.array([_ALL] * len(keys), pa.string()),
            "stratum": pa.array([_ALL] * len(keys), pa.string()),
        }
    )
    found: list[ArmMoments] = []
    for past in windows:
        found += arm_moments(
            lake.receipts(version),
            metric,
            customers=customers,
            window=past.window,
            before=past.before,
            data_through=past.window.last,
        )
    if not found:
        raise NotEstimable(ExperimentMessage("no_history", N_("no past window of {metric}"), {"metric": metric.code}))
    return tuple(found)


def _observed(lake: Lake, version: int, stage_number: int) -> tuple[date, date]:
    """First and last business day with receipts; ``TooLittleHistory`` where there are none."""
    known = history.period_known(lake, version)
    if known is None:
        raise TooLittleHistory(first="–", last="–", stage=stage_number)
    return known


def _note(stage: StagePlan, windows: list[_PastWindow]) -> Message | None:
    if not windows or windows[0].window.days == 7 * stage.weeks:
        return None
    return Message(
        "history_shorter_than_stage",
        N_("Measured on {weeks} weeks, for the history is too short for the {planned} weeks of the stage."),
        {"weeks": windows[0].window.days // 7, "planned": stage.weeks},
    )


def _nothing(plan: Plan, number: int, refusal: Message) -> Visible:
    level = float(plan.alpha) / plan.stage(number).looks
    return Visible(number, plan.primary, None, None, None, level, POWER, 0, None, 1.0, 0, 0, 0, (), refusal)
