"""Security headers of every response, and the cookie settings of the session."""

from datetime import timedelta

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin

from pilot.settings import Settings

# No 'unsafe-inline', no 'unsafe-eval': scripts and styles are files of this server. Tabler draws from data: images.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def cookie_settings(settings: Settings) -> dict[str, object]:
    """The session cookie: not readable by scripts, not sent across sites, secure where the address is https."""
    return {
        "SESSION_COOKIE_NAME": "pilot_session",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.public_url.startswith("https://"),
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=settings.session_hours),
        "WTF_CSRF_TIME_LIMIT": None,  # the token lives as long as the session it belongs to
    }


class QuietParts(SecureCookieSessionInterface):
    """Parts of a page that only read send no session cookie.

    They may be answered after the person has pressed a button: the older cookie would overwrite the newer one, and with
    it what the button had to say.
    """

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        if request.headers.get("HX-Request") and not session.modified:
            return False
        return super().should_set_cookie(app, session)


def register_security(app: Flask) -> None:
    """Put the headers on every response; pages are never stored by caches in between."""
    app.session_interface = QuietParts()

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if app.config["SESSION_COOKIE_SECURE"]:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response
