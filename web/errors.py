"""The one map from errors to HTTP: problem+json for the API, a page for people."""

from typing import Any

import structlog
from flask import Flask, Response, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from experiments.errors import ExperimentError
from pilot import errors as pilot_errors
from pilot.access.errors import NotAuthenticated, TooManyAttempts
from pilot.database import is_disk_full
from pilot.errors import PilotError
from pilot.outcomes.errors import LakeDiskFull
from pilot.outcomes.inbox.errors import InboxIsFull
from pilot.words import N_, translate
from web.words import _
from web.work import roll_back


class FieldUnreadable(pilot_errors.Refused):
    """A field of a form or query that cannot be read as what it should be."""

    code = "field_unreadable"
    template = N_("“{field}” cannot be read: {value!r}. Correct it and send again.")


class FieldMissing(pilot_errors.Refused):
    """A field that must be filled in."""

    code = "field_missing"
    template = N_("“{field}” is empty. Fill it in and send again.")


class AddressUnreadable(FieldUnreadable):
    """Bytes after the question mark that are not UTF-8; werkzeug would fail on them wherever they are first read."""

    code = "address_unreadable"
    template = N_("The address is not percent-encoded UTF-8. Correct it and send again.")


class BodyUnreadable(PilotError):
    """A call whose body or headers cannot be read: HTTP 400."""

    code = "body_unreadable"
    template = N_("The call cannot be read. Correct it and send again.")


class BodyTooLarge(PilotError):
    """HTTP 413."""

    code = "body_too_large"
    template = N_("The body is larger than {limit:,} bytes (after inflation). Send fewer receipts in a call.")


class MediaTypeNotTaken(PilotError):
    """HTTP 415."""

    code = "media_type_not_taken"
    template = N_("The Content-Type “{given}” is not taken. Send application/json or application/x-ndjson in UTF-8.")


class WrongForm(PilotError):
    """JSON that does not have the form that the description gives: HTTP 422."""

    code = "wrong_form"
    template = N_("{place}: {problem} Correct the sending program; nothing of this call was taken.")


class DiskFull(pilot_errors.Misconfigured):
    """HTTP 503 with ``Retry-After``: what a database or the system says when a disk has no room left."""

    code = "disk_full"
    template = N_(
        "A disk of this installation has no room left, so its database takes nothing in. Nothing of this call was "
        "stored: send it again later, and tell the operator that room must be made."
    )


_ROOM_SECONDS = 60  # until somebody is asked again whether there is room

# The first row that fits, from the most particular to the root.
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (pilot_errors.NotFound, 404),
    (NotAuthenticated, 401),
    (TooManyAttempts, 429),
    (InboxIsFull, 429),
    (BodyUnreadable, 400),
    (BodyTooLarge, 413),
    (MediaTypeNotTaken, 415),
    (WrongForm, 422),
    (pilot_errors.NotPermitted, 403),
    (pilot_errors.Misconfigured, 503),
    (FieldUnreadable, 422),
    (FieldMissing, 422),
    (pilot_errors.Refused, 409),
    (PilotError, 409),
    (ExperimentError, 422),
)


def status_of(error: type[Exception]) -> int:
    """The HTTP status of an error of ours."""
    return next(status for kind, status in STATUS if issubclass(error, kind))


def register_errors(app: Flask) -> None:
    """Install the handlers of every kind of failure."""
    app.register_error_handler(PilotError, _ours)
    app.register_error_handler(ExperimentError, _ours)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _ours_to_mend)
    app.before_request(_require_readable_address)


def _require_readable_address() -> None:
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        raise AddressUnreadable from None


def _ours(error: Any) -> ResponseReturnValue:
    status = status_of(type(error))
    answer = _answer(status, error.message.code, translate(error.message))
    if isinstance(error, InboxIsFull):
        return *answer, {"Retry-After": str(error.seconds)}
    if isinstance(error, (DiskFull, LakeDiskFull)):
        return *answer, {"Retry-After": str(_ROOM_SECONDS)}
    return (*answer, {"WWW-Authenticate": "Bearer"}) if status == 401 and _is_api() else answer


def _stale_form(_error: CSRFError) -> tuple[Response | str, int]:
    text = _("This form is too old or came from elsewhere. Go back, load the page again and send it once more.")
    return _answer(400, "stale_form", text)


def _of_http(error: HTTPException) -> ResponseReturnValue:
    texts = {
        401: _("Sign in first."),
        404: _("There is no such page. Perhaps the address is incomplete."),
        405: _("This address does not take this kind of request."),
        413: _("The file is larger than this installation accepts. Split it, or import it on the command line."),
        415: _("This address does not take this kind of content."),
        429: _("Too many attempts. Wait a little and try again."),
    }
    status = error.code or 500
    answer = _answer(status, f"http_{status}", texts.get(status, error.description or error.name))
    allowed = getattr(error, "valid_methods", None)
    return (*answer, {"Allow": ", ".join(sorted(allowed))}) if allowed else answer


def _ours_to_mend(error: Exception) -> ResponseReturnValue:
    if is_disk_full(error):
        structlog.get_logger("web").error("disk full", error=type(error).__name__, route=str(request.url_rule))
        return _ours(DiskFull())
    structlog.get_logger("web").error("failure", exc_info=error, route=str(request.url_rule))
    text = _(
        "Something went wrong on our side. The log knows more under request id %(id)s.", id=g.get("request_id", "?")
    )
    return _answer(500, "failure", text)


def _is_api() -> bool:
    return request.path.startswith("/api/")


def _answer(status: int, code: str, text: str) -> tuple[Response | str, int]:
    roll_back()
    if _is_api():
        response = jsonify({"type": f"urn:pilot:{code}", "title": text, "status": status, "code": code})
        response.content_type = "application/problem+json"
        return response, status
    if "HX-Request" in request.headers:
        return render_template("_refused.html", text=text), status
    return render_template("error.html", status=status, text=text), status
