"""Segments: named rules over what is known of customers, in the order in which they are tried."""

from collections import Counter

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from pilot.access.permissions import Permission
from pilot.errors import PilotError
from pilot.network import queries, service
from pilot.network.model import Segment
from pilot.network.segments import segments, segments_of_all
from pilot.words import translate
from web import forms, segment_form
from web.auth import actor, requires
from web.errors import status_of
from web.pages.programs import code_from
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("segments", __name__, url_prefix="/segments")


@pages.get("/")
@requires(Permission.NETWORK_VIEW)
def show_all() -> ResponseReturnValue:
    """Each segment in words, with how many customers it has."""
    found = segments(session())
    counts = Counter(segments_of_all(session()).values())
    rows = [{"segment": one, "words": segment_form.in_words(one.rule), "n": counts[one.code]} for one in found]
    n_rest = queries.n_customers(session()) - counts.total()
    return render_template("segments/show_all.html", rows=rows, n_rest=n_rest)


@pages.route("/new", methods=["GET", "POST"])
@requires(Permission.SEGMENT_EDIT)
def create() -> ResponseReturnValue:
    """A new segment, at the end of the order unless said otherwise."""
    return _page(None) if request.method == "GET" else _save(None)


@pages.route("/<segment>", methods=["GET", "POST"])
@requires(Permission.SEGMENT_EDIT, of="segment")
def edit(segment: Segment) -> ResponseReturnValue:
    return _page(segment) if request.method == "GET" else _save(segment)


@pages.post("/<segment>/remove")
@requires(Permission.SEGMENT_EDIT, of="segment")
def remove(segment: Segment) -> ResponseReturnValue:
    service.delete_segment(session(), segment.code, actor=actor(), now=settings().now())
    flash(_("The segment is removed."), "success")
    return redirect(url_for("segments.show_all"))


def _save(segment: Segment | None) -> ResponseReturnValue:
    try:
        name = forms.text("name", _("Name"))
        service.save_segment(
            session(),
            segment.code if segment else code_from(name),
            name=name,
            position=forms.integer("position", _("Place in the order")),
            rule=segment_form.read(request.form),
            actor=actor(),
            now=settings().now(),
        )
    except PilotError as error:
        roll_back()
        return _page(segment, translate(error.message)), status_of(type(error))
    flash(_("The segment is saved."), "success")
    return redirect(url_for("segments.show_all"))


def _page(segment: Segment | None, error: str | None = None) -> str:
    position = segment.position if segment else 1 + max((one.position for one in segments(session())), default=0)
    given = {"name": segment.name if segment else "", "position": position}
    return render_template(
        "segments/edit.html",
        segment=segment,
        form={**given, **request.form.to_dict()},
        rule=segment_form.shown(segment.rule if segment else {"all": []}),
        attributes=list(queries.attribute_values(session())),
        error=error,
    )
