"""One request, one unit of work: reading for safe methods, one transaction for the others, opened when first needed."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, cast

from flask import Flask, Response, current_app, g, request
from sqlalchemy.orm import Session

from pilot.database import Database
from pilot.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class _RollBack(Exception):
    """Ends a unit of work without keeping it."""


def settings() -> Settings:
    """The settings that this application was created with."""
    return cast("Settings", current_app.config["PILOT_SETTINGS"])


def database() -> Database:
    """The database of this process."""
    return cast("Database", current_app.extensions["pilot_database"])


def session() -> Session:
    """The session of this request; a write transaction where the method may change something."""
    if "work" not in g:
        stack = ExitStack()
        writes = request.method not in SAFE_METHODS and not g.get("only_reading", False)
        g.session = stack.enter_context(database().unit_of_work() if writes else database().reading())
        g.work = stack
    return cast("Session", g.session)


def roll_back() -> None:
    """Forget what this request changed; a page drawn afterwards reads from a fresh session."""
    g.only_reading = True
    work: ExitStack | None = g.pop("work", None)
    if work is None:
        return
    _forget_what_was_read()
    try:
        raise _RollBack
    except _RollBack:
        with suppress(_RollBack):
            work.__exit__(*sys.exc_info())


@contextmanager
def before_the_transaction() -> Iterator[Session]:
    """A session that only reads, for what takes long; the request's own transaction begins anew after it."""
    roll_back()
    with database().reading() as opened:
        yield opened
    g.only_reading = False


def _forget_what_was_read() -> None:
    cast("Session", g.session).expunge_all()  # what was loaded stays readable, and nothing of it is written
    for name in ("_login_user", "network"):  # read again when asked for: the first is flask-login's own
        g.pop(name, None)


def keep() -> None:
    """Commit now, for the rare view that must speak to the queue after its change is visible."""
    work: ExitStack | None = g.pop("work", None)
    if work is not None:
        work.close()


def register_work(app: Flask) -> None:
    """Commit after a response below 400, roll back otherwise."""

    @app.after_request
    def finish(response: Response) -> Response:
        if response.status_code < 400:
            keep()
        else:
            roll_back()
        return response

    @app.teardown_request
    def abandon(_error: Any) -> None:
        roll_back()
