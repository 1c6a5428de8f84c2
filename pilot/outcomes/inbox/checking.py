"""Sort the receipts of a call by the rule table: good ones staged, implausible ones to be parked, the rest refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pilot.imports.importer import Context
from pilot.imports.rules import Finding, check_batch
from pilot.imports.times import utc_today
from pilot.imports.values import Reading
from pilot.outcomes.receipt_model import API_MAPPING, receipt_texts
from pilot.outcomes.receipt_rules import IMPLAUSIBLE, RECEIPTS
from pilot.words import N_, Message

_NOT_YOURS = N_("This key may not send receipts of store “{store}”.")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules say of one receipt: the first reason that counts, and the field it is about."""

    field: str
    reason: Message


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """``staged`` has the lake's columns, ``line`` is the index in the call; the others are named by their index."""

    staged: pa.Table
    parked: dict[int, Found] = field(default_factory=dict)
    rejected: dict[int, Found] = field(default_factory=dict)


def check_call(receipts: Sequence[Mapping[str, Any]], store_codes: Sequence[str], context: Context) -> CheckedCall:
    """Apply the rule table of receipts, as a file of them would be. ``store_codes`` of the key; none: all stores."""
    rejected = _of_other_stores(receipts, frozenset(store_codes))
    texts = receipt_texts(receipts)
    if rejected:
        texts = texts.filter(pa.array([index not in rejected for index in range(len(receipts))]))
    reading = Reading(
        utc_today(context.now),
        API_MAPPING.decimal_mark,
        API_MAPPING.date_order,
        context.currency_exponent,
        context.known,
    )
    checked = check_batch(texts, RECEIPTS.fields, RECEIPTS.rules(context), API_MAPPING.columns, reading)
    parked: dict[int, Found] = {}
    for index, findings in _by_line(checked.findings).items():
        wrong = [finding for finding in findings if finding.reason.code not in IMPLAUSIBLE]
        first = (wrong or findings)[0]
        (rejected if wrong else parked)[index] = Found(first.field, first.reason)
    return CheckedCall(RECEIPTS.finish(checked.good, API_MAPPING, context), parked, rejected)


def _of_other_stores(receipts: Sequence[Mapping[str, Any]], stores: frozenset[str]) -> dict[int, Found]:
    if not stores:
        return {}
    found: dict[int, Found] = {}
    for index, receipt in enumerate(receipts):
        store = (receipt.get("store") or "").strip()
        if store and store not in stores:
            found[index] = Found("store", Message("store_not_yours", _NOT_YOURS, {"store": store[:_SHOWN]}))
    return found


def _by_line(findings: Sequence[Finding]) -> dict[int, list[Finding]]:
    by_line: dict[int, list[Finding]] = {}
    for finding in findings:
        by_line.setdefault(finding.line, []).append(finding)
    return by_line
