"""The chapter about money on a small network: an account that adds up, what terms cost, and what is refused."""

from datetime import date, timedelta
from decimal import Decimal
from math import ceil
from types import SimpleNamespace
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from experiments.errors import NotEstimable
from experiments.measure.windows import Window
from pilot.database import Database
from pilot.evidence.chapters.money import belief_in_money, compute
from pilot.evidence.chapters.money_costs import by_terms, liability
from pilot.evidence.queries import report
from pilot.imports.model import ImportKind
from pilot.planning.plan import PlannedOffer
from pilot.planning.plan_parts import Economics, PlannedPrior
from pilot.programs.queries import program
from pilot.programs.service import set_offer
from tests.builders import ON_SQLITE
from tests.pilot.evidence.small_network import RECEIPT_HEADER, START, SmallNetwork, day_at

ECONOMICS = {
    "margin_share": "0.30",
    "communication_minor": 10_000,
    "setup_minor": 20_000,
    "store_minor": 500,
    "horizon_weeks": 52,
}


def _chapter(
    database: Database, tmp_path: Any, *, lift: int, economics: dict[str, Any] | None = None
) -> dict[str, Any]:
    files = tmp_path / "files"
    files.mkdir()
    network = SmallNetwork(database, files).running(economics=ECONOMICS if economics is None else economics)
    network.run_to(START + timedelta(days=27), lift=lift)
    frozen = network.look()
    with database.reading() as session:
        return dict(report(session, frozen.code).document.chapters["money"])


def test_the_account_of_a_gain_adds_up_and_is_what_the_effect_says(database: Database, tmp_path: Any) -> None:
    found = _chapter(database, tmp_path, lift=60)
    assert (found["basis"], found["margin_share"]) == ("plan", "0.3")
    mine = found["variants"]["points"]
    rows = {row["code"]: row["amount_minor"] for row in mine["account"]}
    assert mine["net_minor"] == sum(rows.values()) == mine["account"][-1]["end_minor"]
    assert rows == {
        "margin": round(mine["per_store_week"]["effect"] * 32),  # 8 treated stores of 4 weeks
        "rewards": 0,
        "communication": -10_000,
        "setup": -20_000,
        "stores": -4_000,
    }
    assert (mine["stores"], mine["store_weeks"], mine["listed_customers"]) == (8, 32.0, 32)
    assert mine["net_low_minor"] < mine["net_minor"] < mine["net_high_minor"]
    assert mine["net_low_minor"] == round(mine["per_store_week"]["interval"][0] * 32) - 34_000
    assert mine["horizon_minor"] == round(mine["per_store_week"]["effect"] * 8 * 52) - 130_000 - 24_000
    assert mine["gate_confidence"] == 0.95
    assert mine["horizon_high_gate_minor"] == mine["horizon_high_minor"]  # one look: the gate reads 95 %
    assert mine["return"]["ratio"] == pytest.approx(mine["net_minor"] / 34_000)
    assert mine["return"]["interval"][0] == pytest.approx(mine["net_low_minor"] / 34_000)
    for name in ("sceptical", "neutral"):
        sd = float(found["priors"][name]["sd_share"])
        assert mine[f"p_loss_{name}"] == pytest.approx(_p_loss(mine, sd=sd), abs=2e-3)
    assert mine["p_loss_neutral"] < mine["p_loss_sceptical"]


def _p_loss(mine: dict[str, Any], *, sd: float) -> float:
    """By a plain grid: a normal belief about sales in money, times Student's t of the regression."""
    regression, effect = mine["regression"], mine["per_store_week"]["effect"]
    needed = (130_000 + 24_000) / (8 * 52)
    prior = sd * 0.3 * mine["control_sales"]
    x = np.linspace(-12 * prior, 12 * prior, 40_001)
    density = stats.norm.pdf(x / prior) * stats.t.pdf((x - effect) / regression["std_error"], regression["df"])
    return float(density[x < needed].sum() / density.sum())


