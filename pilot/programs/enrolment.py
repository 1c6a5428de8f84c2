"""Enrolment conditions of an offer: what a shopper must do and tell before the offer is theirs."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from pilot.programs.errors import InvalidEnrolment, first_problem
from pilot.words import N_, Message


class FormField(StrEnum):
    """What the enrolment form may ask for."""

    NAME = "name"
    PHONE = "phone"
    EMAIL = "email"
    BIRTHDAY = "birthday"
    HOUSEHOLD = "household"


FORM_FIELD_LABELS = {
    FormField.NAME: Message("form_field_name", N_("Name")),
    FormField.PHONE: Message("form_field_phone", N_("Phone number")),
    FormField.EMAIL: Message("form_field_email", N_("E-mail address")),
    FormField.BIRTHDAY: Message("form_field_birthday", N_("Birthday")),
    FormField.HOUSEHOLD: Message("form_field_household", N_("Household size and children")),
}


def _without_repeats(fields: tuple[FormField, ...]) -> tuple[FormField, ...]:
    if len(set(fields)) != len(fields):
        raise ValueError(N_("each field at most once"))
    return tuple(field for field in FormField if field in fields)


class Enrolment(BaseModel):
    """The conditions. ``form_fields`` is kept in the order of the form, whatever order it was given in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    purchase_required: bool = False
    form_fields: Annotated[tuple[FormField, ...], AfterValidator(_without_repeats)] = ()

    def to_document(self) -> dict[str, Any]:
        """The stored form: JSON-able, the same for the same conditions."""
        return self.model_dump(mode="json")

    def advice(self) -> tuple[Message, ...]:
        """What experience says against these conditions; never a refusal, for they may be what is being tested."""
        found = []
        if self.purchase_required:
            found.append(
                Message("advice_purchase_first", N_("Demanding a purchase first keeps people from enrolling."))
            )
        if self.form_fields and not {FormField.PHONE, FormField.EMAIL} & set(self.form_fields):
            found.append(
                Message(
                    "advice_no_contact", N_("Without a phone number or e-mail address nobody can be reached later.")
                )
            )
        return tuple(found)


def read_enrolment(document: dict[str, Any]) -> Enrolment:
    """The conditions in ``document``; ``InvalidEnrolment`` names the first thing that is wrong."""
    try:
        return Enrolment.model_validate(document)
    except ValidationError as error:
        where, problem = first_problem(error)
        raise InvalidEnrolment(field=where, problem=problem) from None
