"""What became of a receipt, as the API says it: the rules' reasons in words that a sending system can act on.

The same reasons are shown for files, to people who have a mapping before them; here there is none, and nobody can park.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pilot.imports.values import Choice
from pilot.outcomes.inbox.work import Verdict
from pilot.outcomes.receipt_rules import RECEIPTS
from pilot.words import N_, Message, translate

_SAID_HERE: Mapping[str, str] = {
    "unknown_store": N_("There is no store “{code}” here yet. The receipt waits until a person has looked at it."),
    "decimal_mark": N_("An amount is written with a point: “5.00”, not “5,00”."),
    "no_such_day": N_("There is no such day. A date is written year-month-day."),
    "not_a_date": N_("This is not a date with a time of day, such as 2026-01-10T18:05:00+02:00."),
    "id_is_date": N_("This is a date, not an id. Are two fields swapped?"),
    "id_is_number": N_("This is a decimal number, not an id. Send the id as the till wrote it."),
    "formula": N_("This begins with = + - or @, as an id never does."),
}
_OTHERS = N_("A receipt with this id arrived before with other content.")
_CHOICES = [field.holds for field in RECEIPTS.fields if isinstance(field.holds, Choice)]
_KINDS = ", ".join(dict.fromkeys(kind for choice in _CHOICES for kind in choice.words.values()))


def verdict(found: Sequence[Any], store_codes: Sequence[str]) -> dict[str, Any]:
    """A stored verdict in the reader's language. ``store_codes`` of the key that asks; none: all stores."""
    index, status, stored, *field = found
    reason = _said_here(Message.from_dict(stored))
    if store_codes and "store" in str(reason.values.get("columns", "")).split(", "):
        # The earlier receipt is another store's: what it holds is no business of this key's.
        reason = Message(reason.code, _OTHERS)
    parked = status == Verdict.QUARANTINED
    return {
        "index": index,
        "status": "accepted" if parked else status,
        "quarantined": parked,
        "field": field[0] if field else None,
        "reason_code": reason.code,
        "reason": translate(reason),
    }


def _said_here(reason: Message) -> Message:
    if reason.code == "not_a_choice":
        return Message(reason.code, reason.template, {"words": _KINDS})
    return Message(reason.code, _SAID_HERE.get(reason.code, reason.template), reason.values)
