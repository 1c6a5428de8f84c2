"""The plan on the wizard's forms: percent, money and ticked boxes as people write them; behind them the document."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision
from werkzeug.datastructures import MultiDict

from pilot.planning.metrics import SUGGESTED
from pilot.planning.plan import ALL_UNITS, REGION_PREFIX, GateRule
from pilot.planning.wizard import Step
from pilot.programs.model import CONTROL
from web.errors import FieldMissing, FieldUnreadable
from web.shared import currency
from web.words import _

NO_ROLE, SECONDARY, GUARDRAIL = "", "secondary", "guardrail"
Form = MultiDict[str, str]
Document = dict[str, Any]


def read(step: Step, form: Form, kept: Mapping[str, Any]) -> Document:
    """The plan document with what the step's form says, on top of ``kept``."""
    return {**kept, **_READERS[step](form, kept)}


def stage_count(form: Mapping[str, str]) -> int:
    """How many stages the form has places for."""
    number = 0
    while f"stage-{number}-name" in form:
        number += 1
    return number


def _brief(form: Form, kept: Mapping[str, Any]) -> Document:
    objective = form.get("objective", "")
    return {
        "objective": objective,
        "hypothesis": form.get("hypothesis", ""),
        "mechanic": form.get("mechanic", ""),
        "rival_stores": _as_kept(form.getlist("rival_stores"), kept.get("rival_stores", ()))
        if objective == "defend"
        else [],
        "variants": _variants(form),
        "primary": form.get("primary", ""),
        "leads": form.get("leads", ""),
        "secondary": [code for code in _chosen(kept) if form.get(f"role-{code}") == SECONDARY],
        "guardrails": [
            {"metric": code, "margin_share": _percent(form.get(f"margin-{code}", ""), _("Margin"))}
            for code in _chosen(kept)
            if form.get(f"role-{code}") == GUARDRAIL
        ],
        "windows": {"pre_weeks": form.get("pre_weeks", ""), "home_weeks": form.get("home_weeks", "")},
        "identification_note": form.get("identification_note", ""),
    }


def _stores(form: Form, kept: Mapping[str, Any]) -> Document:
    unit, rule = form.get("unit", "store"), kept.get("eligibility", {})
    return {
        "unit": unit,
        "applies_by": form.get("applies_by", ""),
        "segments": form.getlist("segments") if unit == "customer" else [],
        "eligibility": {
            "min_trading_weeks": form.get("min_trading_weeks", "") or "0",
            "min_listed_customers": form.get("min_listed_customers", "") or "0",
            "must_include": _as_kept(_bare(form.getlist("must_include")), rule.get("must_include", ())),
            "must_exclude": _as_kept(_bare(form.getlist("must_exclude")), rule.get("must_exclude", ())),
            "cooling_weeks": form.get("cooling_weeks", "") or "0",
        },
        "holdout": _as_kept(_bare(form.getlist("holdout")), kept.get("holdout", ())),
    }


def _design(form: Form, _kept: Mapping[str, Any]) -> Document:
    kind = form.get("mechanism", "")
    return {
        "mechanism": {"kind": kind, "match_on": form.getlist("match_on") if kind == "matched_pairs" else []},
        "alpha": _percent(form.get("alpha", ""), _("Level")),
        "subgroups": form.getlist("subgroups"),
    }


def _money(form: Form, kept: Mapping[str, Any]) -> Document:
    priors = {
        name: {
            "mean_share": _percent(form.get(f"{name}-mean", ""), _("Expected change")),
            "sd_share": _percent(form.get(f"{name}-sd", ""), _("Give or take")),
            "source": form.get(f"{name}-source", ""),
        }
        for name in ("sceptical", "neutral")
    }
    margin = form.get("margin_share", "").strip()
    return {
        "priors": priors,
        "economics": {
            "margin_share": _percent(margin, _("Profit margin")) if margin else None,
            **{
                name: _percent(form.get(name, ""), label)
                for name, label in (
                    ("enrolment_share", _("Sales under the offer")),
                    ("redemption_share", _("Redeemed, base")),
                    ("redemption_low", _("Redeemed, low")),
                    ("redemption_high", _("Redeemed, high")),
                )
            },
            **{name: _minor(form.get(name, ""), label) for name, label in _costs()},
            "horizon_weeks": form.get("horizon_weeks", "") or "52",
        },
    }


def _costs() -> list[tuple[str, str]]:
    return [
        ("communication_minor", _("Communication")),
        ("setup_minor", _("Set-up")),
        ("store_minor", _("Per treated store")),
        ("benefit_minor", _("Benefit per customer")),
    ]


