"""Names in place of codes in the reasons that a stored chapter holds: variants, segments, regions."""

from collections.abc import Mapping
from typing import Any

_LISTS = ("groups",)  # values that hold several codes, with commas between them


def with_names(part: Any, variants: Mapping[str, str], groups: Mapping[str, str]) -> Any:
    """The same chapter, or part of one; what has no name keeps its code."""
    if isinstance(part, list):
        return [with_names(one, variants, groups) for one in part]
    if not isinstance(part, Mapping):
        return part
    if is_reason(part):
        values = {name: _named(name, value, variants, groups) for name, value in part["values"].items()}
        return {**part, "values": values}
    return {name: with_names(value, variants, groups) for name, value in part.items()}


def is_reason(part: Mapping[str, Any]) -> bool:
    """Whether a part of a chapter is a stored message."""
    return {"code", "template", "values"} <= set(part)


def _named(name: str, value: Any, variants: Mapping[str, str], groups: Mapping[str, str]) -> Any:
    if name == "variant" and isinstance(value, str):
        return f"“{variants[value]}”" if value in variants else value
    if name in _LISTS and isinstance(value, str):
        return ", ".join(groups.get(code, code) for code in value.split(", "))
    return value
