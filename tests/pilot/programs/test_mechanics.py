"""The catalogue: ten mechanics, each with terms that are valid from birth and can be put on a form and into words."""

from decimal import Decimal
from typing import Any

import pytest

from pilot.canonical import canonical_text
from pilot.programs.enrolment import FormField, read_enrolment
from pilot.programs.errors import InvalidEnrolment, InvalidTerms, UnknownMechanic
from pilot.programs.mechanics import CATALOGUE, Mechanic, TermKind, read_terms, term_fields, term_lines

VALID: dict[str, dict[str, Any]] = {
    "fixed_discount": {"discount_share": "0.05"},
    "personal_card": {"discount_share": "0.03", "valid_days": 365},
    "tier_card": {
        "tiers": [
            {"name": "Silver", "from_spend_minor": 0, "discount_share": "0.02"},
            {"name": "Gold", "from_spend_minor": 50000, "discount_share": "0.05"},
        ],
        "period_days": 365,
    },
    "progressive_scale": {"steps": [{"from_basket_minor": 2000, "discount_share": "0.03"}]},
    "cumulative_bonus": {"earn_share": "0.02", "redeem_share": "0.5", "expires_after_days": 180},
    "privileged_terms": {"privileges": ["free_delivery", "early_access"]},
    "gift_or_draw": {
        "prize_kind": "draw",
        "prize": "A bicycle",
        "qualifying_spend_minor": 3000,
        "prize_cost_minor": 40000,
        "prizes": 5,
    },
    "closed_access": {"what": "Autumn sale", "opens_days_before": 2},
    "club_membership": {"benefits": ["A tasting a month"], "fee_minor": 0, "period_days": 365},
    "service_standard": {"promises": [{"what": "No more than three people at a till", "kept_share": "0.95"}]},
}


def test_the_catalogue_has_the_ten_mechanics() -> None:
    assert set(VALID) == set(Mechanic) == set(CATALOGUE)
    assert len(CATALOGUE) == 10


@pytest.mark.parametrize("mechanic", VALID)
def test_valid_terms_survive_storage_and_have_a_canonical_form(mechanic: str) -> None:
    terms = read_terms(mechanic, VALID[mechanic])
    stored = terms.to_document()
    canonical_text(stored)
    assert read_terms(mechanic, stored) == terms
    assert read_terms(mechanic, stored).to_document() == stored


@pytest.mark.parametrize("mechanic", VALID)
def test_every_term_has_a_form_field_and_a_line_in_words(mechanic: str) -> None:
    fields = {field.name for field in term_fields(mechanic)}
    assert fields >= set(VALID[mechanic])
    assert len(term_lines(mechanic, VALID[mechanic])) >= len(VALID[mechanic])


@pytest.mark.parametrize("mechanic", VALID)
def test_every_required_term_is_asked_for_by_name(mechanic: str) -> None:
    for field in term_fields(mechanic):
        if not field.is_optional:
            rest = {name: value for name, value in VALID[mechanic].items() if name != field.name}
            with pytest.raises(InvalidTerms, match=f"{field.name}: is missing"):
                read_terms(mechanic, rest)


@pytest.mark.parametrize(
    ("mechanic", "change", "says"),
    [
        ("fixed_discount", {"discount_share": 0.05}, "decimal number written as text"),
        ("fixed_discount", {"discount_share": "1.5"}, "at most 1"),
        ("fixed_discount", {"discount_share": "0"}, "more than 0"),
        ("fixed_discount", {"discount_share": "NaN"}, "is not a number"),
        ("fixed_discount", {"discount_share": "a lot"}, "is not a number"),
        ("fixed_discount", {"colour": "red"}, "colour: is not a term of it"),
        ("tier_card", {"tiers": VALID["tier_card"]["tiers"][:1]}, "at least 2"),
        ("tier_card", {"tiers": VALID["tier_card"]["tiers"][1:] * 2}, "first tier must begin at 0"),
        ("tier_card", {"period_days": True}, "whole number"),
        ("privileged_terms", {"privileges": ["a_pony"]}, "must be one of"),
        ("gift_or_draw", {"prizes": None}, "how many prizes"),
        ("gift_or_draw", {"prize": "  "}, "must not be empty"),
        (
            "progressive_scale",
            {
                "steps": [
                    {"from_basket_minor": 2000, "discount_share": "0.05"},
                    {"from_basket_minor": 4000, "discount_share": "0.03"},
                ]
            },
            "higher step must give a higher discount",
        ),
    ],
)
def test_terms_that_make_no_sense_are_refused_with_what_would_do(
    mechanic: str, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidTerms, match=says):
        read_terms(mechanic, {**VALID[mechanic], **change})


def test_a_mechanic_outside_the_catalogue_is_refused_with_those_inside() -> None:
    with pytest.raises(UnknownMechanic, match="cumulative_bonus"):
        read_terms("coupons", {})


def test_equal_shares_have_one_stored_form() -> None:
    for share in ("0.10", "0.1", "0.1000"):
        assert read_terms("fixed_discount", {"discount_share": share}).to_document() == {"discount_share": "0.1"}


def test_rows_of_terms_are_lines_of_their_own() -> None:
    tiers = term_lines("tier_card", VALID["tier_card"])[0]
    assert tiers.kind is TermKind.ROWS
    assert [line.value for line in tiers.value[1]] == ["Gold", 50000, Decimal("0.05")]


def test_only_a_discount_for_everybody_and_the_service_standard_need_no_card() -> None:
    without = {mechanic for mechanic, spec in CATALOGUE.items() if not spec.shows_card}
    assert without == {Mechanic.FIXED_DISCOUNT, Mechanic.SERVICE_STANDARD}


def test_a_form_is_kept_in_its_own_order_and_a_field_asked_twice_is_refused() -> None:
    assert read_enrolment({"form_fields": ["email", "name"]}).form_fields == (FormField.NAME, FormField.EMAIL)
    with pytest.raises(InvalidEnrolment, match="at most once"):
        read_enrolment({"form_fields": ["name", "name"]})


def test_conditions_that_keep_people_away_are_advised_against_not_refused() -> None:
    codes = [m.code for m in read_enrolment({"purchase_required": True, "form_fields": ["name"]}).advice()]
    assert codes == ["advice_purchase_first", "advice_no_contact"]
    assert read_enrolment({"form_fields": ["name", "phone"]}).advice() == ()
