"""A segment's rule on a form: all or any of a few lines; a rule with rules inside rules is written as text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from web.errors import FieldUnreadable
from web.words import _

LINES = 5
IS, MISSING = "is", "missing"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``values`` has its values with commas between, empty for a missing attribute."""

    attribute: str = ""
    operator: str = IS
    values: str = ""


@dataclass(frozen=True, slots=True)
class RuleForm:
    """A flat rule as lines, or any rule as ``text`` (JSON) where it is not flat."""

    combine: str
    lines: tuple[Line, ...]
    text: str = ""


def shown(rule: Mapping[str, Any]) -> RuleForm:
    """A stored rule as its form."""
    combine = "any" if "any" in rule else "all"
    parts = rule.get(combine, [rule]) if ("all" in rule or "any" in rule) else [rule]
    if any("all" in part or "any" in part for part in parts) or len(parts) > LINES:
        return RuleForm(combine, (), json.dumps(rule, indent=2, ensure_ascii=False))
    lines = [_line(part) for part in parts]
    return RuleForm(combine, (*lines, *(Line() for _place in range(LINES - len(lines)))))


def read(form: MultiDict[str, str]) -> dict[str, Any]:
    """The rule in a sent form; the network's own rules then judge it."""
    if form.get("text", "").strip():
        try:
            found = json.loads(form["text"])
        except ValueError:
            raise FieldUnreadable(field=_("Rule"), value=form["text"][:80]) from None
        return found if isinstance(found, dict) else {"text": found}
    parts = [part for place in range(LINES) if (part := _part(form, place)) is not None]
    return parts[0] if len(parts) == 1 else {form.get("combine", "all"): parts}


def in_words(rule: Mapping[str, Any]) -> str:
    """A rule as a sentence."""
    if "all" in rule or "any" in rule:
        parts = [in_words(part) for part in rule.get("all", rule.get("any", []))]
        if not parts:
            return _("every customer") if "all" in rule else _("nobody")
        return (_(" and ") if "all" in rule else _(" or ")).join(parts)
    if "missing" in rule:
        return _("%(attribute)s is not known", attribute=rule["attribute"])
    values = _(" or ").join(rule["in"] if "in" in rule else [rule["is"]])
    return _("%(attribute)s is %(values)s", attribute=rule["attribute"], values=values)


def _line(part: Mapping[str, Any]) -> Line:
    if "missing" in part:
        return Line(part["attribute"], MISSING)
    return Line(part["attribute"], IS, ", ".join(part["in"] if "in" in part else [part["is"]]))


def _part(form: MultiDict[str, str], place: int) -> dict[str, Any] | None:
    attribute = form.get(f"attribute-{place}", "").strip()
    if not attribute:
        return None
    if form.get(f"operator-{place}") == MISSING:
        return {"attribute": attribute, "missing": True}
    values = [value.strip() for value in form.get(f"values-{place}", "").split(",") if value.strip()]
    return {"attribute": attribute, "is": values[0]} if len(values) == 1 else {"attribute": attribute, "in": values}
