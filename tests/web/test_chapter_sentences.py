"""What the report's chapters say in a sentence: both arms together, and no more than was found."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from experiments.look.report import Diagnostic, Status
from experiments.messages import Message
from pilot.evidence.chapters.loyalty import LoyaltyRow
from pilot.words import Message as Refusal
from web import report_words
from web.chapters import loyalty, value, where


@pytest.fixture(autouse=True)
def reader(app: Flask) -> Iterator[None]:
    with app.test_request_context("/"):
        yield


def _arm(new: int | None, stores: int, each: float | None = None) -> dict[str, Any]:
    return {"new_customers": new, "stores": stores, "cost_per_new_minor": each}


def _estimate(treated: float, control: float, low: float, high: float) -> dict[str, Any]:
    found = {"mean_variant": treated, "mean_control": control, "interval": [low, high], "n_units": 20}
    return {"estimate": found}


def test_a_cost_per_newly_identified_customer_needs_more_of_them_than_control_has() -> None:
    fewer = value._headline("Points card", _arm(7, 10, 129409), _arm(13, 10), "USD")
    assert fewer == (
        "Points card: newly identified customers in treated stores: 7; in control stores: 13. No sign that the "
        "program brought any: 0.7 a store against 1.3."
    )
    more = value._headline("Points card", _arm(26, 10, 5000), _arm(13, 10), "USD")
    assert more.endswith(
        "That is 2.6 a store against 1.3. The cost for each of those in treated stores, whoever brought them: $50.00."
    )
    # as many in half as many stores are twice as many
    assert "That is 1.4 a store against 0.7." in value._headline("Card", _arm(14, 10), _arm(14, 20), "USD")


def test_arms_with_too_few_newly_identified_customers_are_not_compared() -> None:
    said = value._headline("Card", _arm(None, 10), _arm(13, 10), "USD")
    assert said == (
        "Card: newly identified customers in treated stores: under 5; in control stores: 13. Too few to compare."
    )


def test_a_smaller_share_beyond_the_home_store_is_not_called_a_loss_of_loyalty() -> None:
    rows: dict[str, Any] = {row.value: {} for row in LoyaltyRow}
    rows[LoyaltyRow.BEYOND_HOME.value] = _estimate(0.245, 0.342, -0.12, -0.05)
    rows[LoyaltyRow.FULL_PRICE.value] = _estimate(0.5, 0.5, -0.1, 0.1)
    titles = {row: row.value for row in LoyaltyRow}
    said = loyalty._headline(rows, titles)
    assert said.startswith(f"There is no evidence of a difference in: {LoyaltyRow.FULL_PRICE.value}, n = 20. ")
    assert "A smaller share of visits goes beyond the home store: 24.5% against 34.2%, n = 20." in said
    assert "lower this share by arithmetic" in said
    assert "fell" not in said


def test_a_check_of_balance_speaks_in_money_and_per_cent() -> None:
    report: Any = SimpleNamespace(document=SimpleNamespace(currency="USD"), variant_names={"card": "Points card"})

    def said(covariate: str, control: float, treated: float) -> str:
        message = Message("balance", "{covariate}", {"covariate": covariate, "control": control, "treated": treated})
        found = Diagnostic(f"balance:{covariate}", Status.WARN, 0.4, message, "card")
        return report_words.check_says(report, found)

    assert said("identified_ppm", 767_900.0, 745_300.0) == (
        "Share of receipts with a customer: control 76.8%, “Points card” 74.5%"
    )
    assert said("net_minor_per_week", 84_960.0, 91_200.0) == ("Net sales per week: control $850, “Points card” $912")


def test_a_refusal_names_the_variant_and_not_its_code() -> None:
    report: Any = SimpleNamespace(variant_names={"card": "Points card"})
    why = Refusal("empty_arm", "{n_variant} units of {variant} have data", {"variant": "card", "n_variant": 0})
    assert report_words.refused(report, why) == "0 units of “Points card” have data"


def test_where_nothing_could_be_estimated_one_sentence_says_so() -> None:
    refusal = {"refusal": {"code": "few", "template": "too few stores", "values": {}}}
    groups = [{"group": code, "declared": False, **refusal} for code in ("R1", "R2")]
    found = {
        "family": "region", "metric": "store_total", "declared": False, "groups": groups,
        "interaction": refusal, "shrinkage": refusal,
    }  # fmt: skip
    report: Any = SimpleNamespace(document=SimpleNamespace(currency="USD"))
    family = where._family(report, found, {"alpha": 0.05}, {("region", "R1"): "North"})
    assert family["sentence"] == "No group could be estimated, so nothing is known of differences between them."
    assert family["nothing_estimated"]
    assert [(row["name"], row["cells"].refusal) for row in family["rows"]] == [
        ("North", "too few stores"),
        ("R2", "too few stores"),
    ]
