"""The assumptions behind an offer's break-even, in the address of its page: read, checked, and put back into fields."""

from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from babel.numbers import get_currency_precision
from flask import request

from pilot.planning.spending import OfferPast
from pilot.programs.economics import Assumptions
from pilot.programs.mechanics import Mechanic, spec_of
from pilot.programs.model import Offer
from web.errors import FieldUnreadable
from web.shared import currency
from web.words import _

_USUAL = Assumptions()
_PER_CUSTOMER = (
    Mechanic.PRIVILEGED_TERMS, Mechanic.CLOSED_ACCESS, Mechanic.CLUB_MEMBERSHIP, Mechanic.SERVICE_STANDARD,
)  # fmt: skip
_NEEDS_SPEND = (*_PER_CUSTOMER, Mechanic.GIFT_OR_DRAW)
_HORIZON_WEEKS = 52
_MOST_WEEKS = 260
_MOST_MINOR = 10**15


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form with what the address holds, else with what is usual."""

    name: str
    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Once:
    """What is paid once and the sales over the weeks that it is spread over; None where one of them is not said."""

    minor: int
    sales_minor: int


def fields(offer: Offer) -> list[Field]:
    """The assumptions that matter for this mechanic."""
    mechanic, unit = Mechanic(offer.mechanic), currency()
    rows = [
        Field(
            "margin",
            _percent(_("Profit margin")),
            "",
            _("What is left of net sales after the goods, before any reward."),
        ),
    ]
    if spec_of(mechanic).shows_card:
        rows.append(Field("enrolment", _percent(_("Share of sales under the offer")), "100"))
    if mechanic is Mechanic.CUMULATIVE_BONUS:
        rows += [
            Field("redemption_low", _percent(_("Points redeemed, at least")), _hundred(_USUAL.redemption_low)),
            Field("redemption", _percent(_("Points redeemed")), _hundred(_USUAL.redemption_share)),
            Field("redemption_high", _percent(_("Points redeemed, at most")), _hundred(_USUAL.redemption_high)),
        ]
    if mechanic in _PER_CUSTOMER:
        rows.append(
            Field(
                "benefit",
                _("Cost of the benefit per customer and 28 days (%(unit)s)", unit=unit),
                "",
                _("The terms do not say it. Write 0 where it costs nothing."),
            )
        )
    if mechanic in _NEEDS_SPEND:
        rows.append(Field("spend", _("What such a customer spends in 28 days (%(unit)s)", unit=unit), ""))
    if mechanic is Mechanic.GIFT_OR_DRAW:
        rows.append(Field("weeks", _("Weeks that it runs"), str(_USUAL.stage_weeks)))
    left_out = _("Left out where empty.")
    rows += [
        Field("once", _("Set-up and other costs paid once (%(unit)s)", unit=unit), "", left_out),
        Field("sales", _("Sales a week of the stores that will have it (%(unit)s)", unit=unit), "", left_out),
        Field("horizon", _("Weeks that costs paid once are spread over"), str(_HORIZON_WEEKS)),
    ]
    return [replace(row, value=request.args.get(row.name, row.value)) for row in rows]


def assumptions(offer: Offer, past: OfferPast | None) -> Assumptions:
    """What the address says, and of the ``past`` what it does not. Raises ``FieldUnreadable``."""
    label = {field.name: field.label for field in fields(offer)}
    found = Assumptions(
        margin_share=_share("margin", label),
        enrolment_share=_or(_share("enrolment", label), _USUAL.enrolment_share),
        redemption_share=_or(_share("redemption", label), _USUAL.redemption_share),
        redemption_low=_or(_share("redemption_low", label), _USUAL.redemption_low),
        redemption_high=_or(_share("redemption_high", label), _USUAL.redemption_high),
        benefit_minor=_amount("benefit", label) or 0,
        spend_minor=_amount("spend", label),
        stage_weeks=_weeks("weeks", label, _USUAL.stage_weeks),
    )
    if not found.redemption_low <= found.redemption_share <= found.redemption_high:
        raise FieldUnreadable(field=label["redemption"], value=request.args.get("redemption", ""))
    if past is None:
        return found
    return replace(
        found,
        margin_share=found.margin_share if found.margin_share is not None else past.margin_share,
        sales_shares=past.sales_shares,
        spend_minor=found.spend_minor or past.spend_minor,
    )


def benefit_is_unsaid(offer: Offer) -> bool:
    """Whether the offer's cost is that of a benefit, and nobody has said what it is."""
    return Mechanic(offer.mechanic) in _PER_CUSTOMER and not request.args.get("benefit", "").strip()


def paid_once(offer: Offer) -> Once | None:
    """Costs that are paid once, where they and the sales that carry them are said. Raises ``FieldUnreadable``."""
    label = {field.name: field.label for field in fields(offer)}
    minor, weekly = _amount("once", label), _amount("sales", label)
    weeks = _weeks("horizon", label, _HORIZON_WEEKS)
    return Once(minor or 0, weekly * weeks) if weekly else None


def _percent(label: str) -> str:
    return f"{label} (%)"


def _hundred(value: Decimal) -> str:
    return format((value * 100).normalize(), "f")


def _or(value: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if value is None else value


def _share(name: str, label: dict[str, str]) -> Decimal | None:
    found = _number(name, label, most=100)
    return None if found is None else found / 100


def _amount(name: str, label: dict[str, str]) -> int | None:
    scale = 10 ** get_currency_precision(currency())
    found = _number(name, label, most=_MOST_MINOR // scale)
    return None if found is None else int(found * scale)


def _weeks(name: str, label: dict[str, str], usual: int) -> int:
    found = _number(name, label, most=_MOST_WEEKS)
    if found is None:
        return usual
    if found < 1 or found != found.to_integral_value():
        raise FieldUnreadable(field=label.get(name, name), value=request.args[name][:80])
    return int(found)


def _number(name: str, label: dict[str, str], *, most: int) -> Decimal | None:
    """A number from 0 to ``most``, a comma read as the decimal mark; None where the field is empty."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        found = Decimal(text.replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or not 0 <= found <= most:
        raise FieldUnreadable(field=label.get(name, name), value=text[:80])
    return found
