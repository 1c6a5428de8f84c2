"""The chapter "where does it work?" on its page: whether groups differ at all, then each group, raw and shrunk."""

from collections.abc import Mapping
from typing import Any

from pilot.evidence.chapter_charts import Bar, intervals
from pilot.evidence.chapters.where_groups import LARGE, REST, SMALL, Family
from pilot.evidence.charts import variant_label
from pilot.evidence.queries import ReportView
from pilot.network import queries as network
from pilot.network.segments import segments
from pilot.planning.metrics import library_metric
from pilot.words import translate
from web import presenters
from web.chapters.estimates import cells, reason
from web.words import _
from web.work import session

_PER_CENT = 100.0


def present(view: ReportView, chapter: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows, variant by variant."""
    names = _names()
    return {
        "variants": [
            {
                "name": variant_label(view, variant),
                "may_be_identification": found["identification"] not in ("ok", None),
                "families": [_family(view, family, chapter, names) for family in found["families"]],
            }
            for variant, found in sorted(chapter["variants"].items())
        ],
        "of_customers": chapter.get("drawn") == "customers",
        "nothing_declared": not chapter["declared"],
        "level": presenters.level(chapter["confidence_level"]),
    }


def _names() -> dict[tuple[str, str], str]:
    found = {
        (Family.SIZE.value, SMALL): _("Smaller half of the stores"),
        (Family.SIZE.value, LARGE): _("Larger half of the stores"),
    }
    found |= {(Family.REGION.value, one.code): one.name for one in network.regions(session())}
    return found | {(Family.SEGMENT.value, one.code): one.name for one in segments(session())}


def _titles() -> dict[str, str]:
    return {
        Family.SEGMENT.value: _("Segments of customers"),
        Family.REGION.value: _("Regions"),
        Family.SIZE.value: _("Small and large stores"),
    }


def _family(
    view: ReportView, found: Mapping[str, Any], chapter: Mapping[str, Any], names: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    currency, metric = view.document.currency, library_metric(found["metric"])

    def name(code: str) -> str:
        return _("All others") if code == REST else names.get((found["family"], code), code)

    rows = [
        {
            "name": name(row["group"]),
            "declared": row["declared"],
            "cells": cells(row, metric.metric.unit.value, currency),
            "share": _share(row.get("share")),
            "shrunk": _share(row.get("shrunk")),
            "p_adjusted": presenters.p_value(row["p_adjusted"]) if "p_adjusted" in row else "",
        }
        for row in found["groups"]
    ]
    nothing_estimated = all(row["cells"].refusal for row in rows)
    return {
        "code": found["family"],
        "title": _titles()[found["family"]],
        "declared": found["declared"],
        "metric": translate(metric.title),
        "anchor": metric.entry.code,
        "sentence": _("No group could be estimated, so nothing is known of differences between them.")
        if nothing_estimated
        else _sentence(found["interaction"], chapter["alpha"], declared=found["declared"], name=name),
        "rows": rows,
        "nothing_estimated": nothing_estimated,
        "not_shrunk": reason(found["shrinkage"]),
        "chart": _chart(found, name),
    }


def _sentence(test: Mapping[str, Any], alpha: float, *, declared: bool, name: Any) -> str:
    """What the interaction test says; never that it works here and not there without it."""
    if "p_value" not in test:
        return _("Whether the effect differs between these groups cannot be tested: %(why)s.", why=reason(test))
    values = {
        "groups": ", ".join(name(code) for code in test["compared"]),
        "p": presenters.p_value(test["p_value"]),
    }
    if test["p_value"] > alpha:
        return _(
            "There is no evidence that the effect differs between these groups (%(groups)s; p %(p)s): the effect of "
            "all stores together is the best guess for each of them.",
            **values,
        )
    if declared:
        return _(
            "The effect differs between these groups, which the plan named beforehand (%(groups)s; p %(p)s).", **values
        )
    return _(
        "The effect seems to differ between these groups (%(groups)s; p %(p)s), but the plan did not name them: look "
        "again in the next stage before acting on it.",
        **values,
    )


def _share(found: Mapping[str, Any] | None) -> dict[str, str] | None:
    if not found:
        return None
    low, high = found["interval"]
    return {
        "effect": presenters.relative(found["effect"]),
        "interval": _("%(low)s to %(high)s", low=presenters.relative(low), high=presenters.relative(high))
        if low is not None and high is not None
        else presenters.interval((low, high), "share", ""),
    }


def _chart(found: Mapping[str, Any], name: Any) -> dict[str, Any] | None:
    bars = []
    for row in found["groups"]:
        if "share" not in row:
            continue
        bars.append(_bar(name(row["group"]), row["share"], emphasised=row["declared"]))
        if "shrunk" in row:
            label = _("%(group)s, shrunk", group=name(row["group"]))
            bars.append(_bar(label, row["shrunk"], emphasised=row["declared"]))
    axis = _("Effect, per cent of before")
    return intervals(bars, title=_("Effect by group"), axis=axis) if bars else None


def _bar(label: str, found: Mapping[str, Any], *, emphasised: bool) -> Bar:
    low, high = (None if end is None else _PER_CENT * end for end in found["interval"])
    return Bar(label, _PER_CENT * found["effect"], low, high, emphasised)
