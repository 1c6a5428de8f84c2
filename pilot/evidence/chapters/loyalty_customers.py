"""True loyalty where customers were drawn one by one: the same rows as for stores, of each arm's customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.estimate.estimate import Estimate
from experiments.look.rows import customer_effect
from experiments.measure.days import DayFacts
from experiments.measure.metrics import Metric
from experiments.measure.stage_arms import AskedOfArms, stage_arms
from experiments.measure.unit_moments import ArmMoments
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.of_customers import arms, mean_effect, ratio_of
from pilot.evidence.chapters.reasons import customers, divided, require_enough


def found(estimate: Estimate, control: int, treated: int) -> dict[str, Any]:
    """A row's effect, told where the people behind it are enough."""
    require_enough(control, treated)
    return {
        "estimate": estimate.to_dict(),
        "n_control": control,
        "n_variant": treated,
        **customers(control, treated),
    }


def repeat(inputs: ChapterInputs, metric: Metric, variant: str) -> dict[str, Any]:
    """Repeat purchase, from the report's own moments where it was planned."""
    moments = [row for row in inputs.moments.get(metric.code, ()) if isinstance(row, ArmMoments)]
    if not moments:
        asked = AskedOfArms((metric,), inputs.window, inputs.before, inputs.through)
        measured = stage_arms(DayFacts.of_receipts(inputs.receipts), asked, customers=inputs.customers)
        if metric.code in measured.refusals:
            raise measured.refusals[metric.code]
        moments = list(measured.moments[metric.code])
    estimate = customer_effect(inputs.look_plan, metric, moments, variant).estimate
    return found(estimate, *arms(inputs, variant))


def share_of_amounts(inputs: ChapterInputs, numerator: str, denominator: str, variant: str) -> dict[str, Any]:
    """One amount over another, of each arm's customers together."""
    now, before = inputs.amounts.window, inputs.amounts.before
    estimate = ratio_of(inputs, variant, now[numerator], now[denominator], before[numerator], before[denominator])
    return found(estimate, *arms(inputs, variant))


def answers(inputs: ChapterInputs, said: Mapping[int, tuple[int, int]], variant: str, whole: int = 1) -> dict[str, Any]:
    """The mean of what customers say who say something; values are counted in parts of ``whole``."""
    keys: list[int] = inputs.customers.column("customer_key").to_numpy().tolist()
    keep = np.array([key in said for key in keys], dtype=np.bool_)
    y = np.array([said[key][0] if key in said else 0 for key in keys], dtype=np.int64)
    control, treated = arms(inputs, variant, keep)
    require_enough(control, treated)
    return found(divided(mean_effect(inputs, variant, y, None, keep), whole), control, treated)


def response(inputs: ChapterInputs, answered: set[int], variant: str) -> dict[str, Any]:
    """Who answered anything / drawn customers."""
    keys: list[int] = inputs.customers.column("customer_key").to_numpy().tolist()
    y = np.array([key in answered for key in keys], dtype=np.int64)
    return found(mean_effect(inputs, variant, y, None), *arms(inputs, variant))
