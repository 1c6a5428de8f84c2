"""The rules of programs that can be broken, one error each."""

from pydantic import ValidationError

from pilot.errors import Refused
from pilot.words import N_, Message


class InvalidTerms(Refused):
    code = "invalid_terms"
    template = N_("The terms of “{mechanic}” cannot be used: {field}: {problem}.")


class InvalidEnrolment(Refused):
    code = "invalid_enrolment"
    template = N_("The enrolment conditions cannot be used: {field}: {problem}.")


class UnknownMechanic(Refused):
    code = "unknown_mechanic"
    template = N_("There is no mechanic “{mechanic}”. The catalogue has: {known}.")


class CodeTaken(Refused):
    code = "code_taken"
    template = N_("The code “{name}” is taken; choose another.")


class InvalidCode(Refused):
    code = "invalid_code"
    template = N_("“{name}” cannot be a code: use 1 to 36 small letters, digits, “-” and “_”, beginning with a letter.")


class NameMissing(Refused):
    code = "name_missing"
    template = N_("“{code}” needs a name that people can read.")


class ControlHasNoOffer(Refused):
    code = "control_has_no_offer"
    template = N_("The variant “control” gives nothing: offers belong to the other variants.")


class UnknownSegment(Refused):
    code = "unknown_segment"
    template = N_("There is no segment “{segment}”. Known segments: {known}.")


class OneForAllOrOnePerSegment(Refused):
    code = "one_for_all_or_one_per_segment"
    template = N_(
        "Variant “{variant}” holds one offer for all customers or one per segment, not both: remove “{other}” first."
    )


class SpendUnknown(Refused):
    code = "spend_unknown"
    template = N_(
        "The cost per customer cannot be set against sales: say how much a customer under the offer spends in 28 days."
    )


class MarginUnknown(Refused):
    code = "margin_unknown"
    template = N_("No lift can be reckoned without a margin: state the margin as a share of net sales.")


_PROBLEMS = {
    "missing": N_("is missing"),
    "extra_forbidden": N_("is not a term of it"),
    "greater_than": N_("must be more than {gt}"),
    "greater_than_equal": N_("must be at least {ge}"),
    "less_than": N_("must be less than {lt}"),
    "less_than_equal": N_("must be at most {le}"),
    "too_short": N_("needs at least {min_length}"),
    "string_too_short": N_("must not be empty"),
    "string_too_long": N_("is longer than {max_length} characters"),
    "enum": N_("must be one of {expected}"),
    "bool_parsing": N_("must be yes or no"),
    "bool_type": N_("must be yes or no"),
}


def first_problem(error: ValidationError) -> tuple[str, Message]:
    """Where the first problem is (dotted path) and what it is, in our words, never in the library's."""
    found = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in found["loc"]) or "terms"
    values = {name: str(value) for name, value in found.get("ctx", {}).items()}
    if found["type"] == "value_error":  # a rule of ours: it raised a marked text, or a message
        said = found["ctx"]["error"].args[0]
        return where, said if isinstance(said, Message) else Message("problem", said)
    template = _PROBLEMS.get(found["type"], N_("is not of the right kind"))
    return where, Message("problem", template, values)
