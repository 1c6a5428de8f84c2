"""Programs: the catalogue of mechanics, variants, and the offer that each segment gets."""

import re
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from pilot.access.permissions import Permission
from pilot.errors import NotFound, PilotError
from pilot.network.model import Segment
from pilot.planning import queries as planning
from pilot.programs import queries, service
from pilot.programs.economics import FORMULAS_IN_WORDS
from pilot.programs.enrolment import FORM_FIELD_LABELS, read_enrolment
from pilot.programs.mechanics import CATALOGUE, Mechanic, spec_of
from pilot.programs.model import Offer, Program, Variant
from pilot.words import translate
from web import forms, terms
from web.auth import actor, requires
from web.errors import status_of
from web.shared import currency
from web.words import _
from web.work import roll_back, session, settings

pages = Blueprint("programs", __name__, url_prefix="/programs")


def code_from(name: str) -> str:
    """A code that a name suggests: small letters, digits and dashes, beginning with a letter."""
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    return found if found[:1].isalpha() else f"p-{found}"[:60].rstrip("-")


@pages.get("/")
@requires(Permission.PROGRAM_VIEW)
def show_all() -> ResponseReturnValue:
    return render_template(
        "programs/show_all.html",
        programs=queries.programs(session()),
        catalogue=CATALOGUE.values(),
        formulas=FORMULAS_IN_WORDS,
    )


@pages.route("/new", methods=["GET", "POST"])
@requires(Permission.PROGRAM_CREATE)
def create() -> ResponseReturnValue:
    """A new program with its control."""
    if request.method == "GET":
        return render_template("programs/create.html", error=None, form={})
    try:
        name = forms.text("name", _("Name"))
        code, about = code_from(name), forms.text("description", _("Description"), required=False)
        service.create_program(session(), code=code, name=name, description=about, actor=actor(), now=settings().now())
    except PilotError as error:
        return _again("programs/create.html", error)
    flash(_("The program is there, with a control. Add what the others receive."), "success")
    return redirect(url_for("programs.show", program=code))


@pages.get("/<program>")
@requires(Permission.PROGRAM_VIEW, of="program")
def show(program: Program) -> ResponseReturnValue:
    return _page(program)


@pages.post("/<program>/variants")
@requires(Permission.PROGRAM_EDIT, of="program")
def add_variant(program: Program) -> ResponseReturnValue:
    """One more variant; its offer comes next."""
    code_of_program = program.code
    try:
        name = forms.text("name", _("Name"))
        service.add_variant(session(), program, code=code_from(name), name=name, actor=actor(), now=settings().now())
    except PilotError as error:
        roll_back()
        return _page(queries.program(session(), code_of_program), translate(error.message)), status_of(type(error))
    return redirect(url_for("programs.choose_mechanic", program=code_of_program, variant=code_from(name)))


@pages.get("/<program>/<variant>/offer")
@requires(Permission.PROGRAM_EDIT, of="program")
def choose_mechanic(program: Program, variant: str) -> ResponseReturnValue:
    """The catalogue: which mechanic the offer is."""
    return render_template(
        "programs/mechanics.html",
        program=program,
        variant=_variant(program, variant),
        catalogue=CATALOGUE.values(),
        formulas=FORMULAS_IN_WORDS,
    )


@pages.route("/<program>/<variant>/offer/<mechanic>", methods=["GET", "POST"])
@requires(Permission.PROGRAM_EDIT, of="program")
def set_offer(program: Program, variant: str, mechanic: str) -> ResponseReturnValue:
    """The terms and enrolment conditions of an offer, for one segment or for all."""
    spec, found, code_of_program = spec_of(mechanic), _variant(program, variant), program.code
    if request.method == "GET":
        return _offer_page(program, found, spec.mechanic, _stored(found, mechanic, request.args.get("segment")))
    try:
        service.set_offer(
            session(),
            found,
            segment_code=forms.optional("segment"),
            name=forms.text("name", _("Name")),
            mechanic=mechanic,
            terms=terms.read(mechanic, request.form, currency()),
            enrolment={
                "purchase_required": forms.ticked("purchase_required"),
                "form_fields": forms.several("form_fields"),
            },
            actor=actor(),
            now=settings().now(),
        )
    except PilotError as error:
        roll_back()
        program = queries.program(session(), code_of_program)
        page = _offer_page(program, _variant(program, variant), spec.mechanic, request.form, translate(error.message))
        return page, status_of(type(error))
    flash(_("The offer is saved."), "success")
    return redirect(url_for("programs.show", program=code_of_program))


@pages.post("/<program>/offers/<offer>/remove")
@requires(Permission.PROGRAM_EDIT, of="program")
def remove_offer(program: Program, offer: str) -> ResponseReturnValue:
    """Take one offer away from the program."""
    found = queries.offer(session(), offer)
    if found.variant.program_id != program.id:
        raise NotFound(kind="offer", name=offer)
    service.remove_offer(session(), found, actor=actor(), now=settings().now())
    flash(_("The offer is removed."), "success")
    return redirect(url_for("programs.show", program=program.code))


def _variant(program: Program, code: str) -> Variant:
    found = next((one for one in program.variants if one.code == code), None)
    if found is None:
        raise NotFound(kind="variant", name=code)
    return found


def _stored(variant: Variant, mechanic: str, segment: str | None) -> dict[str, Any]:
    offer = next((one for one in variant.offers if one.segment_code == (segment or None)), None)
    if offer is None or offer.mechanic != mechanic:
        return {"segment": segment or "", "name": ""}
    return {"segment": segment or "", "name": offer.name, "terms": offer.terms, **offer.enrolment}


def _page(program: Program, error: str | None = None) -> str:
    offers = [_described(offer) for variant in program.variants for offer in variant.offers]
    tried = [pilot for pilot in planning.pilots(session()) if pilot.program_id == program.id]
    return render_template(
        "programs/show.html", program=program, offers=offers, segments=_segment_names(), tried=tried, error=error
    )


def _described(offer: Offer) -> dict[str, Any]:
    enrolment = read_enrolment(offer.enrolment)
    return {
        "offer": offer,
        "mechanic": spec_of(offer.mechanic).title,
        "lines": terms.lines(offer.mechanic, offer.terms, currency()),
        "purchase_required": enrolment.purchase_required,
        "form_fields": [translate(FORM_FIELD_LABELS[field]) for field in enrolment.form_fields],
        "advice": enrolment.advice(),
    }


def _segment_names() -> dict[str, str]:
    return {one.code: one.name for one in session().scalars(select(Segment).order_by(Segment.position))}


def _offer_page(program: Program, variant: Variant, mechanic: Mechanic, form: Any, error: str | None = None) -> str:
    kept = form if "terms" in form else {"terms": {}, **form}
    return render_template(
        "programs/offer.html",
        program=program,
        variant=variant,
        spec=spec_of(mechanic),
        inputs=terms.inputs(mechanic, kept["terms"], currency()),
        form=form,
        fields=[(field.value, translate(label)) for field, label in FORM_FIELD_LABELS.items()],
        segments=[("", _("All customers")), *_segment_names().items()],
        error=error,
    )


def _again(template: str, error: PilotError) -> ResponseReturnValue:
    roll_back()
    return render_template(template, error=translate(error.message), form=request.form), status_of(type(error))
