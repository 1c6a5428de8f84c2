"""The plan on a form: percent, weeks and ticked boxes as people write them; behind it the plan's document."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from werkzeug.datastructures import MultiDict

from pilot.planning.metrics import SUGGESTED
from pilot.planning.plan import ALL_UNITS, REGION_PREFIX, GateRule, Plan
from pilot.programs.model import CONTROL
from web.errors import FieldUnreadable
from web.words import _

NO_ROLE, SECONDARY, GUARDRAIL = "", "secondary", "guardrail"


def read(form: MultiDict[str, str], kept: Mapping[str, Any]) -> dict[str, Any]:
    """The plan document in a sent form, on top of ``kept`` (what the form does not ask about stays)."""
    unit = form.get("unit", "store")
    return {
        **kept,
        "objective": form.get("objective", ""),
        "hypothesis": form.get("hypothesis", ""),
        "unit": unit,
        "mechanism": {
            "kind": form.get("mechanism", ""),
            "match_on": form.getlist("match_on") if form.get("mechanism") == "matched_pairs" else [],
        },
        "applies_by": form.get("applies_by", ""),
        "leads": form.get("leads", ""),
        "identification_note": form.get("identification_note", ""),
        "primary": form.get("primary", ""),
        "secondary": [code for code in SUGGESTED if form.get(f"role-{code}") == SECONDARY],
        "guardrails": [
            {"metric": code, "margin_share": _percent(form.get(f"margin-{code}", ""), _("Margin"))}
            for code in SUGGESTED
            if form.get(f"role-{code}") == GUARDRAIL
        ],
        "alpha": _percent(form.get("alpha", ""), _("Level")),
        "variants": _variants(form),
        "segments": form.getlist("segments") if unit == "customer" else [],
        "windows": {"pre_weeks": form.get("pre_weeks", ""), "home_weeks": form.get("home_weeks", "")},
        "eligibility": {
            "min_trading_weeks": form.get("min_trading_weeks", "") or "0",
            "min_listed_customers": form.get("min_listed_customers", "") or "0",
        },
        "holdout": form.getlist("holdout"),
        "stages": _stages(form, unit),
    }


def shown(plan: Plan) -> MultiDict[str, str]:
    """A plan as the values of its form, so that a sent form and a stored plan fill the page alike."""
    document = plan.to_document()
    form: MultiDict[str, str] = MultiDict()
    for name in ("objective", "hypothesis", "unit", "applies_by", "leads", "identification_note", "primary"):
        form[name] = document[name]
    form["mechanism"] = document["mechanism"]["kind"]
    form.setlist("match_on", document["mechanism"]["match_on"])
    form["alpha"] = _as_percent(document["alpha"])
    for name, value in {**document["windows"], **document["eligibility"]}.items():
        form[name] = str(value)
    form.setlist("segments", document["segments"])
    form.setlist("holdout", document["holdout"])
    for code in document["secondary"]:
        form[f"role-{code}"] = SECONDARY
    for guardrail in document["guardrails"]:
        form[f"role-{guardrail['metric']}"] = GUARDRAIL
        form[f"margin-{guardrail['metric']}"] = _as_percent(guardrail["margin_share"])
    for variant in document["variants"]:
        form.add("variants", variant["code"])
        form[f"weight-{variant['code']}"] = str(variant["weight"])
    for number, stage in enumerate(document["stages"]):
        _show_stage(form, number, stage)
    return form


def stage_count(form: Mapping[str, str]) -> int:
    """How many stages the form has places for."""
    number = 0
    while f"stage-{number}-name" in form:
        number += 1
    return number


def _show_stage(form: MultiDict[str, str], number: int, stage: Mapping[str, Any]) -> None:
    for name in ("name", "starts_on", "weeks", "looks", "extension_weeks"):
        form[f"stage-{number}-{name}"] = str(stage[name])
    form.setlist(f"stage-{number}-units", stage["units"])
    form.setlist(f"stage-{number}-gate", stage["gate"])
    if stage["is_network"]:
        form[f"stage-{number}-is_network"] = "yes"


def _variants(form: MultiDict[str, str]) -> list[dict[str, Any]]:
    chosen = [CONTROL, *(code for code in form.getlist("variants") if code != CONTROL)]
    return [{"code": code, "weight": form.get(f"weight-{code}", "1") or "1"} for code in chosen]


def _stages(form: MultiDict[str, str], unit: str) -> list[dict[str, Any]]:
    """The stages whose name is filled in, numbered in their order on the page."""
    found: list[dict[str, Any]] = []
    for place in range(stage_count(form)):
        field = f"stage-{place}-"
        if not form[field + "name"].strip():
            continue
        found.append(
            {
                "number": len(found) + 1,
                "name": form[field + "name"],
                "units": _units(form.getlist(field + "units"), unit),
                "starts_on": form.get(field + "starts_on", ""),
                "weeks": form.get(field + "weeks", ""),
                "looks": form.get(field + "looks", "") or "1",
                "extension_weeks": form.get(field + "extension_weeks", "") or "0",
                "gate": [rule.value for rule in GateRule if rule.value in form.getlist(field + "gate")],
                "is_network": field + "is_network" in form,
            }
        )
    return found


def _units(chosen: Sequence[str], unit: str) -> list[str]:
    """What takes part; where regions are assigned, a region stands for itself and not for its stores."""
    if not chosen or ALL_UNITS in chosen:
        return [ALL_UNITS]
    return [code.removeprefix(REGION_PREFIX) for code in chosen] if unit == "region" else list(chosen)


def _percent(value: str, label: str) -> str:
    try:
        return format((Decimal(value.strip().replace(",", ".")) / 100).normalize(), "f")
    except ArithmeticError:
        raise FieldUnreadable(field=label, value=value[:80]) from None


def _as_percent(value: str) -> str:
    return format((Decimal(value) * 100).normalize(), "f")
