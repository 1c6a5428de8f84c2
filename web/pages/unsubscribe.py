"""The link at the end of every mail: no more mail of this kind, without signing in. Asking changes nothing."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from pilot.access.model import User
from pilot.notices.errors import UnsubscribeLinkNotValid
from pilot.notices.kinds import MEANINGS, TITLES
from pilot.notices.preferences import read_unsubscribe_token, unsubscribe
from web.work import session, settings

pages = Blueprint("unsubscribe", __name__)


@pages.route("/unsubscribe/<token>", methods=["GET", "POST"])
def confirm(token: str) -> ResponseReturnValue:
    """Ask on GET (programs that look at every link must not turn anything off), do it on POST.

    Mail programs that offer a button of their own send the POST directly (RFC 8058): they have no form of ours, so the
    token alone is the authority, and it can do nothing else.
    """
    user_id, kind = read_unsubscribe_token(settings(), token)
    reader = session().get(User, user_id)
    if reader is None:
        raise UnsubscribeLinkNotValid()
    if request.method == "POST":
        unsubscribe(session(), reader, kind, now=settings().now())
    return render_template(
        "unsubscribe/confirm.html",
        is_done=request.method == "POST",
        title=TITLES[kind],
        meaning=MEANINGS[kind],
        email=reader.email,
    )
