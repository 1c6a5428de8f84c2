"""The methods: how each number is estimated, what it assumes and what goes wrong, page by page."""

from flask import Blueprint, abort, render_template, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from web.auth import requires
from web.methods import INDEX, method_page

pages = Blueprint("methods", __name__, url_prefix="/methods")


@pages.get("/")
@requires(Permission.PROGRAM_VIEW)
def show_all() -> ResponseReturnValue:
    """The list of all pages."""
    return _page(INDEX)


@pages.get("/<name>")
@requires(Permission.PROGRAM_VIEW)
def show(name: str) -> ResponseReturnValue:
    """One page."""
    return _page(name)


def _page(name: str) -> str:
    found = method_page(name, _address)
    if found is None:
        abort(404)
    return render_template("methods/show.html", found=found, is_list=name == INDEX)


def _address(name: str) -> str:
    return url_for("methods.show_all") if name == INDEX else url_for("methods.show", name=name)
