"""People: who may sign in, in which role; invitations and resets are one-time links."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from pilot.access import queries
from pilot.access import service as access
from pilot.access.model import Role, User
from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.words import translate
from web import forms
from web.auth import actor, requires
from web.errors import status_of
from web.presenters import role_name
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("users", __name__, url_prefix="/people")


def _page(**more: object) -> str:
    people = queries.users(session())
    roles = [(role.value, role_name(role)) for role in Role]
    return render_template("users/show_all.html", people=people, roles=roles, **{"error": None, "link": None, **more})


def _link_page(user: User, token: str) -> str:
    link = access.link_address(session(), token)
    return render_template("users/link.html", person=user, link=link, hours=settings().link_hours)


@pages.get("/")
@requires(Permission.USER_MANAGE)
def show_all() -> ResponseReturnValue:
    return _page()


@pages.post("/")
@requires(Permission.USER_MANAGE)
def invite() -> ResponseReturnValue:
    """Create a person and show the link that lets them choose a password."""
    try:
        user = access.create_user(
            session(),
            email=forms.text("email", _("E-mail address")),
            name=forms.text("name", _("Name")),
            role=forms.choice("role", _("Role"), Role),
            actor=actor(),
            now=settings().now(),
        )
        token = access.make_link(session(), user, actor=actor(), now=settings().now())
    except PilotError as error:
        roll_back()
        return _page(error=translate(error.message)), status_of(type(error))
    return _link_page(user, token)


@pages.post("/<user>/link")
@requires(Permission.USER_MANAGE, of="user")
def make_link(user: User) -> ResponseReturnValue:
    """A new one-time link for somebody who forgot the password."""
    return _link_page(user, access.make_link(session(), user, actor=actor(), now=settings().now()))


@pages.post("/<user>/role")
@requires(Permission.USER_MANAGE, of="user")
def change_role(user: User) -> ResponseReturnValue:
    """Another role; the person's open sessions end."""
    access.change_role(session(), user, forms.choice("role", _("Role"), Role), actor=actor(), now=settings().now())
    flash(_("%(name)s has another role now; open sessions of theirs have ended.", name=user.name), "success")
    return redirect(url_for("users.show_all"))


@pages.post("/<user>/active")
@requires(Permission.USER_MANAGE, of="user")
def change_active(user: User) -> ResponseReturnValue:
    """Stop a person from signing in, or let them in again; what they did stays in the log."""
    verb = access.deactivate if user.is_active else access.reactivate
    verb(session(), user, actor=actor(), now=settings().now())
    flash(_("Saved."), "success")
    return redirect(url_for("users.show_all"))
