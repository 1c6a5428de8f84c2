"""Segments: named rules over customer attributes, as small typed JSON. The first rule that fits, by position, wins.

A rule is ``{"attribute": "age", "is": "19-24"}``, ``{"attribute": "age", "in": ["19-24", "25-34"]}``,
``{"attribute": "age", "missing": true}``, or ``{"all": [rules]}``, ``{"any": [rules]}``; ``{"all": []}`` fits all.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.network.errors import SegmentRefused
from pilot.network.model import Customer, Segment
from pilot.words import N_, Message

_MAX_DEPTH = 5
_CHUNK = 10_000
_EXAMPLE = '{"attribute": "age", "is": "19-24"}'
_NOT_A_RULE = N_("a rule is an object such as {example}")
_TOO_DEEP = N_("there are more than {levels} levels inside each other")
_NOT_A_LIST = N_("“all” and “any” take a list of rules")
_NO_VALUES = N_("“in” takes a list with at least one value")
_MISSING_IS_TRUE = N_("“missing” takes true")
_NO_SUCH_RULE = N_("the keys {keys} do not make a rule")
_NOT_TEXTS = N_("attributes and values are texts")


def require_rule(segment: str, rule: object, depth: int = 0) -> None:
    """Raise ``SegmentRefused`` naming the first thing that is wrong in ``rule``."""
    if not isinstance(rule, dict):
        raise _refused(segment, _NOT_A_RULE, example=_EXAMPLE)
    if depth > _MAX_DEPTH:
        raise _refused(segment, _TOO_DEEP, levels=_MAX_DEPTH)
    match sorted(rule, key=str):
        case ["all"] | ["any"]:
            parts = rule.get("all", rule.get("any"))
            if not isinstance(parts, list):
                raise _refused(segment, _NOT_A_LIST)
            for part in parts:
                require_rule(segment, part, depth + 1)
        case ["attribute", "is"]:
            _require_texts(segment, rule["attribute"], rule["is"])
        case ["attribute", "in"]:
            if not isinstance(rule["in"], list) or not rule["in"]:
                raise _refused(segment, _NO_VALUES)
            _require_texts(segment, rule["attribute"], *rule["in"])
        case ["attribute", "missing"]:
            _require_texts(segment, rule["attribute"])
            if rule["missing"] is not True:
                raise _refused(segment, _MISSING_IS_TRUE)
        case keys:
            raise _refused(segment, _NO_SUCH_RULE, keys=", ".join(map(str, keys))[:80])


def fits(rule: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    """Whether a customer with ``attributes`` fits a valid ``rule``. A missing attribute equals nothing."""
    if "all" in rule:
        return all(fits(part, attributes) for part in rule["all"])
    if "any" in rule:
        return any(fits(part, attributes) for part in rule["any"])
    value = attributes.get(rule["attribute"])
    if "missing" in rule:
        return value is None
    return value is not None and value in (rule["in"] if "in" in rule else [rule["is"]])


def segments(session: Session) -> list[Segment]:
    """All segments by position."""
    return list(session.scalars(select(Segment).order_by(Segment.position, Segment.code)))


def segment_of(session: Session, customer: Customer) -> str | None:
    """The code of the first segment that fits ``customer``; None where none does."""
    return _first_fit(segments(session), customer.attributes)


def segments_of_all(session: Session) -> dict[int, str]:
    """customer_key → segment code for every customer (not forgotten) whom a segment fits."""
    rules = segments(session)
    rows = session.execute(
        select(Customer.customer_key, Customer.attributes)
        .where(Customer.forgotten_at.is_(None))
        .order_by(Customer.customer_key)
        .execution_options(yield_per=_CHUNK)
    )
    found = ((key, _first_fit(rules, attributes)) for key, attributes in rows)
    return {key: code for key, code in found if code is not None}


def _first_fit(rules: list[Segment], attributes: Mapping[str, str]) -> str | None:
    return next((segment.code for segment in rules if fits(segment.rule, attributes)), None)


def _require_texts(segment: str, *values: object) -> None:
    if not all(isinstance(value, str) and value for value in values):
        raise _refused(segment, _NOT_TEXTS)


def _refused(segment: str, problem: str, **values: object) -> SegmentRefused:
    """``problem`` is a sub-sentence, translated inside the sentence of the error."""
    return SegmentRefused(segment=segment, problem=Message("segment_problem", problem, values))