def _stages(form: Form, kept: Mapping[str, Any]) -> Document:
    """The stages whose name is filled in, numbered in their order on the page."""
    unit, before = str(kept.get("unit", "store")), [stage["units"] for stage in kept.get("stages", ())]
    found: list[Document] = []
    for place in range(stage_count(form)):
        field = f"stage-{place}-"
        if not form[field + "name"].strip():
            continue
        found.append(
            {
                "number": len(found) + 1,
                "name": form[field + "name"],
                "units": _as_kept(_where(form, field, unit), before[place] if place < len(before) else ()),
                "starts_on": _filled(form, field + "starts_on", _("Starts on")),
                "weeks": _filled(form, field + "weeks", _("Weeks")),
                "looks": form.get(field + "looks", "") or "1",
                "extension_weeks": form.get(field + "extension_weeks", "") or "0",
                "gate": [rule.value for rule in GateRule if rule.value in form.getlist(field + "gate")],
                "is_network": field + "is_network" in form,
            }
        )
    thresholds = {name: _percent(form.get(name, ""), _("Probability")) for name in _THRESHOLDS}
    return {"stages": found, "thresholds": thresholds}


_THRESHOLDS = ("loss_probability", "harm_probability", "harm_share", "futility_probability")


def _wind_down(form: Form, _kept: Mapping[str, Any]) -> Document:
    if not form.get("honour_until", "").strip():
        return {"wind_down": None}
    return {
        "wind_down": {
            "honour_until": form.get("honour_until", ""),
            "points": form.get("points", "none"),
            "tiers": form.get("tiers", "none"),
            "memberships": form.get("memberships", "none"),
            "exit_cost_minor": _minor(form.get("exit_cost_minor", ""), _("Cost of exit")),
            "note": form.get("note", ""),
        }
    }


_READERS: dict[Step, Callable[[Form, Mapping[str, Any]], Document]] = {
    Step.BRIEF: _brief,
    Step.STORES: _stores,
    Step.DESIGN: _design,
    Step.MONEY: _money,
    Step.STAGES: _stages,
    Step.WIND_DOWN: _wind_down,
    Step.REVIEW: lambda _form, _kept: {},
}


def _chosen(kept: Mapping[str, Any]) -> list[str]:
    """The metrics of the form: those that are suggested, and others that the plan already has."""
    own = [*kept.get("secondary", ()), *(guardrail["metric"] for guardrail in kept.get("guardrails", ()))]
    return list(dict.fromkeys([*SUGGESTED, *own]))


def _variants(form: Form) -> list[Document]:
    chosen = [CONTROL, *(code for code in form.getlist("variants") if code != CONTROL)]
    return [{"code": code, "weight": form.get(f"weight-{code}", "1") or "1"} for code in chosen]


def _filled(form: Form, name: str, label: str) -> str:
    value = form.get(name, "").strip()
    if not value:
        raise FieldMissing(field=label)
    return value


def _where(form: Form, field: str, unit: str) -> list[str]:
    """All stores, or those that are ticked: nothing ticked is not everything."""
    chosen = form.getlist(field + "units")
    where = form.get(field + "where")
    if where == "some" and not chosen:
        raise FieldMissing(field=_("Regions and stores of this stage"))
    return [ALL_UNITS] if where == "all" else _units(chosen, unit)


def _units(chosen: Sequence[str], unit: str) -> list[str]:
    """What takes part; where regions are assigned, a region stands for itself and not for its stores."""
    if not chosen or ALL_UNITS in chosen:
        return [ALL_UNITS]
    return _bare(chosen) if unit == "region" else list(chosen)


def _as_kept(chosen: Sequence[str], kept: Sequence[str]) -> list[str]:
    """What is ticked, in the plan's own order where it is the same: the page's order changes no plan."""
    return list(kept) if sorted(chosen) == sorted(kept) else sorted(chosen)


def _bare(chosen: Sequence[str]) -> list[str]:
    return [code.removeprefix(REGION_PREFIX) for code in chosen]


def _percent(value: str, label: str) -> str:
    try:
        return format((Decimal(value.strip().replace(",", ".")) / 100).normalize(), "f")
    except ArithmeticError:
        raise FieldUnreadable(field=label, value=value[:80]) from None


def _minor(value: str, label: str) -> int:
    """Money as written, in minor units; empty is nothing."""
    if not value.strip():
        return 0
    try:
        minor = Decimal(value.strip().replace(",", ".")) * 10 ** get_currency_precision(currency())
        found = int(minor)
    except (ArithmeticError, ValueError):
        raise FieldUnreadable(field=label, value=value[:80]) from None
    if minor != found:
        raise FieldUnreadable(field=label, value=value[:80])
    return found