@ON_SQLITE
def test_without_an_effect_the_costs_are_the_loss(database: Database, tmp_path: Any) -> None:
    mine = _chapter(database, tmp_path, lift=0)["variants"]["points"]
    assert mine["net_minor"] < 0
    assert mine["p_loss_stage_sceptical"] > 0.9


def test_a_plan_that_says_nothing_about_money_is_refused() -> None:
    """No such plan can be submitted any more; those that were sealed before have no money."""
    inputs: Any = SimpleNamespace(plan=SimpleNamespace(economics=None))
    with pytest.raises(NotEstimable, match="does not say what money is reckoned with"):
        compute(inputs)


@ON_SQLITE
def test_points_in_the_account_are_those_paid_and_those_still_owed(database: Database, tmp_path: Any) -> None:
    """A bonus of 6 %: every second receipt of the listed pays 0.20 with points; the rest is owed at base redemption."""
    files = tmp_path / "files"
    files.mkdir()
    network = SmallNetwork(database, files).set_up()
    terms = {"earn_share": "0.06", "redeem_share": "0.5"}
    with database.unit_of_work() as session:
        variant = program(session, "card").variant("points")
        manager = network.person("manager")
        set_offer(
            session, variant, name="6 %", mechanic="cumulative_bonus", terms=terms, actor=manager, now=day_at(START)
        )
    network.draft(economics={"margin_share": "0.30"})
    network.submit()
    network.sign()
    network.draw_and_start()
    network.run_to(START + timedelta(days=27), lift=20)
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    usual = [  # a scheme that every store has: it is no cost of the offer
        [f"U-{store}-{day}", store, f"{START + timedelta(days=day)}T20:00:00+00:00", "5.00", "7", str(day), "sale",
         f"{store}-C2", "0.50"]
        for store in network.stores
        for day in range(28)
    ]  # fmt: skip
    paid = [
        [f"P-{store}-{day}", store, f"{START + timedelta(days=day)}T21:00:00+00:00", "5.00", "8", str(day), "sale",
         f"{store}-C1", "0.20"]
        for store in treated
        for day in range(0, 28, 2)
    ]  # fmt: skip
    network.load(ImportKind.RECEIPTS, (*RECEIPT_HEADER, "reward"), usual + paid, day_at(START + timedelta(days=28)))
    frozen = network.look()
    with database.reading() as session:
        mine = report(session, frozen.code).document.chapters["money"]["variants"]["points"]
    rows = {row["code"]: row["amount_minor"] for row in mine["account"]}
    owed = mine["liability"]
    assert owed["redeemed_minor"] == len(paid) * 20 == 2_240
    assert rows["rewards"] == -2_240  # none in control, as many in each treated store
    assert owed["issued_minor"] > 2_240
    still = [max(0, ceil(owed["issued_minor"] * share) - 2_240) for share in (0.5, 0.7, 0.9)]
    assert [owed["low_minor"], owed["base_minor"], owed["high_minor"]] == pytest.approx(still, abs=1)
    assert rows["liability"] == -owed["base_minor"]
    low, base, high = mine["net_by_redemption"]
    assert base == mine["net_minor"] == sum(rows.values())
    assert (low - base, base - high) == (
        owed["base_minor"] - owed["low_minor"],
        owed["high_minor"] - owed["base_minor"],
    )
    assert mine["return"]["interval_refusal"]["code"] == "cost_moves_with_sales"


def test_a_belief_about_net_sales_pays_the_goods_that_a_discount_gave_away() -> None:
    """5 % off, margin 30 %, 1,000.00 of sales a week: with net sales as they were, goods of 50.00 more cost 35.00."""
    prior = PlannedPrior(mean_share=Decimal("-0.01"), sd_share=Decimal("0.05"), source="a test")
    mean, sd = belief_in_money(prior, sales=100_000.0, margin_rate=0.3, discounts=5_000.0, rewards=100.0)
    assert mean == pytest.approx(0.3 * -1_000 - 0.7 * 5_000 - 100)
    assert sd == pytest.approx(0.3 * 5_000)


