"""Stored estimates and reasons of a chapter as cells of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babel.numbers import get_currency_precision

from experiments.estimate.estimate import Method
from pilot.evidence.chapters.registry import refusal_of
from pilot.evidence.sentences import METHODS
from pilot.words import translate
from web import presenters
from web.words import _


@dataclass(frozen=True, slots=True)
class Cells:
    """One effect in cells, or the ``refusal`` in their place."""

    effect: str = ""
    relative: str = ""
    interval: str = ""
    p: str = ""
    n: str = ""
    means: str = ""
    method: str = ""
    refusal: str = ""


def reason(stored: Mapping[str, Any]) -> str:
    """Why there is no number; empty where there is one."""
    refusal = refusal_of(dict(stored))
    return translate(refusal) if refusal else ""


def cells(stored: Mapping[str, Any], unit: str, currency: str) -> Cells:
    """The cells of ``stored``, which holds an ``estimate`` or a refusal."""
    if "estimate" not in stored:
        return Cells(refusal=reason(stored))
    found = stored["estimate"]
    return Cells(
        effect=presenters.change(found["effect"], unit, currency),
        relative=presenters.relative(found["relative_effect"]),
        interval=presenters.interval(tuple(found["interval"]), unit, currency),
        p=presenters.p_value(found["p_value"]),
        n=presenters.whole(found["n_units"]),
        means=_(
            "%(variant)s against %(control)s",
            variant=presenters.quantity(found["mean_variant"], unit, currency),
            control=presenters.quantity(found["mean_control"], unit, currency),
        ),
        method=translate(METHODS[Method(found["method"])]),
    )


def is_above_zero(estimate: Mapping[str, Any]) -> bool | None:
    """Whether the interval lies above zero (True), below (False), or holds it (None)."""
    low, high = estimate["interval"]
    if low is not None and low > 0:
        return True
    return False if high is not None and high < 0 else None


def per_unit(currency: str) -> float:
    """What turns minor units into money of ``currency``, for an axis."""
    return 10.0 ** -get_currency_precision(currency)
