"""The policy as a form: its rows, the class of each mechanic, how long signatures hold; and a dry run's question."""

from typing import Any

from babel.numbers import get_currency_precision
from flask import request

from pilot.governance.policy import RISKS, SCOPES, Policy, Risk, Scope
from pilot.programs.mechanics import CATALOGUE, Mechanic
from pilot.words import translate
from web import forms
from web.errors import FieldUnreadable
from web.shared import currency
from web.words import _

SPARE_ROWS = 2


def scopes() -> list[tuple[str, str]]:
    return [(scope.value, translate(name)) for scope, name in SCOPES.items()]


def risks() -> list[tuple[str, str]]:
    return [(risk.value, translate(name)) for risk, name in RISKS.items()]


def mechanics() -> list[tuple[str, str]]:
    return [(mechanic.value, translate(spec.title)) for mechanic, spec in CATALOGUE.items()]


def shown(policy: Policy) -> dict[str, Any]:
    """The policy as fields; spare rows at the end are for new ones, a row without a reach is left out."""
    rows = [
        {
            "scope": row.scope.value,
            "risk": row.risk.value if row.risk else "",
            "money": "" if row.money_up_to_minor is None else f"{row.money_up_to_minor / _per_unit():.0f}",
            "cosigns": row.cosigns,
            "approvals": row.approvals,
            "decisions": row.decisions,
        }
        for row in policy.rows
    ]
    spare = {"scope": "", "risk": "", "money": "", "cosigns": 1, "approvals": 1, "decisions": 1}
    return {
        "rows": [*rows, *[spare] * SPARE_ROWS],
        "risks": {mechanic.value: risk.value for mechanic, risk in policy.risks.items()},
        "valid_days": policy.valid_days,
    }


def read() -> Policy:
    """The policy that the form holds; ``PolicyDoesNotFit`` where it is none."""
    rows = []
    for number in range(forms.integer("n_rows", _("Rows"))):
        scope = request.form.get(f"scope-{number}", "")
        if scope:
            rows.append(
                {
                    "scope": scope,
                    "risk": request.form.get(f"risk-{number}") or None,
                    "money_up_to_minor": amount(request.form.get(f"money-{number}", "")),
                    "cosigns": forms.integer(f"cosigns-{number}", _("Analysts")),
                    "approvals": forms.integer(f"approvals-{number}", _("Executives who approve")),
                    "decisions": forms.integer(f"decisions-{number}", _("Executives who decide")),
                }
            )
    return Policy.from_document(
        {
            "rows": rows,
            "risks": {mechanic.value: request.form.get(f"risk-of-{mechanic.value}", "") for mechanic in Mechanic},
            "valid_days": forms.integer("valid_days", _("Days")),
        }
    )


def amount(text: str) -> int | None:
    """Whole units of the currency as minor units; None where the field is empty: without a limit."""
    plain = text.strip().replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) < 13):
        raise FieldUnreadable(field=_("Money at risk, up to"), value=text[:80])
    return int(plain) * _per_unit()


def question() -> tuple[Scope, Risk, int | None]:
    """What a dry run without a pilot is about."""
    scope, risk = request.args.get("scope", ""), request.args.get("risk", "")
    return (
        Scope(scope) if scope in list(Scope) else Scope.PILOT,
        Risk(risk) if risk in list(Risk) else Risk.LOW,
        amount(request.args.get("money", "")),
    )


def _per_unit() -> int:
    return int(10 ** get_currency_precision(currency()))
