"""Signing in and out, and one-time links that set a password."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from pilot.access import service as access
from pilot.access.errors import UnknownPreference
from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.words import N_, translate
from web import forms
from web.auth import close_session, open_session, requires
from web.errors import status_of
from web.language import languages, remember_language
from web.words import _
from web.work import keep, roll_back, session, settings

pages = Blueprint("session", __name__)


@pages.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """Ask for e-mail address and password; a failed attempt is counted for all workers."""
    if request.method == "GET":
        if current_user.is_authenticated:
            return redirect(url_for("home.show"))
        return render_template("session/sign_in.html", email="", next=request.args.get("next", ""), error=None)
    email, goal = request.form.get("email", "").strip(), request.form.get("next", "")
    try:
        user = access.sign_in(
            session(),
            email,
            request.form.get("password", ""),
            address=request.remote_addr or "",
            now=settings().wall_clock(),
        )
    except PilotError as error:
        keep()  # the attempt stays counted although the sign-in is refused
        page = render_template("session/sign_in.html", email=email, next=goal, error=translate(error.message))
        return page, status_of(type(error))
    open_session(user)
    return redirect(goal if _is_inside(goal) else url_for("home.show"))


@pages.post("/sign-out")
@requires(Permission.ACCOUNT)
def sign_out() -> ResponseReturnValue:
    close_session()
    return redirect(url_for("session.sign_in"))


@pages.post("/language")
def choose_language() -> ResponseReturnValue:
    """The language before anybody is signed in; back to the page where it was chosen."""
    wanted, goal = request.form.get("language", ""), request.form.get("next", "")
    if wanted not in languages():
        raise UnknownPreference(kind=N_("language"), value=wanted[:20])
    answer = redirect(goal if _is_inside(goal) else url_for("session.sign_in"))
    remember_language(answer, wanted)
    return answer


@pages.route("/link/<token>", methods=["GET", "POST"])
def set_password(token: str) -> ResponseReturnValue:
    """The page of a one-time link."""
    if request.method == "GET":
        return render_template("session/set_password.html", error=None)
    if request.form.get("password") != request.form.get("again"):
        return render_template("session/set_password.html", error=_("The two passwords differ.")), 422
    try:
        access.redeem_link(session(), token, forms.secret("password", _("New password")), now=settings().now())
    except PilotError as error:
        roll_back()
        page = render_template("session/set_password.html", error=translate(error.message))
        return page, status_of(type(error))
    close_session()
    flash(_("Your password is set. Sign in with it now."), "success")
    return redirect(url_for("session.sign_in"))


def _is_inside(goal: str) -> bool:
    """Whether an address leads into this product: a redirect must not carry anybody elsewhere."""
    return goal.startswith("/") and not goal.startswith(("//", "/\\")) and "\n" not in goal
