"""Sort the receipts of a call by the rule table: good ones staged, implausible ones to be parked, the rest refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
from sqlalchemy.orm import Session

from pilot.imports.arrow import column, pc
from pilot.imports.importer import Context
from pilot.imports.reader import LINE_COLUMN
from pilot.imports.rules import SHOWN_CHARACTERS, Finding, RowRule, check_batch
from pilot.imports.times import utc_today
from pilot.imports.values import Reading
from pilot.outcomes.receipt_model import API_MAPPING
from pilot.outcomes.receipt_rules import IMPLAUSIBLE, RECEIPTS
from pilot.words import N_, Message

_NOT_YOURS = N_("This key may not send receipts of store “{store}”.")


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


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of receipts in one state of the business: made once, used until something changes."""

    context: Context
    rules: Sequence[RowRule]

    @classmethod
    def of(cls, session: Session, now: datetime) -> "Rulebook":
        """What the rules are by the business database now."""
        context = RECEIPTS.context(session, now)
        return cls(context, RECEIPTS.rules(context))


def check_call(texts: pa.Table, store_codes: Sequence[str], book: Rulebook, now: datetime) -> CheckedCall:
    """Apply the rule table of receipts, as a file of them would be. ``store_codes`` of the key; none: all stores."""
    rejected = _of_other_stores(texts, store_codes) if store_codes else {}
    if rejected:
        texts = texts.filter(pc.invert(pc.is_in(column(texts, LINE_COLUMN), value_set=pa.array(list(rejected)))))
    context = book.context
    reading = Reading(
        utc_today(now), API_MAPPING.decimal_mark, API_MAPPING.date_order, context.currency_exponent, context.known
    )
    checked = check_batch(texts, RECEIPTS.fields, book.rules, _given(texts), reading)
    parked: dict[int, Found] = {}
    for index, findings in _by_line(checked.findings).items():
        wrong = [finding for finding in findings if not _may_wait(finding)]
        first = (wrong or findings)[0]
        (rejected if wrong else parked)[index] = Found(first.field, first.reason)
    return CheckedCall(RECEIPTS.finish(checked.good, API_MAPPING, context), parked, rejected)


def _of_other_stores(texts: pa.Table, store_codes: Sequence[str]) -> dict[int, Found]:
    """Receipts that name a store which is not the key's."""
    stores = pc.utf8_trim_whitespace(column(texts, "store"))
    others = pc.invert(pc.is_in(stores, value_set=pa.array([*store_codes, "", None], pa.string())))
    found = texts.select([LINE_COLUMN, "store"]).filter(others).to_pylist()
    return {
        row[LINE_COLUMN]: Found(
            "store", Message("store_not_yours", _NOT_YOURS, {"store": row["store"][:SHOWN_CHARACTERS]})
        )
        for row in found
    }


def _given(texts: pa.Table) -> dict[str, str]:
    """The fields that any receipt of the call has, and those it has to have: the others need no reading."""
    nothing = texts.num_rows
    return {
        field.name: field.name
        for field in RECEIPTS.fields
        if field.is_required or texts.column(field.name).null_count < nothing
    }


def _may_wait(finding: Finding) -> bool:
    """Whether a person can do something about it."""
    return finding.reason.code in IMPLAUSIBLE


def _by_line(findings: Sequence[Finding]) -> dict[int, list[Finding]]:
    by_line: dict[int, list[Finding]] = {}
    for finding in findings:
        by_line.setdefault(finding.line, []).append(finding)
    return by_line
