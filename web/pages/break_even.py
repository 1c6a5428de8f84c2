"""What an offer must bring to pay for itself: the lift, how it is reckoned, and how it moves with the assumptions.

The assumptions stand in the address: nothing is stored, and a link shows the same to everybody.
"""

from decimal import Decimal
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from experiments.errors import NotEstimable
from pilot.access.permissions import Permission
from pilot.errors import NotFound, PilotError
from pilot.outcomes.lake import Lake
from pilot.planning.metrics import in_our_words
from pilot.planning.spending import past_of_offer
from pilot.programs import queries
from pilot.programs.economics import OfferCost, offer_cost
from pilot.programs.mechanics import spec_of
from pilot.programs.model import Offer, Program
from pilot.programs.sensitivity import Axis, Table, sensitivity
from pilot.words import translate
from web import assumption_form, terms
from web.auth import requires
from web.errors import FieldUnreadable, status_of
from web.presenters import MINUS, money, share
from web.shared import currency
from web.words import _
from web.work import session, settings

pages = Blueprint("break_even", __name__, url_prefix="/programs")


@pages.get("/<program>/offers/<offer>/break-even")
@requires(Permission.PROGRAM_VIEW, of="program")
def show(program: Program, offer: str) -> ResponseReturnValue:
    """The lift of one offer under the assumptions in the address, or the reason why there is none."""
    found = queries.offer(session(), offer)
    if found.variant.program_id != program.id:
        raise NotFound(kind="offer", name=offer)
    frame = {
        "program": program,
        "offer": found,
        "spec": spec_of(found.mechanic),
        "lines": terms.lines(found.mechanic, found.terms, currency()),
        "fields": assumption_form.fields(found),
        "asks_past": "past" in request.args,
    }
    try:
        shown = _reckoned(found)
    except FieldUnreadable as error:
        page = render_template("programs/break_even.html", error=translate(error.message), shown=None, **frame)
        return page, status_of(type(error))
    return render_template("programs/break_even.html", error=None, shown=shown, **frame)


def _reckoned(offer: Offer) -> dict[str, Any]:
    """The headline, its ground and the tables; without a margin only what the offer costs."""
    past = past_of_offer(Lake(settings()), offer.mechanic, offer.terms) if "past" in request.args else None
    given, once = assumption_form.assumptions(offer, past), assumption_form.paid_once(offer)
    paid, sales = (once.minor, once.sales_minor) if once else (0, None)
    shown: dict[str, Any] = {"past": past, "cost": None, "margin": None, "lift": None, "reason": None, "tables": ()}
    if assumption_form.benefit_is_unsaid(offer):
        return shown | {"reason": _("State what the benefit costs: its terms do not say it.")}
    try:
        cost = offer_cost(offer.mechanic, offer.terms, given)
        shown |= {"cost": _cost_words(cost), "basis": translate(cost.basis)}
        if given.margin_share is None:
            return shown
        found = cost.break_even(given, fixed_minor=paid, sales_minor=sales)
        shown |= {
            "lift": found.lift,
            "margin": percent(given.margin_share),
            "headline": _headline(found.lift),
            "under_offer": percent(found.lift_under_offer),
            "store_total": percent(found.store_total_lift) if cost.at_till else None,
            "everybody": cost.reach == 1,
            "with_fixed": once is not None,
        }
        tables = sensitivity(offer.mechanic, offer.terms, given, fixed_minor=paid, sales_minor=sales)
    except NotEstimable as refused:
        return shown | {"reason": translate(in_our_words(refused.message))}
    except PilotError as refused:
        return shown | {"reason": translate(refused.message)}
    return shown | {"tables": [_table(one) for one in tables]}


def _headline(lift: Decimal) -> str:
    if lift == 0:
        return _("Pays for itself without any more sales.")
    return _("Needs %(lift)s more sales to pay for itself.", lift=f"+{percent(lift)}")


def percent(value: Decimal) -> str:
    """A share as a percentage, with a decimal only where it has one."""
    short = round(value * 100, 1)
    sign = MINUS if short < 0 else ""
    return sign + share(float(abs(value)), 0 if short == short.to_integral_value() else 1)


def _cost_words(cost: OfferCost) -> str:
    if cost.fixed_minor and not cost.high:
        return _("%(money)s, whatever is sold", money=money(cost.fixed_minor, currency()))
    if cost.low == cost.high:
        return _("%(base)s of the sales under the offer", base=percent(cost.base))
    return _(
        "%(base)s of the sales under the offer, between %(low)s and %(high)s",
        base=percent(cost.base), low=percent(cost.low), high=percent(cost.high),
    )  # fmt: skip


def _table(table: Table) -> dict[str, Any]:
    titles = {
        (Axis.MARGIN, Axis.REDEMPTION): _("By profit margin and by how many points are redeemed"),
        (Axis.MARGIN, Axis.REWARD): _("By profit margin and by what the offer costs"),
        (Axis.ENROLMENT, Axis.REWARD): _("By how much of sales is under the offer and by what it costs"),
    }
    axes = {
        Axis.MARGIN: _("Profit margin"), Axis.REDEMPTION: _("Redeemed"), Axis.REWARD: _("Cost"),
        Axis.ENROLMENT: _("Under the offer"),
    }  # fmt: skip
    return {
        "title": titles[table.rows_axis, table.columns_axis],
        "corner": axes[table.rows_axis],
        "columns": [f"{axes[table.columns_axis]} {percent(value)}" for value in table.columns],
        "rows": [
            (percent(row.value), ["" if lift is None else f"+{percent(lift)}" for lift in row.lifts], row.is_planned)
            for row in table.rows
        ],
    }
