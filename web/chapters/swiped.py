"""Real or just swiped: the account as a page shows it, rounded so that the shown amounts add up."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from experiments.estimate.account import MICRO, rounded
from pilot.evidence.chapter_charts import Bar, intervals
from pilot.evidence.charts import variant_label
from pilot.evidence.queries import ReportView
from web import presenters
from web.chapters.estimates import is_above_zero, per_unit, reason
from web.words import _

PARTS = ("total", "listed", "outside")
_LEVEL = 0.95


def present(view: ReportView, chapter: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows, variant by variant."""
    gate = chapter["gate_confidence"]
    return {
        "variants": [_variant(view, variant, found, gate) for variant, found in sorted(chapter["variants"].items())],
        "gate_level": presenters.level(gate) if abs(gate - _LEVEL) > 1e-12 else "",
    }


def shown_minor(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """The effects in whole minor units: the total to the nearest, its two parts so that they add up to it."""
    parts = [Fraction(rows[part]["effect_micro"], MICRO) for part in ("listed", "outside")]
    total, (listed, outside) = rounded(parts)
    return {"total": total, "listed": listed, "outside": outside}


def _variant(view: ReportView, variant: str, found: Mapping[str, Any], gate: float) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": variant, "name": variant_label(view, variant), "refusal": reason(found)}
    if shown["refusal"]:
        return shown
    currency, effects = view.document.currency, shown_minor(found["rows"])
    return shown | {
        "sentence": _sentence(found, effects, currency),
        "banner": _banner(found) if found["only_identification"] else "",
        "rows": [_row(part, found, effects[part], currency, gate) for part in PARTS],
        "store_weeks": presenters.decimal(found["treated_days"] / 7, 0 if found["treated_days"] % 7 == 0 else 1),
        "n": presenters.whole(found["n_units"]),
        "adjusted": found["adjusted"],
        "identification": _identification(found["identification"]),
        "moved": _moved(found["moved"], currency),
        "chart": _chart(found, effects, currency),
    }


def _words() -> dict[str, tuple[str, str]]:
    return {
        "total": (_("Store total"), _("All that the stores sold: only this can be new spend")),
        "listed": (_("Listed customers, with their card"), _("What customers known before the start were seen to buy")),
        "outside": (_("Outside the list"), _("Everything else: without a card, or first known later")),
    }


def _row(part: str, found: Mapping[str, Any], effect: int, currency: str, gate: float) -> dict[str, Any]:
    stored = found["rows"][part]
    title, hint = _words()[part]
    row = {
        "part": part,
        "title": title,
        "hint": hint,
        "effect": presenters.change(effect, "money", currency),
        "whole": presenters.change(stored["whole_minor"], "money", currency),
        "refusal": reason(stored),
        "signature": _signature(found["card_showing"]) if part == "outside" else None,
    }
    if row["refusal"]:
        return row
    return row | {
        "interval": presenters.interval(tuple(stored["interval"]), "money", currency),
        "p": presenters.p_value(stored["p_value"]),
        "gate": presenters.interval(tuple(stored["interval_gate"]), "money", currency)
        if abs(gate - _LEVEL) > 1e-12
        else "",
    }


def _signature(card_showing: str | None) -> presenters.Badge | None:
    if card_showing == "shown":
        return presenters.Badge(_("Signature of card-showing"), "bad")
    return presenters.Badge(_("May be card-showing"), "warn") if card_showing == "hinted" else None


def _sentence(found: Mapping[str, Any], effects: Mapping[str, int], currency: str) -> str:
    total = found["rows"]["total"]
    values = {
        "total": presenters.size_of(effects["total"], "money", currency),
        "effect": presenters.change(effects["total"], "money", currency),
        "interval": presenters.interval(tuple(total["interval"]), "money", currency),
        "listed": presenters.change(effects["listed"], "money", currency),
        "outside": presenters.change(effects["outside"], "money", currency),
        "n": presenters.whole(found["n_units"]),
        "level": presenters.level(_LEVEL),
    }
    rose = is_above_zero(total)
    if rose:
        return _(
            "Real: the stores sold %(total)s more a store and week (%(level)s interval %(interval)s, n = %(n)s). Of "
            "that, %(listed)s went to listed customers' cards and %(outside)s outside the list.",
            **values,
        )
    if rose is False:
        return _(
            "The stores sold %(total)s less a store and week (%(level)s interval %(interval)s, n = %(n)s), whatever "
            "the cards show.",
            **values,
        )
    listed, outside = found["rows"]["listed"], found["rows"]["outside"]
    if outside["interval"] and is_above_zero(outside):
        return _(
            "Sales outside the list rose by %(outside)s a store and week, but the total is too noisy to say that the "
            "stores sold more (%(effect)s, %(level)s interval %(interval)s, n = %(n)s).",
            **values,
        )
    if listed["interval"] and is_above_zero(listed):
        return _(
            "Just swiped, as far as can be told: listed customers' cards show %(listed)s a store and week, but there "
            "is no evidence that the stores sold more (%(effect)s, %(level)s interval %(interval)s, n = %(n)s).",
            **values,
        )
    return _(
        "No evidence that the stores sold more or less: %(effect)s a store and week (%(level)s interval %(interval)s, "
        "n = %(n)s).",
        **values,
    )


def _banner(found: Mapping[str, Any]) -> str:
    rate = found["identification"]
    return _(
        "Receipts with a customer rose by %(points)s points (p %(p)s), and the stores' totals give no evidence that "
        "anything more was sold. No gain of customer metrics can be taken for sales here.",
        points=presenters.decimal(rate["points"], 1),
        p=presenters.p_value(rate["p_value"]),
    )


def _identification(rate: Mapping[str, Any] | None) -> str:
    if rate is None:
        return _("Whether the share of receipts with a customer moved could not be tested.")
    values = {
        "points": ("+" if rate["points"] >= 0 else presenters.MINUS) + presenters.decimal(abs(rate["points"]), 1),
        "p": presenters.p_value(rate["p_value"]),
    }
    if rate["moved"]:
        return _("The share of receipts with a customer moved by %(points)s points (p %(p)s).", **values)
    return _("No evidence that the share of receipts with a customer moved: %(points)s points (p %(p)s).", **values)


def _moved(found: Mapping[str, Any], currency: str) -> dict[str, str]:
    why = reason(found)
    if why:
        return {"refusal": why}
    values = {
        "size": presenters.size_of(found["effect"], "money", currency),
        "effect": presenters.change(found["effect"], "money", currency),
        "interval": presenters.interval(tuple(found["interval"]), "money", currency),
        "p": presenters.p_value(found["p_value"]),
        "n": presenters.whole(found["n_units"]),
        "spent": presenters.money(found["mean_variant"], currency),
        "level": presenters.level(_LEVEL),
    }
    low = is_above_zero(found)
    if low is False:
        sentence = _(
            "Sales moved: customers at home in treated stores bought %(size)s less in control stores, a home store and "
            "week (%(level)s interval %(interval)s, p %(p)s, n = %(n)s). That part of the effect is no gain of the "
            "network.",
            **values,
        )
    elif low:
        sentence = _(
            "Customers at home in treated stores also bought %(size)s more in control stores, a home store and week "
            "(%(level)s interval %(interval)s, p %(p)s, n = %(n)s): control's totals hold some of the effect.",
            **values,
        )
    else:
        sentence = _(
            "No evidence that sales moved from control stores to treated ones: %(effect)s a home store and week "
            "(%(level)s interval %(interval)s, p %(p)s, n = %(n)s).",
            **values,
        )
    spent = _(
        "Customers at home in treated stores spent %(spent)s a week, per home store, in control stores.", **values
    )
    return {"sentence": sentence, "spent": spent}


def _chart(found: Mapping[str, Any], effects: Mapping[str, int], currency: str) -> dict[str, Any]:
    scale, bars = per_unit(currency), []
    for part in PARTS:
        stored = found["rows"][part]
        low, high = (None if end is None else end * scale for end in stored["interval"] or (None, None))
        bars.append(Bar(_words()[part][0], effects[part] * scale, low, high, part == "total"))
    axis = _("Effect a store and week, %(currency)s", currency=currency)
    return intervals(bars, title=_("Total and parts"), axis=axis)
