"""The chapter about value and cost on its page: per variant and channel, with what is known and what is not."""

from collections.abc import Mapping
from typing import Any

from babel.numbers import get_currency_precision

from pilot.evidence.queries import ReportView
from pilot.network.segments import segments
from pilot.programs.model import CONTROL
from pilot.words import Message, translate
from web.presenters import decimal, money, whole
from web.words import _
from web.work import session


def present(view: ReportView, chapter: Mapping[str, Any]) -> dict[str, Any]:
    """What ``reports/chapters/value.html`` shows."""
    currency = view.document.currency
    found = chapter["variants"]
    order = sorted(found, key=lambda code: (code == CONTROL, code))
    names = {one.code: one.name for one in segments(session())}
    return {
        "variants": [_variant(view, code, found[code], currency, names) for code in order],
        "silence": chapter["silence_days"],
        "channels_known": chapter["channels_known"],
        "headlines": [_headline(_name(view, code), found[code], found[CONTROL], currency) for code in order[:-1]],
    }


def _headline(name: str, treated: Mapping[str, Any], control: Mapping[str, Any], currency: str) -> str:
    """Both arms' newly identified customers; what each cost only where treated stores have more of them."""
    counts = _(
        "%(name)s: newly identified customers in treated stores: %(treated)s; in control stores: %(control)s.",
        name=name,
        treated=_count(treated["new_customers"]),
        control=_count(control["new_customers"]),
    )
    mine, theirs = _per_store(treated), _per_store(control)
    if mine is None or theirs is None:
        return counts + " " + _("Too few to compare.")
    values = {"treated": decimal(mine, 1), "control": decimal(theirs, 1)}
    if mine <= theirs:
        return (
            counts + " " + _("No sign that the program brought any: %(treated)s a store against %(control)s.", **values)
        )
    said = [counts, _("That is %(treated)s a store against %(control)s.", **values)]
    if treated["cost_per_new_minor"] is not None:
        cost = money(treated["cost_per_new_minor"], currency)
        said.append(_("The cost for each of those in treated stores, whoever brought them: %(cost)s.", cost=cost))
    return " ".join(said)


def _per_store(found: Mapping[str, Any]) -> float | None:
    """Newly identified customers of one store; None for too few to tell."""
    new = found["new_customers"]
    return new / found["stores"] if found["stores"] and new is not None else None


def _name(view: ReportView, code: str) -> str:
    return _("Control") if code == CONTROL else view.variant_names.get(code, code)


def _variant(
    view: ReportView, code: str, found: Mapping[str, Any], currency: str, segment_names: Mapping[str, str]
) -> dict[str, Any]:
    per_store = _per_store(found)
    cost = found["cost_minor"]
    return {
        "name": _name(view, code),
        "is_control": code == CONTROL,
        "new": _count(found["new_customers"]),
        "per_store": "–" if per_store is None else decimal(per_store, 1),
        "cost": "–" if cost is None else money(cost, currency, cents=False),
        "each": "–" if found["cost_per_new_minor"] is None else money(found["cost_per_new_minor"], currency),
        "outside": _outside(found.get("outside"), currency),
        "rows": [_stay(_("All"), found["stay"], currency)]
        + [
            _stay(segment_names.get(row["channel"], row["channel"]) or _("In no segment"), row, currency)
            for row in found["channels"]
        ],
    }


def _outside(found: Mapping[str, Any] | None, currency: str) -> dict[str, Any] | None:
    """What one unit of sales gained outside the list cost, or why that is not said."""
    if found is None:
        return None
    if "refusal" in found:
        return {"cost": None, "why": translate(Message.from_dict(found["refusal"]))}
    low, high = found["interval"]
    one = 10 ** get_currency_precision(currency)  # of one whole unit of the currency
    return {
        "cost": money(found["cost_per_unit"] * one, currency),
        "interval": _(
            "%(low)s to %(high)s",
            low="–" if low is None else money(low * one, currency),
            high=money(high * one, currency),
        ),
        "unit": money(one, currency, cents=False),
        "why": None,
    }


def _count(n: int | None) -> str:
    """A count of people; fewer than five are not told."""
    return _("under 5") if n is None else whole(n)


def _stay(name: str, found: Mapping[str, Any], currency: str) -> dict[str, Any]:
    if "refusal" in found:
        return {"name": name, "n": _count(found["n"]), "why": translate(Message.from_dict(found["refusal"]))}
    margin, value = found["weekly_margin_minor"], found["value_per_cost"]
    return {
        "name": name,
        "n": _count(found["n"]),
        "why": None,
        "weeks": decimal(found["weeks"], 1),
        "tau": decimal(found["tau_weeks"], 1),
        "margin": "–" if margin is None else money(margin, currency),
        "value": "–" if value is None else decimal(value, 2),
    }
