"""The chapter about money on its page: a sentence, the account, what is owed, the return, and chances of a loss."""

from collections.abc import Mapping
from typing import Any

from babel.numbers import get_currency_precision

from pilot.evidence.money_words import NET, ROWS, account_chart
from pilot.evidence.queries import ReportView
from pilot.words import Message, translate
from web.presenters import MINUS, level, money, relative, sentence, share, whole
from web.words import _

_NEARLY_NEVER = 0.001


def present(view: ReportView, chapter: Mapping[str, Any]) -> dict[str, Any]:
    """What ``reports/chapters/money.html`` shows."""
    return {
        "variants": [
            _variant(view, chapter, variant, found, number)
            for number, (variant, found) in enumerate(chapter["variants"].items())
        ],
        "assumptions": _assumptions(chapter),
        "of_customers": _of_customers(chapter),
    }


def _of_customers(chapter: Mapping[str, Any]) -> bool:
    """Whether customers were drawn; reports of before had money of stores alone."""
    return bool(chapter.get("drawn") == "customers")


def _variant(
    view: ReportView, chapter: Mapping[str, Any], variant: str, found: Mapping[str, Any], number: int
) -> dict[str, Any]:
    name = view.variant_names.get(variant, variant)
    if "refusal" in found:
        return {"name": name, "refusal": translate(Message.from_dict(found["refusal"]))}
    currency = view.document.currency
    per_unit = 10 ** get_currency_precision(currency)
    return {
        "name": name,
        "refusal": None,
        "headline": _headline(name, found, currency),
        "interval": _between(found["net_low_minor"], found["net_high_minor"], currency),
        "level": level(found["confidence_level"]),
        "loses": found["net_minor"] < 0,
        "per_customer": _per(found["net_minor"], found["listed_customers"], currency),
        "listed": found["listed_customers"],
        "scope": _scope(view, chapter, found),
        "account": [
            (translate(ROWS[step["code"]]), signed(step["amount_minor"], currency)) for step in found["account"]
        ],
        "net": (translate(NET), signed(found["net_minor"], currency)),
        "chart": account_chart(found["account"], currency=currency, minor_per_unit=per_unit),
        "chart_id": f"account-{number}",
        "redemption": _redemption(chapter, found, currency),
        "members": _members(found.get("members"), currency),
        "return": _return(found["return"]),
        "losses": _losses(found),
        "horizon": {
            "where": _("with the same customers") if _of_customers(chapter) else _("in the same stores"),
            "weeks": chapter["horizon_weeks"],
            "net": signed(found["horizon_minor"], currency),
            "interval": _between(found["horizon_low_minor"], found["horizon_high_minor"], currency),
        },
    }


