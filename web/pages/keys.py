"""API keys of tills and systems: what they may ask, for which stores, until when (by the wall clock, as tills live)."""

from datetime import UTC, datetime, time

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from pilot.access import api_keys
from pilot.access.model import ApiKey
from pilot.access.permissions import SCOPES, Permission, Scope
from pilot.errors import PilotError
from pilot.network.model import Store
from pilot.words import translate
from web import forms
from web.auth import actor, requires
from web.errors import status_of
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("keys", __name__, url_prefix="/keys")


def _page(error: str | None = None) -> str:
    found = session().scalars(select(ApiKey).order_by(ApiKey.created_at.desc())).all()
    stores = session().scalars(select(Store).order_by(Store.code)).all()
    return render_template(
        "keys/show_all.html", keys=found, stores=stores, scopes=SCOPES, error=error, now=settings().wall_clock()
    )


@pages.get("/")
@requires(Permission.KEY_MANAGE)
def show_all() -> ResponseReturnValue:
    return _page()


@pages.post("/")
@requires(Permission.KEY_MANAGE)
def create() -> ResponseReturnValue:
    """A new key; its secret is shown once."""
    try:
        until = forms.day("expires_on", _("Valid until")) if forms.optional("expires_on") else None
        key, secret = api_keys.create_api_key(
            session(),
            name=forms.text("name", _("Name")),
            scopes=_scopes(),
            store_codes=forms.several("stores"),
            expires_at=datetime.combine(until, time.max, UTC) if until else None,
            actor=actor(),
            now=settings().wall_clock(),
        )
    except PilotError as error:
        roll_back()
        return _page(translate(error.message)), status_of(type(error))
    return render_template("keys/secret.html", key=key, secret=secret)


@pages.post("/<key>/rotate")
@requires(Permission.KEY_MANAGE, of="key")
def rotate(key: ApiKey) -> ResponseReturnValue:
    """Another secret under the same name and rights; the old one works for another 24 hours."""
    fresh, secret = api_keys.rotate_api_key(session(), key, actor=actor(), now=settings().wall_clock())
    return render_template("keys/secret.html", key=fresh, secret=secret)


@pages.post("/<key>/revoke")
@requires(Permission.KEY_MANAGE, of="key")
def revoke(key: ApiKey) -> ResponseReturnValue:
    api_keys.revoke_api_key(session(), key, actor=actor(), now=settings().wall_clock())
    flash(_("The key %(name)s no longer works.", name=key.name), "success")
    return redirect(url_for("keys.show_all"))


def _scopes() -> list[Scope]:
    """The chosen scopes; what is not one of ours is refused like none at all."""
    chosen = set(forms.several("scopes"))
    return [scope for scope in Scope if scope in chosen]
