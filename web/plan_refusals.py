"""What stands against a plan, in the words of the wizard's pages: fields by their labels, variants by their names."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import url_for

from pilot.errors import PilotError
from pilot.planning.errors import OfferMissing, PlanUnreadable
from pilot.planning.model import Pilot
from pilot.planning.plan import Plan
from pilot.planning.wizard import step_of
from pilot.programs import queries as programs
from pilot.words import Message, translate
from web import presenters
from web.words import _
from web.work import session

_LIMITS = ("gt", "ge", "lt", "le")


def said(error: PilotError, plan: Plan) -> str:
    """The refusal as a reader of the wizard understands it."""
    if isinstance(error, PlanUnreadable):
        return _unreadable(error)
    if isinstance(error, OfferMissing):
        return translate(_named(error.message, plan))
    return translate(error.message)


def mended_at(error: PilotError, pilot: Pilot, plan: Plan, *, amending: bool) -> str:
    """The address of the page on which it is mended: the step of the wizard, or the offer that is missing."""
    if isinstance(error, OfferMissing):
        return url_for("programs.choose_mechanic", program=plan.program, variant=error.message.values["variant"])
    return url_for("wizard.amend" if amending else "wizard.edit", pilot=pilot.code, step=step_of(error))


def _named(message: Message, plan: Plan) -> Message:
    program = programs.program(session(), plan.program)
    names = {variant.code: variant.name for variant in program.variants}
    code = message.values["variant"]
    values = {**message.values, "variant": names.get(code, code), "program": program.name}
    return Message(message.code, message.template, values)


def _unreadable(error: PlanUnreadable) -> str:
    """Such as: “Weeks” of stage 2 must be at least 1."""
    path, problem = str(error.message.values["field"]).split("."), error.message.values["problem"]
    name = path[-1]
    label = _("Profit margin") if path[:2] == ["economics", "margin_share"] else _labels().get(name)
    if label is None:
        return translate(error.message)
    if name.endswith("_share") or name.startswith("redemption") or name in _PERCENT:
        problem = Message(problem.code, problem.template, _as_percent(problem.values))
    if path[0] == "stages" and path[1].isdigit():
        return _(
            "“%(field)s” of stage %(stage)s %(problem)s.",
            field=label,
            stage=int(path[1]) + 1,
            problem=translate(problem),
        )
    return _("“%(field)s” %(problem)s.", field=label, problem=translate(problem))


_PERCENT = ("alpha", "loss_probability", "harm_probability", "futility_probability")


def _as_percent(values: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for name in _LIMITS:
        try:
            found[name] = presenters.share(float(Decimal(str(found[name]))), 0)
        except (KeyError, InvalidOperation):
            continue
    return found


def _labels() -> dict[str, str]:
    """The fields of the wizard by the last name of their place in the document."""
    return {
        "hypothesis": _("Hypothesis"),
        "weight": _("Weight"),
        "pre_weeks": _("Weeks before the start to compare with"),
        "home_weeks": _("Weeks that decide a customer's home store"),
        "identification_note": _("Why can showing the card not differ?"),
        "min_trading_weeks": _("Weeks traded before, at least"),
        "min_listed_customers": _("Home customers, at least"),
        "cooling_weeks": _("Weeks of rest after another pilot"),
        "margin_share": _("Margin"),
        "enrolment_share": _("Sales under the offer"),
        "redemption_share": _("Redeemed, base"),
        "redemption_low": _("Redeemed, low"),
        "redemption_high": _("Redeemed, high"),
        "communication_minor": _("Communication"),
        "setup_minor": _("Set-up"),
        "store_minor": _("Per treated store"),
        "benefit_minor": _("Benefit per customer"),
        "horizon_weeks": _("Weeks of rollout"),
        "mean_share": _("Expected change"),
        "sd_share": _("Give or take"),
        "source": _("Source"),
        "name": _("Name"),
        "starts_on": _("Starts on"),
        "weeks": _("Weeks"),
        "looks": _("Looks"),
        "extension_weeks": _("Weeks of an extension"),
        "alpha": _("Level"),
        "loss_probability": _("Go on only while a loss is at most this likely (sceptical)"),
        "harm_share": _("Harm is a fall of the leading metric by more than (per cent)"),
        "harm_probability": _("Stop for harm when its probability is above (sceptical)"),
        "futility_probability": _("Stop as futile when the chance to pass is below (neutral)"),
        "honour_until": _("What customers hold is honoured until"),
        "exit_cost_minor": _("Cost of exit"),
        "note": _("Note"),
    }
