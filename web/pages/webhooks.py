"""What leaves the house: webhooks with their secrets and deliveries, and how mail goes out."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from pilot.access.model import User
from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.notices import mail, outbox, queries, webhooks
from pilot.notices.kinds import EVENTS, TITLES
from pilot.notices.model import Delivery, DeliveryState, Webhook
from pilot.notices.service import try_mail
from pilot.words import translate
from web import forms
from web.auth import actor, requires
from web.errors import status_of
from web.presenters import Badge
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("webhooks", __name__, url_prefix="/webhooks")


def _page(error: str | None = None) -> str:
    troubled = queries.troubled_mail(session())
    people = session().scalars(select(User).where(User.id.in_({one.user_id for one in troubled}))).all()
    try:
        server, mail_error = mail.mail_server(settings()), None
    except PilotError as wrong:
        server, mail_error = None, translate(wrong.message)
    return render_template(
        "webhooks/show_all.html",
        rows=queries.webhooks(session()),
        events=[(kind, TITLES[kind]) for kind in EVENTS],
        titles=TITLES,
        mails=queries.n_mails(session()),
        troubled=troubled,
        people={person.id: person for person in people},
        state_of=_badge,
        server=server,
        mail_error=mail_error,
        mail_from=settings().mail_from,
        error=error,
        typed=request.form,
        chosen=forms.several("events") if request.method == "POST" else list(EVENTS),
    )


@pages.get("/")
@requires(Permission.WEBHOOK_MANAGE)
def show_all() -> ResponseReturnValue:
    return _page()


@pages.post("/")
@requires(Permission.WEBHOOK_MANAGE)
def create() -> ResponseReturnValue:
    """A new webhook; its secret is shown once."""
    try:
        hook, secret = webhooks.add_webhook(
            session(),
            name=forms.text("name", _("Name")),
            url=forms.text("url", _("Address")),
            events=[kind for kind in EVENTS if kind in set(forms.several("events"))],
            actor=actor(),
            now=settings().now(),
        )
    except PilotError as error:
        roll_back()
        return _page(translate(error.message)), status_of(type(error))
    return render_template("webhooks/secret.html", hook=hook, secret=secret)


@pages.get("/<webhook>")
@requires(Permission.WEBHOOK_MANAGE, of="webhook")
def show(webhook: Webhook) -> ResponseReturnValue:
    return render_template("webhooks/show.html", hook=webhook, titles=TITLES, **_deliveries(webhook))


@pages.get("/<webhook>/deliveries")
@requires(Permission.WEBHOOK_MANAGE, of="webhook")
def deliveries(webhook: Webhook) -> ResponseReturnValue:
    """The list alone, asked for again while something is about to leave."""
    if "HX-Request" not in request.headers:
        return redirect(url_for("webhooks.show", webhook=webhook.code))
    return render_template("webhooks/_deliveries.html", hook=webhook, titles=TITLES, **_deliveries(webhook))


@pages.post("/<webhook>/test")
@requires(Permission.WEBHOOK_MANAGE, of="webhook")
def send_test(webhook: Webhook) -> ResponseReturnValue:
    """A call without facts; the worker makes it in a few seconds."""
    webhooks.try_webhook(session(), webhook, actor=actor(), now=settings().now())
    return redirect(url_for("webhooks.show", webhook=webhook.code))


@pages.post("/<webhook>/active")
@requires(Permission.WEBHOOK_MANAGE, of="webhook")
def change_active(webhook: Webhook) -> ResponseReturnValue:
    """Pause it, or call it again."""
    verb = webhooks.pause_webhook if webhook.is_active else webhooks.resume_webhook
    verb(session(), webhook, actor=actor(), now=settings().now())
    flash(_("It is called again.") if webhook.is_active else _("It is paused."), "success")
    return redirect(url_for("webhooks.show", webhook=webhook.code))


@pages.post("/<webhook>/secret")
@requires(Permission.WEBHOOK_MANAGE, of="webhook")
def new_secret(webhook: Webhook) -> ResponseReturnValue:
    secret = webhooks.new_secret(session(), webhook, actor=actor(), now=settings().now())
    return render_template("webhooks/secret.html", hook=webhook, secret=secret)


@pages.post("/<webhook>/remove")
@requires(Permission.WEBHOOK_MANAGE, of="webhook")
def remove(webhook: Webhook) -> ResponseReturnValue:
    name = webhook.name
    webhooks.remove_webhook(session(), webhook, actor=actor(), now=settings().now())
    flash(_("The webhook %(name)s is removed.", name=name), "success")
    return redirect(url_for("webhooks.show_all"))


@pages.post("/retry/<delivery>")
@requires(Permission.WEBHOOK_MANAGE, of="delivery")
def retry(delivery: Delivery) -> ResponseReturnValue:
    """Try again at once what waits or was given up."""
    outbox.retry_now(session(), delivery, actor=actor().email, now=settings().now())
    if delivery.webhook_id is None:
        flash(_("The mail is tried again within a few seconds."), "success")
        return redirect(url_for("webhooks.show_all"))
    hook = session().get_one(Webhook, delivery.webhook_id)
    return redirect(url_for("webhooks.show", webhook=hook.code))


@pages.post("/mail")
@requires(Permission.WEBHOOK_MANAGE)
def send_mail() -> ResponseReturnValue:
    """A test mail to oneself."""
    try_mail(session(), actor(), now=settings().now())
    flash(_("A test mail to %(email)s leaves within a few seconds.", email=actor().email), "success")
    return redirect(url_for("webhooks.show_all"))


def _deliveries(hook: Webhook) -> dict[str, object]:
    found = queries.deliveries_of(session(), hook)
    leaves_soon = hook.is_active and any(
        one.state == DeliveryState.SENDING or (one.state == DeliveryState.WAITING and one.next_try_at is None)
        for one in found
    )
    return {"deliveries": found, "leaves_soon": leaves_soon, "state_of": _badge, "most": outbox.MOST_ATTEMPTS}


def _badge(delivery: Delivery) -> Badge:
    if delivery.state == DeliveryState.WAITING and delivery.attempts:
        return Badge(_("Failed, tried again"), "warn")
    table = {
        DeliveryState.WAITING: (_("Waiting"), "neutral"), DeliveryState.SENDING: (_("On its way"), "info"),
        DeliveryState.SENT: (_("Delivered"), "good"), DeliveryState.GAVE_UP: (_("Given up"), "bad"),
        DeliveryState.DROPPED: (_("Not wanted"), "neutral"),
    }  # fmt: skip
    return Badge(*table[DeliveryState(delivery.state)])
