"""One's own account: language, time zone, what comes by mail, password."""

from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from pilot.access import service as access
from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.notices import preferences
from pilot.notices.kinds import CHOICES, MEANINGS, TITLES
from pilot.words import translate
from web import forms
from web.auth import actor, open_session, requires
from web.errors import status_of
from web.language import language_names, look_again
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("account", __name__, url_prefix="/account")


def _page(error: str | None = None) -> str:
    zones = [("", _("The network's time zone")), *((zone, zone) for zone in sorted(available_timezones()))]
    languages = [("", _("As my browser asks for")), *language_names()]
    off = preferences.muted(session(), actor().id)
    mail = [(kind, TITLES[kind], MEANINGS[kind], kind not in off) for kind in CHOICES]
    return render_template("account/show.html", choices=languages, zones=zones, mail=mail, error=error)


@pages.get("/")
@requires(Permission.ACCOUNT)
def show() -> ResponseReturnValue:
    return _page()


@pages.post("/preferences")
@requires(Permission.ACCOUNT)
def change_preferences() -> ResponseReturnValue:
    """Language and time zone of the pages."""
    language, timezone = forms.optional("language") or "", forms.optional("timezone")
    access.change_preferences(session(), language=language, timezone=timezone, actor=actor(), now=settings().now())
    look_again()
    flash(_("Saved."), "success")
    return redirect(url_for("account.show"))


@pages.post("/mail")
@requires(Permission.ACCOUNT)
def choose_mail() -> ResponseReturnValue:
    """What comes by mail; the pages show everything."""
    chosen = set(forms.several("mail"))
    wanted = [kind for kind in CHOICES if kind in chosen]
    preferences.choose_mail(session(), actor(), wanted, actor=actor().email, now=settings().now())
    flash(_("Saved."), "success")
    return redirect(url_for("account.show"))


@pages.post("/password")
@requires(Permission.ACCOUNT)
def change_password() -> ResponseReturnValue:
    """A new password; every other session of this person ends."""
    user = actor()
    try:
        old, new = forms.secret("old", _("Password now")), forms.secret("new", _("New password"))
        access.change_password(session(), user, present=old, password=new, now=settings().now())
    except PilotError as error:
        roll_back()
        return _page(translate(error.message)), status_of(type(error))
    open_session(user)
    flash(_("Your password is changed. You are signed out everywhere else."), "success")
    return redirect(url_for("account.show"))
