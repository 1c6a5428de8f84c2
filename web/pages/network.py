"""The network: its settings, its regions and stores, and forgetting a customer."""

from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.network import queries, service
from pilot.network.model import Store
from pilot.outcomes.inbox.erasing import erase_in_inbox, tell_unread
from pilot.words import translate
from web import forms, shared
from web.auth import actor, requires
from web.errors import status_of
from web.words import _
from web.work import before_the_transaction, roll_back, session, settings

pages = Blueprint("network", __name__, url_prefix="/network")


def _page(error: str | None = None) -> str:
    stores = queries.stores(session())
    words = request.args.get("search", "").casefold().split()
    found = [store for store in stores if all(word in _told(store) for word in words)]
    return render_template(
        "network/show.html",
        network=shared.network(),
        n_stores=len(stores),
        stores=found,
        search=request.args.get("search", ""),
        n_customers=queries.n_customers(session()),
        zones=[(zone, zone) for zone in sorted(available_timezones())],
        error=error,
    )


def _told(store: Store) -> str:
    """What the search looks through."""
    return f"{store.code} {store.name} {store.region.name}".casefold()


@pages.get("/")
@requires(Permission.NETWORK_VIEW)
def show() -> ResponseReturnValue:
    return _page()


@pages.post("/")
@requires(Permission.NETWORK_EDIT)
def set_up() -> ResponseReturnValue:
    """Currency, time zone and cut-off; once receipts are in, only the name can change."""
    try:
        service.set_up_network(
            session(),
            name=forms.text("name", _("Name")),
            currency=forms.text("currency", _("Currency")).upper(),
            timezone=forms.text("timezone", _("Time zone")),
            cutoff_hour=forms.integer("cutoff_hour", _("A business day ends at")),
            actor=actor(),
            now=settings().now(),
        )
    except PilotError as error:
        roll_back()
        return _page(translate(error.message)), status_of(type(error))
    flash(_("The network's settings are saved."), "success")
    return redirect(url_for("network.show"))


@pages.post("/customers/forget")
@requires(Permission.CUSTOMER_FORGET)
def forget_customer() -> ResponseReturnValue:
    """Erase who a customer is; their integer key stays, with nothing that leads to it."""
    try:
        customer = forms.text("customer", _("Customer"))
        with before_the_transaction():  # a drain may be waited for
            unread = erase_in_inbox(settings(), customer)
        now = settings().now()
        key = service.forget_customer(session(), customer, actor=actor(), now=now)
        told = tell_unread(session(), unread, key, actor=actor(), now=now)
    except PilotError as error:
        roll_back()
        return _page(translate(error.message)), status_of(type(error))
    flash(_("The customer is forgotten."), "success")
    for message in told:
        flash(translate(message), "warning")
    return redirect(url_for("network.show"))
