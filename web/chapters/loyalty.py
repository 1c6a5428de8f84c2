"""The chapter on true loyalty on its page: repeat purchase beside what costs the customer something."""

from collections.abc import Mapping
from typing import Any

from pilot.evidence.chapter_charts import bar_of, intervals
from pilot.evidence.chapters.loyalty import LoyaltyRow
from pilot.evidence.charts import variant_label
from pilot.evidence.queries import ReportView
from pilot.planning.metric_library import BY_CODE
from pilot.words import Message, translate
from web import presenters
from web.chapters.estimates import cells, is_above_zero
from web.words import _

_PER_CENT = 100.0
_LOW_P = 0.05
_COSTLY = (LoyaltyRow.FULL_PRICE, LoyaltyRow.BEYOND_HOME, LoyaltyRow.REFERRALS, LoyaltyRow.WALLET)


def present(view: ReportView, chapter: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows, variant by variant."""
    return {
        "variants": [
            _variant(view, variant, found, chapter["days"]) for variant, found in sorted(chapter["variants"].items())
        ],
        "level": presenters.level(chapter["confidence_level"]),
        "of_customers": chapter.get("drawn") == "customers",
    }


def _variant(view: ReportView, variant: str, found: Mapping[str, Any], days: int) -> dict[str, Any]:
    rows = found["rows"]
    titles = {row: _title(row, days) for row in LoyaltyRow}
    bars = [
        bar_of(titles[row], rows[row.value]["estimate"], _PER_CENT, emphasised=row is LoyaltyRow.REPEAT)
        for row in LoyaltyRow
        if row is not LoyaltyRow.RESPONSE and "estimate" in rows[row.value]
    ]
    return {
        "name": variant_label(view, variant),
        "headline": _headline(rows, titles),
        "rows": [_row(row, titles[row], rows[row.value], view) for row in LoyaltyRow],
        "chart": intervals(bars, title=_("Effects on loyalty"), axis=_("Effect, percentage points")) if bars else None,
        "may_be_identification": found["identification"] not in ("ok", None),
        "not_tested": found["identification"] is None,
        "nonresponse": _nonresponse(rows[LoyaltyRow.RESPONSE.value]),
    }


def _title(row: LoyaltyRow, days: int) -> str:
    if row is LoyaltyRow.RESPONSE:
        return _("Answered the survey")
    if row is LoyaltyRow.REPEAT:
        return _("Repeat purchase within %(days)s days", days=days)
    return translate(Message(row.value, BY_CODE[row.value].title))


def _headline(rows: Mapping[str, Any], titles: Mapping[LoyaltyRow, str]) -> str:
    """What moved, in words; the share beyond the home store on its own, for visits at home move it by themselves."""
    told = [row for row in _COSTLY if "estimate" in rows[row.value]]
    rest = [row for row in told if row is not LoyaltyRow.BEYOND_HOME]
    if not told:
        return _("Nothing that costs the customer something could be compared; repeat purchase alone may be habit.")
    said = [_sacrifices(rest, rows, titles)] if rest else []
    if LoyaltyRow.BEYOND_HOME in told:
        said.append(_beyond(rows[LoyaltyRow.BEYOND_HOME.value]["estimate"]))
    return " ".join(said)


def _sacrifices(told: list[LoyaltyRow], rows: Mapping[str, Any], titles: Mapping[LoyaltyRow, str]) -> str:
    rose = [titles[row] for row in told if is_above_zero(rows[row.value]["estimate"]) is True]
    fell = [titles[row] for row in told if is_above_zero(rows[row.value]["estimate"]) is False]
    n = presenters.whole(rows[told[0].value]["estimate"]["n_units"])
    if rose and fell:
        return _(
            "Some of what costs the customer something rose (%(rose)s), some fell (%(fell)s), n = %(n)s.",
            rose=", ".join(rose),
            fell=", ".join(fell),
            n=n,
        )
    if rose:
        return _("What costs the customer something rose: %(rose)s, n = %(n)s.", rose=", ".join(rose), n=n)
    if fell:
        return _("What costs the customer something fell: %(fell)s, n = %(n)s.", fell=", ".join(fell), n=n)
    return _(
        "There is no evidence of a difference in: %(rows)s, n = %(n)s.",
        rows=", ".join(titles[row] for row in told),
        n=n,
    )


def _beyond(found: Mapping[str, Any]) -> str:
    """The share of purchases beyond the home store: it also moves when only the visits at home do."""
    values = {
        "treated": presenters.share(found["mean_variant"]),
        "control": presenters.share(found["mean_control"]),
        "n": presenters.whole(found["n_units"]),
    }
    above = is_above_zero(found)
    if above is False:
        return _(
            "A smaller share of visits goes beyond the home store: %(treated)s against %(control)s, n = %(n)s. More "
            "visits at home lower this share by arithmetic, so it does not say that anybody goes elsewhere less.",
            **values,
        )
    if above:
        return _(
            "A larger share of visits goes beyond the home store: %(treated)s against %(control)s, n = %(n)s. Fewer "
            "visits at home raise this share by arithmetic, so it does not say that anybody goes elsewhere more.",
            **values,
        )
    return _(
        "There is no evidence that the share of visits beyond the home store differs: %(treated)s against "
        "%(control)s, n = %(n)s.",
        **values,
    )


def _row(row: LoyaltyRow, title: str, stored: Mapping[str, Any], view: ReportView) -> dict[str, Any]:
    return {
        "title": title,
        "anchor": "" if row is LoyaltyRow.RESPONSE else row.value,
        "cells": cells(stored, "share", view.document.currency),
        "people": _people(row, stored),
        "exploratory": "stamp" in stored,
    }


def _people(row: LoyaltyRow, stored: Mapping[str, Any]) -> str:
    if "estimate" not in stored or row is LoyaltyRow.FULL_PRICE:
        return ""
    values = {
        "treated": presenters.whole(stored["n_variant"]),
        "control": presenters.whole(stored["n_control"]),
    }
    if row is LoyaltyRow.BEYOND_HOME:
        return _("Purchases: %(treated)s / %(control)s", **values)
    if row in (LoyaltyRow.REFERRALS, LoyaltyRow.WALLET):
        return _("Answers: %(treated)s / %(control)s", **values)
    return _("Customers: %(treated)s / %(control)s", **values)


def _nonresponse(stored: Mapping[str, Any]) -> str:
    """A warning where one arm answers more than the other; else how many answered; empty without a survey."""
    if "estimate" not in stored:
        return ""
    found = stored["estimate"]
    values = {
        "variant": presenters.share(found["mean_variant"]),
        "control": presenters.share(found["mean_control"]),
        "p": presenters.p_value(found["p_value"]),
    }
    if found["p_value"] <= _LOW_P:
        return _(
            "The arms answered unequally: %(variant)s of the listed customers against %(control)s in control (p "
            "%(p)s). Differences between the answers may be differences between those who answer.",
            **values,
        )
    return _(
        "Of the listed customers %(variant)s answered, %(control)s in control (p %(p)s): no evidence that the arms "
        "answer unequally. Those who do not answer remain unknown.",
        **values,
    )
