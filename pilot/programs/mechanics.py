"""The catalogue of ten mechanics: what each is, its typed terms, and how its terms are put on a form and into words."""

from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError

from pilot.programs import terms as t
from pilot.programs.errors import InvalidTerms, UnknownMechanic, first_problem
from pilot.words import N_, Message


class Mechanic(StrEnum):
    FIXED_DISCOUNT = "fixed_discount"
    PERSONAL_CARD = "personal_card"
    TIER_CARD = "tier_card"
    PROGRESSIVE_SCALE = "progressive_scale"
    CUMULATIVE_BONUS = "cumulative_bonus"
    PRIVILEGED_TERMS = "privileged_terms"
    GIFT_OR_DRAW = "gift_or_draw"
    CLOSED_ACCESS = "closed_access"
    CLUB_MEMBERSHIP = "club_membership"
    SERVICE_STANDARD = "service_standard"


@dataclass(frozen=True, slots=True)
class MechanicSpec:
    """One entry of the catalogue. ``shows_card``: it is given only to who shows a card or phone number."""

    mechanic: Mechanic
    title: Message
    summary: Message
    terms: type[t.Terms]
    shows_card: bool


def _spec(
    mechanic: Mechanic, title: str, summary: str, terms: type[t.Terms], *, shows_card: bool = True
) -> MechanicSpec:
    return MechanicSpec(
        mechanic,
        Message(f"mechanic_{mechanic}", title),
        Message(f"mechanic_{mechanic}_summary", summary),
        terms,
        shows_card,
    )


CATALOGUE: dict[Mechanic, MechanicSpec] = {
    spec.mechanic: spec
    for spec in (
        _spec(
            Mechanic.FIXED_DISCOUNT,
            N_("Fixed discount"),
            N_("The same share off for everybody, without a card."),
            t.FixedDiscount,
            shows_card=False,
        ),
        _spec(
            Mechanic.PERSONAL_CARD,
            N_("Personal card"),
            N_("A share off for whoever shows their own card or phone number."),
            t.PersonalCard,
        ),
        _spec(
            Mechanic.TIER_CARD,
            N_("Tier card"),
            N_("Silver, gold, platinum: the more is spent in a period, the higher the discount."),
            t.TierCard,
        ),
        _spec(
            Mechanic.PROGRESSIVE_SCALE,
            N_("Progressive scale"),
            N_("The bigger the basket, the higher the discount on it."),
            t.ProgressiveScale,
        ),
        _spec(
            Mechanic.CUMULATIVE_BONUS,
            N_("Cumulative bonus"),
            N_("Points: a share of every purchase comes back and pays for part of a later one."),
            t.CumulativeBonus,
        ),
        _spec(
            Mechanic.PRIVILEGED_TERMS,
            N_("Privileged terms"),
            N_("Better conditions instead of a discount: delivery, returns, early access."),
            t.PrivilegedTerms,
        ),
        _spec(
            Mechanic.GIFT_OR_DRAW,
            N_("Gift or draw"),
            N_("A gift for everybody who qualifies, or prizes drawn among them."),
            t.GiftOrDraw,
        ),
        _spec(
            Mechanic.CLOSED_ACCESS,
            N_("Closed access"),
            N_("Sales and events that open to members before others."),
            t.ClosedAccess,
        ),
        _spec(
            Mechanic.CLUB_MEMBERSHIP,
            N_("Club membership"),
            N_("Membership, with or without a fee, and what it brings."),
            t.ClubMembership,
        ),
        _spec(
            Mechanic.SERVICE_STANDARD,
            N_("Service standard"),
            N_("Plain reliable service without any discount: promises that are kept."),
            t.ServiceStandard,
            shows_card=False,
        ),
    )
}


class TermKind(StrEnum):
    """How a term is shown and entered; presenters format by it."""

    SHARE = "share"
    MONEY = "money"
    DAYS = "days"
    COUNT = "count"
    WORDS = "words"
    CHOICE = "choice"
    CHOICES = "choices"
    WORD_LIST = "word_list"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class TermField:
    """One field of a terms form. ``choices`` for a choice, ``columns`` for rows."""

    name: str
    label: Message
    kind: TermKind
    is_optional: bool
    choices: tuple[str, ...] = ()
    columns: tuple["TermField", ...] = ()


@dataclass(frozen=True, slots=True)
class TermLine:
    """One term: its label, its value (decimal share, minor units, days, text, rows of lines) and how to format it."""

    label: Message
    kind: TermKind
    value: Any