def _scope(view: ReportView, chapter: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    weeks = whole(view.document.window.days // 7)
    if _of_customers(chapter):
        return _(
            "Money of %(n)s treated customers over %(weeks)s weeks", n=whole(found["listed_customers"]), weeks=weeks
        )
    return _("Money in %(stores)s treated stores over %(weeks)s weeks", stores=whole(found["stores"]), weeks=weeks)


def _members(found: Mapping[str, Any] | None, currency: str) -> str | None:
    """How many were counted as members, on what ground, and what it matters; None where it does not."""
    if not found:
        return None
    values = {
        "n": whole(found["n"]),
        "seen": whole(found["seen"]),
        "none": signed(found["net_of_none_minor"], currency),
        "all": signed(found["net_of_all_minor"], currency),
    }
    if found["counted"]:
        return _(
            "Counted as members are the %(n)s of %(seen)s identified customers whose receipts carry the offer. If "
            "nobody were one, the net would be %(none)s; if all were, %(all)s.",
            **values,
        )
    return _(
        "No enrolments are recorded: of %(seen)s identified customers the plan's share, %(n)s, is taken for members. "
        "If nobody were one, the net would be %(none)s; if all were, %(all)s.",
        **values,
    )


def _headline(name: str, found: Mapping[str, Any], currency: str) -> str:
    low, high, net = found["net_low_minor"], found["net_high_minor"], found["net_minor"]
    amount = money(abs(net), currency, cents=False)
    if low is not None and low > 0:
        return _("%(name)s earned %(amount)s after all costs.", name=name, amount=amount)
    if high is not None and high < 0:
        return _("%(name)s lost %(amount)s after all costs.", name=name, amount=amount)
    if net >= 0:
        return _("%(name)s earned %(amount)s after all costs; a loss is not ruled out.", name=name, amount=amount)
    return _("%(name)s lost %(amount)s after all costs; a gain is not ruled out.", name=name, amount=amount)


def signed(minor: int, currency: str) -> str:
    """An amount of the account with its sign, without cents."""
    return ("+" if minor > 0 else MINUS if minor < 0 else "") + money(abs(minor), currency, cents=False)


def _between(low: int | None, high: int | None, currency: str) -> str:
    if low is None and high is None:
        return _("no limit on either side")
    if low is None:
        return _("up to %(high)s", high=signed(high or 0, currency))
    if high is None:
        return _("from %(low)s upwards", low=signed(low, currency))
    return _("%(low)s to %(high)s", low=signed(low, currency), high=signed(high, currency))


def _per(minor: int, customers: int, currency: str) -> str | None:
    if not customers:
        return None
    each = minor / customers
    return ("+" if each > 0 else MINUS if each < 0 else "") + money(abs(each), currency)


def _redemption(chapter: Mapping[str, Any], found: Mapping[str, Any], currency: str) -> dict[str, Any] | None:
    """What is owed and what is left under low, base and high redemption; None where no points are given."""
    owed = found["liability"]
    if owed is None:
        return None
    names = (_("Few points are redeemed"), _("As planned"), _("Many points are redeemed"))
    still = (owed["low_minor"], owed["base_minor"], owed["high_minor"])
    return {
        "issued": money(owed["issued_minor"], currency, cents=False),
        "redeemed": money(owed["redeemed_minor"], currency, cents=False),
        "rows": [
            {
                "name": name,
                "share": share(float(redeemed), 0),
                "cost": money(owed["redeemed_minor"] + owes, currency, cents=False),
                "owed": money(owes, currency, cents=False),
                "net": signed(net, currency),
            }
            for name, redeemed, owes, net in zip(
                names, chapter["redemption"], still, found["net_by_redemption"], strict=True
            )
        ],
    }


def _return(found: Mapping[str, Any]) -> dict[str, Any]:
    if "refusal" in found:
        return {"ratio": None, "why": sentence(translate(Message.from_dict(found["refusal"])))}
    why = found.get("interval_refusal")
    low, high = found.get("interval", (None, None))
    return {
        "ratio": relative(found["ratio"]),
        "interval": None if why else _("%(low)s to %(high)s", low=_end(low), high=_end(high)),
        "why": sentence(translate(Message.from_dict(why))) if why else None,
    }


def _end(value: float | None) -> str:
    return _("no limit") if value is None else relative(value)


def _losses(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(prior, in this stage, over the horizon); both priors, never one alone."""
    names = {"sceptical": _("given the sceptical prior"), "neutral": _("given the neutral prior")}
    return [
        (name, _chance(found[f"p_loss_stage_{code}"]), _chance(found[f"p_loss_{code}"])) for code, name in names.items()
    ]


def _chance(value: float | None) -> str:
    if value is None:
        return "–"
    if value < _NEARLY_NEVER:
        return f"< {share(_NEARLY_NEVER)}"
    return f"> {share(1 - _NEARLY_NEVER)}" if value > 1 - _NEARLY_NEVER else share(value)


def _assumptions(chapter: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "margin": None if chapter["margin_share"] is None else share(float(chapter["margin_share"])),
        "priors": [
            {
                "name": name,
                "mean": relative(float(chapter["priors"][code]["mean_share"])),
                "sd": share(float(chapter["priors"][code]["sd_share"])),
                "source": translate(Message("prior_source", chapter["priors"][code]["source"])),
            }
            for code, name in (("sceptical", _("Sceptical prior")), ("neutral", _("Neutral prior")))
        ],
    }
