"""The API of tills and systems: keys instead of sessions, problem+json instead of pages, described by OpenAPI."""

from typing import Any

from apiflask import APIFlask
from flask_wtf import CSRFProtect

from pilot.outcomes.inbox.accept import Reception
from pilot.outcomes.inbox.database import InboxDatabase
from web.api import assignments, batches, bundle, receipts
from web.api.description import complete


def register_api(app: APIFlask, csrf: CSRFProtect) -> None:
    """Put the API on the application; requests carry a key and no cookie, so they need no CSRF token."""
    settings = app.config["PILOT_SETTINGS"]
    app.extensions["pilot_reception"] = Reception(settings, InboxDatabase(settings))
    for blueprint in (assignments.api, bundle.api, receipts.api, batches.api):
        app.register_blueprint(blueprint)
        csrf.exempt(blueprint)
    app.security_schemes = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key made by an administrator"}
    }

    @app.spec_processor
    def describe(spec: dict[str, Any] | str) -> dict[str, Any] | str:
        if isinstance(spec, str):  # the YAML form, which is not served
            return spec
        return complete(spec, app)
