"""What an amendment changes: the differences between two plan texts, and what a started stage does not allow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pilot.planning.errors import AmendmentTouchesStartedStage
from pilot.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that differs: its dotted path, and both values as JSON (None: it was not, or is no longer, there)."""

    path: str
    old: str | None
    new: str | None


def difference(old_text: str, new_text: str) -> tuple[Difference, ...]:
    """All values that differ between two canonical plan texts, in the order of their paths.

    Lists of named things (variants, offers, stages, guardrails) are compared by name, other lists as a whole.
    """
    old, new = dict(_leaves(json.loads(old_text))), dict(_leaves(json.loads(new_text)))
    return tuple(
        Difference(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )


# Parts that each stage takes from the plan it was drawn by: amended, they hold from the next draw on.
OF_LATER_STAGES = ("offers.", "segment_rules.", "economics.", "economics", "wind_down.", "wind_down")


def require_started_stages_untouched(sealed: Plan, amended: Plan, *, last_started: int) -> None:
    """``AmendmentTouchesStartedStage`` when anything but later stages would change.

    Before the first start everything may change. Offers, their segments, costs and the wind-down may change later, too:
    a stage that has started goes on under the plan that it was drawn by, so its customers keep what they were promised.
    """
    later = {stage.number for stage in (*sealed.stages, *amended.stages) if stage.number > last_started}
    allowed = ("revision", "stages.order", *OF_LATER_STAGES, *(f"stages.{number}." for number in sorted(later)))
    for row in difference(sealed.text(), amended.text()):
        if last_started and not row.path.startswith(allowed):
            raise AmendmentTouchesStartedStage(stage=last_started, path=row.path)


_NAMED_BY = ("number", "code", "metric")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key in value:
            yield from _leaves(value[key], f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        yield f"{path}.order", json.dumps([_name(item, position) for position, item in enumerate(value, start=1)])
        for position, item in enumerate(value, start=1):
            yield from _leaves(item, f"{path}.{_name(item, position)}")
    else:
        yield path, json.dumps(value, ensure_ascii=False, sort_keys=True)


def _name(item: dict[str, Any], position: int) -> str:
    return str(next((item[key] for key in _NAMED_BY if key in item), position))
