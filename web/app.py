"""The application: settings in, a WSGI application out. Nothing is read or opened before ``create_app`` is called."""

from typing import Any

from apiflask import APIFlask
from flask import Flask
from flask_wtf import CSRFProtect

from pilot import __version__
from pilot.database import Database
from pilot.keys import read_or_make_key
from pilot.planning.metrics import library_metric
from pilot.settings import Settings, load_settings
from pilot.words import Message, localised, translate
from web import api, pages, plan_view, presenters, shared
from web.auth import register_auth
from web.errors import register_errors
from web.language import current_language, here, language_names, register_language
from web.logs import configure_logs, register_logs
from web.metrics import register_metrics
from web.navigation import navigation
from web.security import cookie_settings, register_security
from web.work import register_work

FILTERS = {
    name: getattr(presenters, name)
    for name in (
        "day", "moment", "whole", "decimal", "share", "money", "p_value", "quantity", "change", "relative", "interval",
        "level", "size", "days", "short_hash", "role_name", "pilot_state", "stage_state", "run_state", "recommendation",
        "check_status", "choice_name", "kind_name", "relative_size", "size_of", "level_before", "sentence",
    )
}  # fmt: skip


def create_app(settings: Settings | None = None) -> Flask:
    """The web application for one installation (by default the one that the environment names)."""
    settings = settings or load_settings()
    app = APIFlask(
        "web", title="Pilot", version=__version__, spec_path="/api/openapi.json", docs_path=None, json_errors=False
    )
    app.config.update(cookie_settings(settings))
    app.config.update(
        SECRET_KEY=read_or_make_key(settings, "session"),
        MAX_CONTENT_LENGTH=settings.upload_limit_mb * 1_000_000,
        PILOT_SETTINGS=settings,
    )
    app.extensions["pilot_database"] = Database(settings)
    configure_logs(settings)
    csrf = CSRFProtect()
    register_logs(app)
    register_metrics(app)
    register_security(app)
    register_work(app)
    register_language(app)
    register_errors(app)
    register_auth(app)
    csrf.init_app(app)
    pages.register_pages(app, csrf)
    api.register_api(app, csrf)
    app.jinja_env.filters.update(FILTERS, tr=translate, localised=localised, stored=_stored, say=_say)
    app.jinja_env.globals.update(
        navigation=navigation,
        currency=shared.currency,
        timezone=shared.timezone,
        current_stage=plan_view.current_stage,
        metric_anchor=lambda code: library_metric(code).entry.code,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.context_processor
    def about() -> dict[str, Any]:
        today = presenters.day(settings.now().date()) if settings.demo else None
        return {
            "language": current_language(),
            "languages": language_names(),
            "here": here,
            "demo_today": today,
            "version": __version__,
        }

    return app


def _stored(document: dict[str, Any]) -> str:
    """A stored message in the reader's language."""
    return translate(Message.from_dict(document))


def _say(template: str) -> str:
    """A marked text without values in the reader's language."""
    return translate(Message("label", template))