def _offer(mechanic: str, **terms: Any) -> PlannedOffer:
    return PlannedOffer(code="o", variant="v", segment=None, name="O", mechanic=mechanic, terms=terms, enrolment={})


def test_points_that_were_issued_and_not_paid_are_owed_under_each_redemption() -> None:
    bonus = _offer("cumulative_bonus", earn_share="0.03", redeem_share="0.5")
    found = liability([bonus], Economics(), identified_minor=1_000_000, redeemed_minor=16_000)
    assert found is not None
    assert (found.issued_minor, found.low_minor, found.base_minor, found.high_minor) == (30_000, 0, 5_000, 11_000)
    assert (
        liability([_offer("personal_card", discount_share="0.05")], Economics(), identified_minor=1, redeemed_minor=0)
        is None
    )


def _draw(*, prizes: int, cost: int) -> PlannedOffer:
    terms = {"prize_kind": "draw", "prize": "p", "qualifying_spend_minor": 1, "prize_cost_minor": cost}
    return _offer("gift_or_draw", **terms, prizes=prizes)


def test_gifts_count_beyond_the_rewards_that_receipts_carry() -> None:
    gift = _offer("gift_or_draw", prize_kind="gift", prize="p", qualifying_spend_minor=10_000, prize_cost_minor=300)

    def prizes(on_receipts_minor: int) -> int:
        return by_terms(
            [gift], Economics(), receipts=_receipts(), days=28, on_receipts_minor=on_receipts_minor, offer_ids={}
        ).prizes_minor

    assert (prizes(0), prizes(250), prizes(600), prizes(900)) == (600, 350, 0, 0)


WINDOW = Window(date(2026, 3, 2), date(2026, 3, 29))


def _receipts() -> Any:
    """Customers 1, 2, 3 spend 100.00, 60.00 and 500.00 in store 1; 4 spends in another store; one is not known."""
    spent = [(1, 1, 4_000), (1, 1, 6_000), (2, 1, 6_000), (3, 1, 50_000), (4, 2, 90_000), (None, 1, 90_000)]
    table = pa.table(
        {
            "customer_key": pa.array([key for key, _, _ in spent], pa.int64()),
            "store_id": pa.array([store for _, store, _ in spent], pa.int64()),
            "net_minor": pa.array([net for _, _, net in spent], pa.int64()),
            "business_date": pa.array([WINDOW.first] * len(spent), pa.date32()),
        }
    )
    t = ibis.memtable(table)
    return t.filter(t.customer_key.notnull() & (t.store_id == 1))  # what is handed over is the variant's own


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        (_offer("privileged_terms", privileges=["free_delivery"]), (3 * 250, 0, 0)),
        (_offer("service_standard", promises=[{"what": "w", "kept_share": "0.9"}]), (3 * 250, 0, 0)),
        (_offer("club_membership", benefits=["b"], fee_minor=900, period_days=84), (3 * 250, 0, 900)),
        (
            _offer("gift_or_draw", prize_kind="gift", prize="p", qualifying_spend_minor=10_000, prize_cost_minor=300),
            (0, 600, 0),
        ),
        (_draw(prizes=7, cost=300), (0, 2_100, 0)),
        (_offer("fixed_discount", discount_share="0.05"), (0, 0, 0)),
    ],
)  # fmt: skip
def test_what_only_terms_say_is_counted_by_customers_seen(offer: PlannedOffer, expected: tuple[int, int, int]) -> None:
    found = by_terms(
        [offer],
        Economics(benefit_minor=250, margin_share=Decimal("0.3")),
        receipts=_receipts(),
        days=28,
        on_receipts_minor=0,
        offer_ids={},
    )
    assert (found.benefits_minor, found.prizes_minor, found.fees_minor) == expected
    assert found.customers == 3
