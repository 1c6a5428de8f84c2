"""A plan as the values of its forms, so that a sent form and a stored plan fill the wizard's pages alike."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision
from werkzeug.datastructures import MultiDict

from pilot.planning.plan import Plan
from pilot.planning.plan_parts import Economics
from web.plan_form import GUARDRAIL, SECONDARY
from web.shared import currency

_TEXTS = ("objective", "hypothesis", "mechanic", "unit", "applies_by", "leads", "identification_note", "primary")
_SHARES = ("margin_share", "enrolment_share", "redemption_share", "redemption_low", "redemption_high")
_MONEY = ("communication_minor", "setup_minor", "store_minor", "benefit_minor")


def shown(plan: Plan) -> MultiDict[str, str]:
    """Every field of every step."""
    document = plan.to_document()
    form: MultiDict[str, str] = MultiDict()
    for name in _TEXTS:
        form[name] = document[name]
    form["mechanism"] = document["mechanism"]["kind"]
    form.setlist("match_on", document["mechanism"]["match_on"])
    form["alpha"] = as_percent(document["alpha"])
    for name, value in {**document["windows"], **document["eligibility"]}.items():
        form.setlist(name, value) if isinstance(value, list) else form.add(name, str(value))
    for name in ("segments", "holdout", "rival_stores", "subgroups"):
        form.setlist(name, document[name])
    for code in document["secondary"]:
        form[f"role-{code}"] = SECONDARY
    for guardrail in document["guardrails"]:
        form[f"role-{guardrail['metric']}"] = GUARDRAIL
        form[f"margin-{guardrail['metric']}"] = as_percent(guardrail["margin_share"])
    for variant in document["variants"]:
        form.add("variants", variant["code"])
        form[f"weight-{variant['code']}"] = str(variant["weight"])
    for number, stage in enumerate(document["stages"]):
        _show_stage(form, number, stage)
    _show_money(form, document)
    for name, value in document["thresholds"].items():
        form[name] = as_percent(value)
    _show_wind_down(form, document["wind_down"])
    return form


def _show_stage(form: MultiDict[str, str], number: int, stage: Mapping[str, Any]) -> None:
    for name in ("name", "starts_on", "weeks", "looks", "extension_weeks"):
        form[f"stage-{number}-{name}"] = str(stage[name])
    form.setlist(f"stage-{number}-units", stage["units"])
    form.setlist(f"stage-{number}-gate", stage["gate"])
    if stage["is_network"]:
        form[f"stage-{number}-is_network"] = "yes"


def _show_money(form: MultiDict[str, str], document: Mapping[str, Any]) -> None:
    given = document["economics"] or Economics().model_dump(mode="json")
    for name in _SHARES:
        form[name] = "" if given[name] is None else as_percent(given[name])
    for name in _MONEY:
        form[name] = as_money(given[name])
    form["horizon_weeks"] = str(given["horizon_weeks"])
    for name, prior in document["priors"].items():
        form[f"{name}-mean"] = as_percent(prior["mean_share"])
        form[f"{name}-sd"] = as_percent(prior["sd_share"])
        form[f"{name}-source"] = prior["source"]


def _show_wind_down(form: MultiDict[str, str], given: Mapping[str, Any] | None) -> None:
    for name, value in (given or {}).items():
        form[name] = as_money(value) if name == "exit_cost_minor" else str(value)


def as_percent(value: str) -> str:
    """A share as the number before the per cent sign."""
    return format((Decimal(value) * 100).normalize(), "f")


def as_money(minor: int) -> str:
    """Minor units as an amount in a field; nothing is an empty field."""
    if not minor:
        return ""
    digits = get_currency_precision(currency())
    return f"{Decimal(minor) / 10**digits:.{digits}f}"
