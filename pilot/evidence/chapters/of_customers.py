"""What chapters share where customers were drawn one by one: effects on their values, in the form of stored rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.design.mechanisms import CONTROL
from experiments.estimate.estimate import Estimate
from experiments.look.customer_values import value_effect, value_moments
from pilot.evidence.chapters.inputs import ChapterInputs
from pilot.evidence.chapters.reasons import customers, require_enough

Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def arms(inputs: ChapterInputs, variant: str, keep: Flags | None = None) -> tuple[int, int]:
    """How many customers (of those to ``keep``) are in control and in the variant."""
    drawn = inputs.drawn if keep is None else inputs.drawn.among(keep)
    return drawn.count(CONTROL), drawn.count(variant)


def mean_effect(inputs: ChapterInputs, variant: str, y: Whole, x: Whole | None, keep: Flags | None = None) -> Estimate:
    """The effect on a mean per customer, of those to ``keep``. Raises ``NotEstimable``."""
    return _effect(inputs, variant, y, x, keep=keep)


def ratio_of(inputs: ChapterInputs, variant: str, y: Whole, d: Whole, x: Whole | None, e: Whole | None) -> Estimate:
    """The effect on Σy / Σd of the arms. Raises ``NotEstimable``."""
    return _effect(inputs, variant, y, x, d=d, e=e)


def _effect(
    inputs: ChapterInputs,
    variant: str,
    y: Whole,
    x: Whole | None,
    *,
    d: Whole | None = None,
    e: Whole | None = None,
    keep: Flags | None = None,
) -> Estimate:
    drawn = inputs.drawn
    if keep is not None:
        drawn, y, x = drawn.among(keep), y[keep], None if x is None else x[keep]
    moments = value_moments(drawn, y, x, d=d, e=e)
    return value_effect(inputs.look_plan, moments, variant, ratio=d is not None).estimate


def enough(control: int, treated: int) -> dict[str, Any]:
    """The counts of a row. Raises ``NotEstimable`` where they would tell of people."""
    require_enough(control, treated)
    return customers(control, treated)
