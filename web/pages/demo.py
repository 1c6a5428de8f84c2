"""What is real in the demonstration and what is not."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from pilot.access.permissions import Permission
from web.auth import requires
from web.work import settings

pages = Blueprint("demo", __name__, url_prefix="/demonstration")


@pages.get("/")
@requires(Permission.HOME)
def show() -> ResponseReturnValue:
    if not settings().demo:
        raise NotFound
    return render_template("demo/show.html")