_LABELS: dict[str, tuple[str, TermKind]] = {
    "discount_share": (N_("Discount"), TermKind.SHARE),
    "earn_share": (N_("Comes back as bonus"), TermKind.SHARE),
    "redeem_share": (N_("Of a basket payable with bonus, at most"), TermKind.SHARE),
    "kept_share": (N_("Kept in"), TermKind.SHARE),
    "from_spend_minor": (N_("From spending in the period"), TermKind.MONEY),
    "from_basket_minor": (N_("From a basket of"), TermKind.MONEY),
    "qualifying_spend_minor": (N_("Spending that qualifies"), TermKind.MONEY),
    "prize_cost_minor": (N_("Cost of a prize"), TermKind.MONEY),
    "fee_minor": (N_("Fee for a period"), TermKind.MONEY),
    "valid_days": (N_("Valid for"), TermKind.DAYS),
    "period_days": (N_("Period"), TermKind.DAYS),
    "expires_after_days": (N_("Bonus expires after"), TermKind.DAYS),
    "opens_days_before": (N_("Opens before others by"), TermKind.DAYS),
    "prizes": (N_("Number of prizes"), TermKind.COUNT),
    "name": (N_("Name"), TermKind.WORDS),
    "prize": (N_("Prize"), TermKind.WORDS),
    "what": (N_("What"), TermKind.WORDS),
    "prize_kind": (N_("Gift or draw"), TermKind.CHOICE),
    "privileges": (N_("Privileges"), TermKind.CHOICES),
    "benefits": (N_("Benefits"), TermKind.WORD_LIST),
    "tiers": (N_("Tiers"), TermKind.ROWS),
    "steps": (N_("Steps"), TermKind.ROWS),
    "promises": (N_("Promises"), TermKind.ROWS),
}

CHOICE_LABELS: dict[str, Message] = {
    t.PrizeKind.GIFT: Message("prize_gift", N_("A gift for everybody who qualifies")),
    t.PrizeKind.DRAW: Message("prize_draw", N_("Prizes drawn among those who qualify")),
    t.Privilege.FREE_DELIVERY: Message("privilege_free_delivery", N_("Free delivery")),
    t.Privilege.EARLY_ACCESS: Message("privilege_early_access", N_("Early access to sales")),
    t.Privilege.LONGER_RETURNS: Message("privilege_longer_returns", N_("Longer time for returns")),
    t.Privilege.PRIORITY_SERVICE: Message("privilege_priority_service", N_("Service without queueing")),
    t.Privilege.FREE_PARKING: Message("privilege_free_parking", N_("Free parking")),
}


def spec_of(mechanic: str) -> MechanicSpec:
    """The catalogue's entry; ``UnknownMechanic`` where there is none."""
    if mechanic not in set(Mechanic):
        raise UnknownMechanic(mechanic=mechanic, known=", ".join(Mechanic))
    return CATALOGUE[Mechanic(mechanic)]


def read_terms(mechanic: str, document: dict[str, Any]) -> t.Terms:
    """The typed terms in ``document``; ``InvalidTerms`` names the first field that is wrong and what would do."""
    spec = spec_of(mechanic)
    try:
        return spec.terms.model_validate(document)
    except ValidationError as error:
        where, problem = first_problem(error)
        raise InvalidTerms(mechanic=spec.mechanic.value, field=where, problem=problem) from None


def term_fields(mechanic: str) -> tuple[TermField, ...]:
    """The fields of a form for this mechanic's terms, in order."""
    return _fields(spec_of(mechanic).terms)


def term_lines(mechanic: str, document: dict[str, Any]) -> tuple[TermLine, ...]:
    """Stored terms as labelled values; terms that were left open are left out."""
    return _lines(read_terms(mechanic, document))


def _lines(terms: t.Terms) -> tuple[TermLine, ...]:
    found = []
    for field in _fields(type(terms)):
        value = getattr(terms, field.name)
        if field.kind is TermKind.ROWS:
            value = tuple(_lines(row) for row in value)
        if value is not None:
            found.append(TermLine(field.label, field.kind, value))
    return tuple(found)


def _fields(terms: type[t.Terms]) -> tuple[TermField, ...]:
    return tuple(_field(name, info.annotation, info.is_required()) for name, info in terms.model_fields.items())


def _field(name: str, annotation: Any, is_required: bool) -> TermField:
    label, kind = _LABELS[name]
    inner = _innermost(annotation)
    return TermField(
        name,
        Message(f"term_{name}", label),
        kind,
        not is_required,
        tuple(inner) if isinstance(inner, type) and issubclass(inner, StrEnum) else (),
        _fields(inner) if isinstance(inner, type) and issubclass(inner, t.Terms) else (),
    )


def _innermost(annotation: Any) -> Any:
    """``X`` of ``Annotated[X, …]``, ``X | None`` and ``tuple[X, ...]``, however they are nested."""
    while get_origin(annotation) in (Annotated, UnionType, tuple):
        annotation = get_args(annotation)[0]
    return annotation
