"""The cross-shopping map as a page shows it: the matrix, its drawing, the largest crossings and the bound."""

from collections.abc import Mapping
from typing import Any

from experiments.charts import HeatCell
from experiments.design.mechanisms import CONTROL
from pilot.evidence.charts import variant_label
from pilot.evidence.crossing_chart import crossing_chart, store_chart
from pilot.evidence.queries import ReportView
from web import presenters
from web.chapters.estimates import reason
from web.words import _

_PERIODS = ("window", "before")


def present(view: ReportView, chapter: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows: the matrix of the window and of the time before, and each variant's shares and bound."""
    cells = {(cell["period"], cell["home"], cell["at"]): cell for cell in chapter["cells"]}
    homes = list(dict.fromkeys(cell["home"] for cell in chapter["cells"]))
    visited = {cell["at"] for cell in chapter["cells"] if cell["at"] or cell["customers"] != 0}
    places = [at for at in dict.fromkeys(cell["at"] for cell in chapter["cells"]) if at in visited]
    return {
        "places": [_place(view, at) for at in places],
        "tables": [(period, _rows(view, cells, homes, places, period, chapter["fewest"])) for period in _PERIODS],
        "chart_spec": crossing_chart(_heat(view, cells, homes, places, chapter["fewest"])),
        "grid_chart": _grid_chart(chapter["grid"]),
        "grid": [_flow(view, cell) for cell in chapter["grid"]["cells"]],
        "left_out": chapter["grid"]["n_units"] - len(chapter["grid"]["units"]),
        "flows": [_flow(view, flow) for flow in chapter["flows"]],
        "fewest": chapter["fewest"],
        "variants": [
            _variant(view, variant, found, chapter["threshold"])
            for variant, found in sorted(chapter["variants"].items())
        ],
    }


def _place(view: ReportView, at: str) -> str:
    return variant_label(view, at) if at else _("Elsewhere")


def _rows(
    view: ReportView, cells: Mapping[Any, Any], homes: list[str], places: list[str], period: str, fewest: int
) -> list[dict[str, Any]]:
    found = []
    for home in homes:
        line = []
        for at in places:
            cell = cells[period, home, at]
            if cell["suppressed"]:
                line.append({"customers": _("under %(n)s", n=fewest), "net": "–"})
            else:
                net = presenters.money(cell["net_minor"], view.document.currency, cents=False)
                line.append({"customers": presenters.whole(cell["customers"]), "net": net})
        found.append({"home": variant_label(view, home), "cells": line})
    return found


def _heat(
    view: ReportView, cells: Mapping[Any, Any], homes: list[str], places: list[str], fewest: int
) -> list[HeatCell]:
    """Shares of what an arm's customers bought in the window; a cell that is held back has no shade."""
    drawn = []
    for home in homes:
        mine = [cells["window", home, at] for at in places]
        total = sum(cell["net_minor"] or 0 for cell in mine)
        for at, cell in zip(places, mine, strict=True):
            row, column = variant_label(view, home), _place(view, at)
            if cell["suppressed"] or total <= 0:
                drawn.append(HeatCell(row, column, None, _("under %(n)s", n=fewest) if cell["suppressed"] else "–"))
            else:
                share = cell["net_minor"] / total
                drawn.append(HeatCell(row, column, share, presenters.share(share)))
    return drawn


def _grid_chart(grid: Mapping[str, Any]) -> dict[str, Any] | None:
    """The drawing store by store; treated stores carry a star."""
    if not grid["cells"]:
        return None
    names = {one["unit"]: one["unit"] + ("" if one["variant"] == CONTROL else " *") for one in grid["units"]}
    shares = {(cell["home"], cell["at"]): cell["share"] for cell in grid["cells"]}
    return store_chart(
        [HeatCell(names[home], names[at], shares.get((home, at), 0.0), "") for home in names for at in names]
    )


def _flow(view: ReportView, flow: Mapping[str, Any]) -> dict[str, str]:
    return {
        "home": flow["home"],
        "at": flow["at"],
        "customers": presenters.whole(flow["customers"]),
        "net": presenters.money(flow["net_minor"], view.document.currency, cents=False),
        "share": presenters.share(flow["share"]),
    }


def _variant(view: ReportView, variant: str, found: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": variant, "name": variant_label(view, variant), "refusal": reason(found)}
    if shown["refusal"]:
        return shown
    early, late = found["before"], found["window"]
    values = {
        "control": presenters.share(early["control_share"]),
        "treated": presenters.share(early["variant_share"]),
        "limit": presenters.share(threshold, 0),
    }
    sentence = _(
        "Before the start, customers at home in control stores made %(control)s of their purchases in stores that are "
        "treated now. Of what customers at home in treated stores bought, %(treated)s was bought in treated stores, "
        "their own or another.",
        **values,
    )
    if found["too_much"]:
        advice = _(
            "More than %(limit)s of control was within reach of the treatment: next time draw stores that share their "
            "customers together, or leave some out between them.",
            **values,
        )
    else:
        advice = _("Less than %(limit)s of control was within reach of the treatment.", **values)
    return shown | {
        "sentence": sentence,
        "advice": advice,
        "badge": presenters.Badge(_("Look closer"), "warn")
        if found["too_much"]
        else presenters.Badge(_("In order"), "good"),
        "during": _(
            "In the window itself it was %(control)s and %(treated)s.",
            control=presenters.share(late["control_share"]),
            treated=presenters.share(late["variant_share"]),
        ),
        "bound": _bound(found, early["dilution"], view.document.currency),
    }


def _bound(variant: Mapping[str, Any], dilution: float, currency: str) -> dict[str, str]:
    found = variant["bound"]
    why = reason(found)
    if why:
        return {"refusal": why}
    values = {
        "effect": presenters.change(found["effect"], "money", currency),
        "interval": presenters.interval(tuple(found["interval"]), "money", currency),
        "undiluted": presenters.change(found["undiluted"], "money", currency),
        "wide": presenters.interval(tuple(found["undiluted_interval"]), "money", currency),
        "dilution": presenters.share(dilution, 0),
        "n": presenters.whole(found["n_units"]),
        "level": presenters.level(0.95),
    }
    return {
        "effect": _(
            "By home store, listed customers bought %(effect)s a store and week (%(level)s interval %(interval)s, "
            "n = %(n)s).",
            **values,
        ),
        "undiluted": _(
            "At %(dilution)s between the arms, the treatment itself changed at most %(undiluted)s (%(level)s interval "
            "%(wide)s): the effect of the treatment lies between the two.",
            **values,
        ),
        "stamp": _("May be identification: what cards show of listed customers moved with the treatment.")
        if variant["identification_moved"]
        else "",
    }
