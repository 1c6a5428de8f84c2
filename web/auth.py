"""Who is asking and may they: sign-in sessions, and the one guard that every route passes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from werkzeug.exceptions import Unauthorized

from pilot.access.model import User
from pilot.access.permissions import Permission, Scope
from pilot.governance.deputies import acting, require_acting
from web import subjects
from web.work import session, settings

View = TypeVar("View", bound=Callable[..., Any])

# Routes that nobody needs to sign in for. Everything else names a permission; the guard refuses what does neither.
PUBLIC = frozenset(
    {
        "static",
        "session.sign_in",
        "session.choose_language",
        "session.set_password",
        "unsubscribe.confirm",
        "operations.healthz",
        "operations.readyz",
        "operations.metrics",
        "operations.api_page",
        "openapi.spec",
    }
)


class RouteWithoutRule(RuntimeError):
    """A route that names no permission and is not in the public list: a mistake of ours, refused for everybody."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks for. ``of`` names the part of its address that is the object; None: any signed-in holder."""

    permission: Permission
    of: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRule:
    """A route of the API: a key with this scope, and the stores the key is for.

    ``by_row``: the body's rows name the stores, and the view asks ``may_key`` for each of them; otherwise the address
    names one. ``reads``: a POST that changes nothing, so it opens no write transaction.
    """

    scope: Scope
    by_row: bool = False
    reads: bool = False


class Person(UserMixin):  # type: ignore[misc] # flask-login is untyped
    """The signed-in user as flask-login wants it: the id carries the session version, so an older session ends."""

    def __init__(self, user: User) -> None:
        self.user = user

    def get_id(self) -> str:
        return f"{self.user.id}:{self.user.session_version}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.user, name)


def requires(permission: Permission, *, of: str | None = None) -> Callable[[View], View]:
    """The view is for holders of ``permission``; with ``of="pilot"`` on this very pilot, which the view receives."""

    def mark(view: View) -> View:
        view.rule = Rule(permission, of)  # type: ignore[attr-defined] # a label on a function
        return view

    return mark


def requires_key(scope: Scope, *, by_row: bool = False, reads: bool = False) -> Callable[[View], View]:
    """The view is for API keys with ``scope``; see ``KeyRule``."""

    def mark(view: View) -> View:
        view.rule = KeyRule(scope, by_row, reads)  # type: ignore[attr-defined] # a label on a function
        return view

    return mark


def rule_of(view: Callable[..., Any]) -> Rule | KeyRule | None:
    """The rule that ``requires`` or ``requires_key`` put on a view."""
    return getattr(view, "rule", None)


def actor() -> User:
    """The signed-in user of this request."""
    return cast("User", current_user.user)


def may(permission: str, obj: Any = None) -> bool:
    """For templates: whether the signed-in person holds ``permission`` (on ``obj``), or stands in for one who does."""
    if not current_user.is_authenticated:
        return False
    return acting(session(), actor(), Permission(permission), obj, now=settings().now()) is not None


def open_session(user: User) -> None:
    """Sign ``user`` in; nothing of an earlier session stays."""
    from flask import session as cookie

    cookie.clear()
    cookie.permanent = True
    login_user(Person(user))


def close_session() -> None:
    """Sign out and forget what the cookie held."""
    from flask import session as cookie

    logout_user()
    cookie.clear()


def register_auth(app: Flask) -> None:
    """Install the session loader and the guard."""
    manager = LoginManager(app)
    manager.session_protection = None  # the cookie is signed; an address changes on the way between two shops

    @manager.user_loader  # type: ignore[untyped-decorator] # flask-login is untyped
    def load(identity: str) -> Person | None:
        user_id, _, version = identity.partition(":")
        user = session().get(User, int(user_id)) if user_id.isdigit() else None
        current = user is not None and user.is_active and str(user.session_version) == version
        return Person(user) if user is not None and current else None

    app.before_request(guard)
    app.jinja_env.globals["may"] = may


def guard() -> ResponseReturnValue | None:
    """Refuse, or put the object that the address names in place of its name and let the view run."""
    if request.endpoint is None or request.endpoint in PUBLIC:
        return None
    rule = rule_of(current_app.view_functions[request.endpoint])
    if isinstance(rule, KeyRule):
        from web.api.keys import authenticate

        g.only_reading = rule.reads
        g.api_key = authenticate(rule.scope, by_row=rule.by_row)
        return None
    if rule is None:
        raise RouteWithoutRule(f"{request.endpoint} names no permission and is not public")
    if not current_user.is_authenticated:
        if "HX-Request" in request.headers or request.method != "GET":
            raise Unauthorized
        return redirect(url_for("session.sign_in", next=request.full_path.rstrip("?")))
    obj = None
    if rule.of is not None:
        arguments = cast("dict[str, Any]", request.view_args)
        obj = arguments[rule.of] = subjects.load(session(), rule.of, cast("Mapping[str, str]", arguments)[rule.of])
    require_acting(session(), actor(), rule.permission, obj, now=settings().now())
    return None
