"""A plan's money before it starts: break-even of variants, what a stage puts at risk, and what the past says."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa
import pytest

from pilot.outcomes.lake import Lake
from pilot.planning import spending
from pilot.planning.economics import (
    Past,
    money_at_risk_minor,
    plan_economics,
    store_total_break_even_share,
)
from pilot.planning.plan import Plan
from pilot.settings import Settings
from pilot.words import Message
from tests.pilot.planning.a_network import FIRST_DAY, WEEKS, a_lake


def a_plan(*offers: dict[str, Any], **economics: Any) -> Plan:
    return Plan.from_document(
        {
            "pilot": "p",
            "program": "g",
            "variants": [{"code": "control"}, {"code": "card"}],
            "offers": [
                {"code": f"o{n}", "variant": "card", "segment": None, "name": "Offer", "enrolment": {}, **offer}
                for n, offer in enumerate(offers)
            ],
            "economics": {"margin_share": "0.30", **economics},
            "stages": [{"number": 1, "name": "First", "starts_on": "2026-03-09", "weeks": 13}],
        }
    )


def break_even_share(plan: Plan, variant: str, past: Past | None = None) -> Decimal | Message:
    """The lift of sales volume at which the variant pays; or why there is none."""
    found = plan_economics(plan, past).variants[variant].break_even
    return found if isinstance(found, Message) else found.lift


FIVE_PER_CENT = {"mechanic": "fixed_discount", "terms": {"discount_share": "0.05"}}
TEN_PER_CENT = {"mechanic": "personal_card", "terms": {"discount_share": "0.10"}}


def test_five_per_cent_at_thirty_needs_twenty_per_cent_more_sales_which_the_store_total_shows_as_fourteen() -> None:
    plan = a_plan(FIVE_PER_CENT)
    assert break_even_share(plan, "card") == Decimal("0.20")
    assert store_total_break_even_share(plan, "card") == Decimal("0.14")


def test_set_up_communication_and_stores_raise_the_lift_where_sales_are_known() -> None:
    plan = a_plan(FIVE_PER_CENT, setup_minor=300_000, store_minor=10_000, communication_minor=50_000, horizon_weeks=52)
    # (5 % + (3,000 + 10 × 100 + 4 × 500) / (52 × 2,307.70 ≈ 120,000.40)) / 25 %
    found = plan_economics(plan, Past(weekly_sales_minor=230_770, treated_stores=10)).variants["card"]
    assert found.with_fixed_costs
    assert break_even_share(plan, "card", Past(230_770, 10)) == (
        Decimal("0.05") + Decimal(600_000) / 12_000_040
    ) / Decimal("0.25")


def test_of_several_offers_the_dearest_decides() -> None:
    assert break_even_share(a_plan(FIVE_PER_CENT, TEN_PER_CENT), "card") == Decimal("0.50")


def test_without_a_margin_or_an_offer_the_lift_is_refused_with_a_reason() -> None:
    assert _code(break_even_share(a_plan(FIVE_PER_CENT, margin_share=None), "card")) == "margin_unknown"
    assert _code(break_even_share(a_plan(), "card")) == "variant_without_offer"
    assert _code(break_even_share(a_plan(FIVE_PER_CENT, margin_share="0.04"), "card")) == "margin_below_reward"
    benefit = {"mechanic": "privileged_terms", "terms": {"privileges": ["free_delivery"]}}
    assert _code(break_even_share(a_plan(benefit, benefit_minor=100), "card")) == "spend_unknown"
    assert break_even_share(a_plan(benefit, benefit_minor=300), "card", Past(spend_minor=10_000)) == Decimal(
        "0.03"
    ) / Decimal("0.27")


def test_money_at_risk_is_the_dearest_rewards_of_the_whole_stage_and_all_that_is_paid_once() -> None:
    plan = a_plan(TEN_PER_CENT, enrolment_share="0.5", setup_minor=1_000, store_minor=10, communication_minor=200)
    # 10 % × half × 1,000.00 a week × 13 weeks
    assert money_at_risk_minor(plan, plan.stages[0], 100_000, treated_stores=4) == 65_000 + 1_000 + 40 + 200
    benefit = {"mechanic": "privileged_terms", "terms": {"privileges": ["free_delivery"]}}
    unknown = a_plan(benefit, benefit_minor=100, enrolment_share="0.5")
    assert money_at_risk_minor(unknown, unknown.stages[0], 100_000) == 650_000  # unknown: all sales under the offer


@pytest.fixture
def period() -> tuple[date, date]:
    return FIRST_DAY, FIRST_DAY + timedelta(days=7 * WEEKS - 1)


def test_the_past_is_read_from_the_lake(settings: Settings, period: tuple[date, date]) -> None:
    lake = a_lake(settings)
    rows = lake.receipts().to_pyarrow().to_pylist()
    sold = [row for row in rows if row["kind"] == "sale" and row["net_minor"] > 0]
    by_store: dict[int, int] = {}
    by_customer: dict[int, int] = {}
    for row in rows:
        by_store[row["store_id"]] = by_store.get(row["store_id"], 0) + row["net_minor"]
        if row["customer_key"] is not None:
            by_customer[row["customer_key"]] = by_customer.get(row["customer_key"], 0) + row["net_minor"]
    known = spending.past_period(lake, None, WEEKS)
    assert known is not None
    first, last = known
    days = (last - first).days + 1
    assert spending.weekly_sales(lake, None, first, last) == {s: net * 7 // days for s, net in by_store.items()}
    total = sum(by_customer.values())
    assert spending.spend_per_customer(lake, None, first, last) == total * 28 // (len(by_customer) * days)
    middle = sorted(by_customer.values())[len(by_customer) // 2]
    assert spending.shares_by_spend(lake, None, first, last, (0, middle)) == (
        Decimal(sum(v for v in by_customer.values() if v < middle)) / total,
        Decimal(sum(v for v in by_customer.values() if v >= middle)) / total,
    )
    whole_past: dict[str, Any] = {"period_days": 7 * WEEKS, "tiers": [
        {"name": "Silver", "from_spend_minor": 0, "discount_share": "0.01"},
        {"name": "Gold", "from_spend_minor": middle, "discount_share": "0.02"},
    ]}  # fmt: skip
    shares = spending.shares_by_spend(lake, None, first, last, (0, middle))
    assert spending.sales_shares(lake, None, "tier_card", whole_past) == shares
    tiers = [whole_past["tiers"][0], {**whole_past["tiers"][1], "from_spend_minor": middle * 4 // 3 + 1}]
    longer = {"period_days": 364, "tiers": tiers}  # 52 weeks, of which 39 are known: three quarters of what it asks for
    assert spending.sales_shares(lake, None, "tier_card", longer) == shares
    assert spending.sales_shares(lake, None, "fixed_discount", {"discount_share": "0.05"}) is None
    size = sorted(row["net_minor"] for row in sold)[len(sold) // 2]
    baskets = sum(row["net_minor"] for row in sold)
    assert spending.shares_by_basket(lake, None, first, last, (0, size)) == (
        Decimal(sum(r["net_minor"] for r in sold if r["net_minor"] < size)) / baskets,
        Decimal(sum(r["net_minor"] for r in sold if r["net_minor"] >= size)) / baskets,
    )


def test_the_margin_of_receipts_that_carry_their_cost_stands_in_for_one_that_is_not_stated(
    settings: Settings, period: tuple[date, date]
) -> None:
    assert spending.margin_share(a_lake(settings), None, *period) is None  # these carry none
    plan = a_plan(FIVE_PER_CENT, margin_share=None)
    assert break_even_share(plan, "card", Past(margin_share=Decimal("0.30"))) == Decimal("0.20")
    assert break_even_share(a_plan(FIVE_PER_CENT), "card", Past(margin_share=Decimal("0.06"))) == Decimal("0.20")


def test_the_share_of_costs_decides_whether_the_past_has_a_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    def receipts(*facts: tuple[str, int, int | None]) -> Any:
        names = ("kind", "net_minor", "cost_minor")
        types = (pa.string(), pa.int64(), pa.int64())
        columns = {name: pa.array([fact[i] for fact in facts], types[i]) for i, name in enumerate(names)}
        return ibis.memtable(pa.table(columns))

    def margin(*facts: tuple[str, int, int | None]) -> Decimal | None:
        monkeypatch.setattr(spending.history, "receipts_within", lambda *_: receipts(*facts))
        return spending.margin_share(Lake.__new__(Lake), None, FIRST_DAY, FIRST_DAY)

    assert margin(("sale", 9_500, 6_650), ("sale", 500, None)) == Decimal("0.3")
    assert margin(("sale", 9_499, 6_650), ("sale", 501, None)) is None
    repeated = ("identification", 5_000, 1)  # says late whose a receipt was: its money was counted before
    assert margin(("sale", 9_500, 6_650), ("sale", 500, None), repeated) == Decimal("0.3")


def _code(found: Decimal | Message) -> str:
    assert isinstance(found, Message)
    return found.code
