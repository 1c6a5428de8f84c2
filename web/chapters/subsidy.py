"""The chapter on the subsidised share on its page: a sentence, tenths with their charts, and what the weeks say."""

from collections.abc import Mapping
from typing import Any

from pilot.evidence.chapter_charts import Bar, bar_of, intervals
from pilot.evidence.charts import variant_label
from pilot.evidence.queries import ReportView
from pilot.planning.calendar_model import CalendarEvent
from web import presenters
from web.chapters.estimates import Cells, cells, is_above_zero, per_unit, reason
from web.report_events import events_of, week_label
from web.words import _


def present(view: ReportView, chapter: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows, variant by variant."""
    return {
        "variants": [_variant(view, variant, found) for variant, found in sorted(chapter["variants"].items())],
        "level": presenters.level(chapter["confidence_level"]),
        "of_customers": chapter.get("drawn") == "customers",
    }


def _variant(view: ReportView, variant: str, found: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": variant, "name": variant_label(view, variant), "refusal": reason(found)}
    if shown["refusal"]:
        return shown
    currency, events = view.document.currency, events_of(view)
    rows = [_row(row, presenters.whole(row["tenth"]), currency) for row in found["tenths"]]
    total = found["total"]
    return shown | {
        "headline": _headline(found, currency),
        "basis": _basis(found),
        "may_be_identification": found["identification"] not in ("ok", None),
        "rows": rows,
        "total": _row(
            {**total, "estimate": total["sales"]} if "sales" in total else total, _("All listed customers"), currency
        ),
        "share_chart": _share_chart(found),
        "effect_chart": _effect_chart(found, currency),
        "weeks": [
            {"week": week_label(row["week"], events), "cells": cells(row, "money", currency)} for row in found["weeks"]
        ],
        "week_chart": _week_chart(found, currency, events),
        "fade": _fade(found["fade"], currency),
        "after": _after(found["after"], currency),
    }


def _headline(found: Mapping[str, Any], currency: str) -> str:
    total = found["total"]
    if "subsidised" not in total:
        return _("How much was subsidised cannot be told: %(why)s", why=reason(total))
    if reason(total["subsidised"]):
        return _("How much was subsidised cannot be told: %(why)s", why=reason(total["subsidised"]))
    share = total["subsidised"]
    values = {
        "share": presenters.share(share["share"], 0),
        "low": presenters.share(share["low"], 0),
        "high": presenters.share(share["high"], 0),
        "level": presenters.level(share["confidence_level"]),
        "amount": presenters.money(share["minor"], currency, cents=False),
        "paid": presenters.money(total["reward_minor"], currency, cents=False),
        "n": presenters.whole(total["sales"]["n_units"]),
    }
    if share["high"] >= 1.0:
        return _(
            "There is no evidence that the rewards brought any purchase: %(share)s of them (%(level)s interval %(low)s "
            "to %(high)s, n = %(n)s) may have been paid on purchases that would have come anyway, %(amount)s of "
            "%(paid)s.",
            **values,
        )
    return _(
        "%(share)s of the rewards (%(level)s interval %(low)s to %(high)s, n = %(n)s) were paid on purchases that "
        "would have come anyway: %(amount)s of %(paid)s.",
        **values,
    )


def _basis(found: Mapping[str, Any]) -> str:
    if found["basis"] == "receipts":
        return _("Rewards are those on receipts of treated customers, beyond what as many of control's got.")
    return _(
        "Receipts carry no rewards, so they are reckoned from the offer's terms: %(share)s of listed customers' sales, "
        "with the shares of the plan.",
        share=presenters.share(found["terms_share"], 2),
    )


def _row(row: Mapping[str, Any], label: str, currency: str) -> dict[str, Any]:
    share = row.get("subsidised", {})
    told = "share" in share
    return {
        "label": label,
        "customers": _(
            "%(treated)s / %(control)s",
            treated=presenters.whole(row["customers_treated"]),
            control=presenters.whole(row["customers_control"]),
        )
        if "customers" in row
        else "",
        "cells": cells(row, "money", currency),
        "reward": presenters.money(row["reward_per_customer"], currency) if row.get("reward_per_customer") else "–",
        "share": presenters.share(share["share"], 0) if told else "",
        "range": _(
            "%(low)s to %(high)s", low=presenters.share(share["low"], 0), high=presenters.share(share["high"], 0)
        )
        if told
        else "",
        "why": "" if told else reason(share) or reason(row),
    }


def _share_chart(found: Mapping[str, Any]) -> dict[str, Any] | None:
    told = [row for row in found["tenths"] if "share" in row.get("subsidised", {})]
    if not told:
        return None
    bars = [
        Bar(
            _("Tenth %(number)s", number=row["tenth"]),
            100 * row["subsidised"]["share"],
            100 * row["subsidised"]["low"],
            100 * row["subsidised"]["high"],
        )
        for row in told
    ]
    total = found["total"].get("subsidised", {})
    if "share" in total:
        bars.append(Bar(_("All"), 100 * total["share"], 100 * total["low"], 100 * total["high"], emphasised=True))
    return intervals(bars, title=_("Subsidised share by tenth of earlier spend"), axis=_("Per cent of the rewards"))


def _effect_chart(found: Mapping[str, Any], currency: str) -> dict[str, Any] | None:
    bars = [
        bar_of(_("Tenth %(number)s", number=row["tenth"]), row["estimate"], per_unit(currency))
        for row in found["tenths"]
        if "estimate" in row
    ]
    axis = _("Effect on sales per customer, %(currency)s", currency=currency)
    return intervals(bars, title=_("Effect by tenth of earlier spend"), axis=axis) if bars else None


def _week_chart(found: Mapping[str, Any], currency: str, events: list[CalendarEvent]) -> dict[str, Any] | None:
    bars = [
        bar_of(week_label(row["week"], events), row["estimate"], per_unit(currency))
        for row in found["weeks"]
        if "estimate" in row
    ]
    axis = _("Effect on sales per customer and week, %(currency)s", currency=currency)
    return intervals(bars, title=_("Effect week by week"), axis=axis) if bars else None


def _fade(found: Mapping[str, Any], currency: str) -> dict[str, Any]:
    shown: Cells = cells(found, "money", currency)
    if shown.refusal:
        return {"sentence": _("Whether the effect fades cannot be told: %(why)s", why=shown.refusal), "cells": shown}
    values = {
        "weeks": presenters.whole(found["weeks"]),
        "effect": shown.effect,
        "interval": shown.interval,
        "n": shown.n,
        "level": presenters.level(found["estimate"]["confidence_level"]),
    }
    above = is_above_zero(found["estimate"])
    if above is None:
        said = _(
            "There is no evidence that the effect changes: in the last weeks (%(weeks)s) it was %(effect)s per "
            "customer and week against the first, %(level)s interval %(interval)s, n = %(n)s.",
            **values,
        )
    elif above:
        said = _(
            "The effect grows: in the last weeks (%(weeks)s) it was %(effect)s per customer and week against the "
            "first, %(level)s interval %(interval)s, n = %(n)s.",
            **values,
        )
    else:
        said = _(
            "The effect fades: in the last weeks (%(weeks)s) it was %(effect)s per customer and week against the "
            "first, %(level)s interval %(interval)s, n = %(n)s. Purchases were brought forward, or curiosity has "
            "passed: reckon a rollout from the last weeks.",
            **values,
        )
    return {"sentence": said, "cells": shown}


def _after(found: Mapping[str, Any], currency: str) -> str:
    """What the reward left behind once it had ended, or that this is not yet observed."""
    if "estimate" not in found:
        return reason(found)
    shown = cells(found, "money", currency)
    return _(
        "After the reward had ended (whole weeks: %(weeks)s) sales per customer and week were %(effect)s against "
        "control, %(level)s interval %(interval)s, n = %(n)s. This is exploratory.",
        weeks=presenters.whole(found["weeks"]),
        effect=shown.effect,
        interval=shown.interval,
        n=shown.n,
        level=presenters.level(found["estimate"]["confidence_level"]),
    )
