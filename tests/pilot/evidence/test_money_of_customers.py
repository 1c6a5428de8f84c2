"""Money where customers were drawn one by one: by hand, with a known effect, and what card-showing does to it."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from experiments.design.mechanisms import Candidate, Share, complete
from experiments.look.customer_values import Drawn
from experiments.look.money import customer_money_effect
from experiments.look.plan import Leads, LookPlan, PlannedMetric, Role
from experiments.measure.customer_amounts import AMOUNTS, CustomerAmounts, customer_amounts, customer_weeks
from experiments.measure.customer_money import customer_money
from experiments.measure.metrics import AssignmentUnit, spend_per_customer
from experiments.measure.unit_money import MarginBasis
from experiments.measure.windows import Window
from pilot.database import Database
from pilot.evidence.chapters.money_costs import by_terms
from pilot.imports.model import ImportKind
from pilot.planning.plan import PlannedOffer
from pilot.planning.plan_parts import Economics
from tests.pilot.evidence.drawn_network import chapters
from tests.pilot.evidence.small_network import RECEIPT_HEADER, START, SmallNetwork, day_at

ECONOMICS = {
    "margin_share": "0.30",
    "communication_minor": 10_000,
    "setup_minor": 20_000,
    "store_minor": 500,
    "horizon_weeks": 52,
}
BEFORE, WINDOW = Window(date(2026, 2, 2), date(2026, 3, 1)), Window(date(2026, 3, 2), date(2026, 3, 15))


def test_the_account_of_drawn_customers_adds_up_and_holds_the_known_effect(database: Database, tmp_path: Path) -> None:
    """Treated customers buy for 60 % more, of which 30 % are margin; all 16 stores are made ready, for one variant."""
    found = chapters(database, tmp_path / "files", lift=60, economics=ECONOMICS)[1]["money"]
    mine = found["variants"]["points"]
    rows = {row["code"]: row["amount_minor"] for row in mine["account"]}
    assert (found["drawn"], mine["listed_customers"]) == ("customers", 32)
    assert mine["net_minor"] == sum(rows.values())
    assert rows == {
        "margin": round(mine["per_customer"]["effect"] * 32),
        "rewards": 0,
        "communication": -10_000,
        "setup": -20_000,
        "stores": -8_000,
    }
    truth = round(0.30 * 0.60 * mine["control_sales"] * 32) - 38_000
    assert mine["net_low_minor"] < truth < mine["net_high_minor"]
    assert mine["net_low_minor"] == round(mine["per_customer"]["interval"][0] * 32) - 38_000
    assert mine["horizon_minor"] == round(mine["per_customer"]["effect"] * 32 * 13) - 130_000 - 28_000
    assert mine["return"]["ratio"] == pytest.approx(mine["net_minor"] / 38_000)


def test_cards_shown_more_often_look_like_money_and_the_account_stays_refused(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Treated customers take strangers' receipts: nobody buys more, the net says otherwise, and no account hides it."""

    def shown(network: SmallNetwork, drawn: dict[str, str]) -> None:
        more = [
            [f"X-{code}-{day}", code.split("-")[0], f"{START + timedelta(days=day)}T20:00:00+00:00", "30.00", "9",
             f"{day}{place}", "sale", code]
            for place, (code, variant) in enumerate(sorted(drawn.items()))
            if variant == "points"
            for day in range(0, 28, 4)
        ]  # fmt: skip
        network.load(ImportKind.RECEIPTS, RECEIPT_HEADER, more, day_at(START + timedelta(days=28)))

    found = chapters(sqlite_database, tmp_path / "files", lift=0, economics=ECONOMICS, world=shown)[1]
    assert found["money"]["variants"]["points"]["net_minor"] > 0
    assert found["swiped"]["refusal"]["code"] == "stores_have_no_variant"


def amounts(**window: list[int]) -> CustomerAmounts:
    n = len(window["net_minor"])
    nothing = {name: np.zeros(n, dtype=np.int64) for name in AMOUNTS}
    now = {name: np.array(column, dtype=np.int64) for name, column in window.items()}
    before = nothing | {"net_minor": np.full(n, 900), "discount_minor": np.full(n, 100)}
    return CustomerAmounts(nothing | now, before)


def test_the_money_of_a_customer_by_hand() -> None:
    """A tenth off is usual. 1,800 net after 200 off is as usual and leaves 540; 1,500 net after 500 off gave 300 more
    away: 0.3 × 1,500 − 0.7 × 300 = 240, less 50 of rewards."""
    found = customer_money(
        amounts(net_minor=[1_800, 1_500], discount_minor=[200, 500], reward_minor=[0, 50]), Decimal("0.3")
    )
    assert found.basis is MarginBasis.PLAN
    assert (found.discount.tolist(), found.net.tolist(), found.before.tolist()) == ([0, 300], [540, 190], [270, 270])


@pytest.mark.slow
def test_the_interval_holds_the_true_effect_of_skewed_customers() -> None:
    """500 worlds of 400 customers with log-normal spend, a tenth of whom respond: between 93.0 and 97.0 %."""
    rng, held, worlds, n = np.random.default_rng(20_261_122), 0, 500, 400
    codes = [str(place) for place in range(n)]
    mechanism = complete([Candidate(code, None, {}) for code in codes], [Share("control", 1), Share("card", 1)])
    plan = LookPlan(
        AssignmentUnit.CUSTOMER, mechanism, {}, (PlannedMetric(spend_per_customer(), Role.PRIMARY),),
        Leads.CUSTOMERS, seed=1,
    )  # fmt: skip
    for _ in range(worlds):
        usual = rng.lognormal(8.0, 0.8, n)
        gain = np.where(rng.random(n) < 0.1, 0.4, 0.0) * usual
        treated = rng.permutation(n) < n // 2
        spent = usual * rng.lognormal(0.0, 0.4, n)
        sold = np.rint(spent + np.where(treated, gain, 0.0)).astype(np.int64)
        one = amounts(net_minor=sold.tolist())
        one.before["net_minor"][:] = np.rint(usual * rng.lognormal(0.0, 0.4, n)).astype(np.int64)
        one.before["discount_minor"][:] = 0
        drawn = Drawn((("control", ""), ("card", "")), treated.astype(np.int64))
        effect = customer_money_effect(plan, drawn, customer_money(one, Decimal("0.3")), "card").effect
        low, high = effect.estimate.interval
        assert low is not None
        assert high is not None
        held += low <= 0.3 * gain.mean() <= high
    assert 0.93 * worlds <= held <= 0.97 * worlds


def receipts() -> Any:
    """Customer 7 is at home in store 1 and buys in 1 and 2; 8 gives something back; 9 is not asked for."""
    rows = [
        (7, 1, "sale", 1_000, 0, 600, date(2026, 2, 10)),
        (7, 2, "sale", 500, 50, None, date(2026, 3, 2)),
        (7, 1, "sale", 700, 0, None, date(2026, 3, 9)),
        (8, 2, "sale", 300, 0, None, date(2026, 3, 3)),
        (8, 2, "return", -300, 0, None, date(2026, 3, 15)),
        (8, 2, "sale", 999, 0, None, date(2026, 3, 16)),
        (9, 2, "sale", 999, 0, None, date(2026, 3, 3)),
    ]
    columns = dict(zip(("customer_key", "store_id", "kind", "net_minor", "discount_minor", "cost_minor",
                        "business_date"), zip(*rows, strict=True), strict=True))  # fmt: skip
    table = pa.table(
        {name: pa.array(column, pa.int64()) if name.endswith(("_minor", "_key", "_id")) else pa.array(column)
         for name, column in columns.items()}
    )  # fmt: skip
    return ibis.memtable(table.append_column("reward_minor", pa.array([0] * len(rows), pa.int64())))


def test_what_each_customer_bought_is_exact_and_in_the_order_that_was_asked_for() -> None:
    asked = pa.table({"customer_key": pa.array([8, 7], pa.int64()), "home": pa.array([2, 1], pa.int64())})
    found = customer_amounts(receipts(), customers=asked, window=WINDOW, before=BEFORE)
    assert found.window["net_minor"].tolist() == [0, 1_200]
    assert found.window["sales"].tolist() == [1, 2]
    assert found.window["sales_elsewhere"].tolist() == [0, 1]
    assert found.window["full_price_net_minor"].tolist() == [0, 700]
    assert found.before["net_minor"].tolist() == [0, 1_000]
    assert (found.before["cost_minor"].tolist(), found.before["cost_known_net_minor"].tolist()) == (
        [0, 600],
        [0, 1_000],
    )
    weeks = [week.tolist() for week in customer_weeks(receipts(), customers=asked, window=WINDOW)]
    assert weeks == [[300, 500], [-300, 700]]


@pytest.mark.parametrize(("enrolled", "marked", "members"), [("1", 0, 3), ("0.5", 0, 2), ("0.5", 1, 1)])
def test_members_are_those_whose_receipts_carry_the_offer_or_the_plans_share(
    enrolled: str, marked: int, members: int
) -> None:
    """Three customers were seen. A membership of 9.00 for 84 days; its benefit costs 2.50 in 28."""
    club = PlannedOffer(
        code="club", variant="v", segment=None, name="Club", mechanic="club_membership", enrolment={},
        terms={"benefits": ["b"], "fee_minor": 900, "period_days": 84},
    )  # fmt: skip
    given = Economics(benefit_minor=250, margin_share=Decimal("0.3"), enrolment_share=Decimal(enrolled))
    seen = ibis.memtable(
        pa.table(
            {
                "customer_key": [1, 2, 3],
                "net_minor": [100, 100, 100],
                "offer_id": pa.array([5 if place < marked else None for place in range(3)], pa.int64()),
            }
        )
    )
    found = by_terms([club], given, receipts=seen, days=28, on_receipts_minor=0, offer_ids={"club": 5})
    assert found.members is not None
    assert (found.members.n, found.members.seen, found.members.counted) == (members, 3, marked > 0)
    assert (found.benefits_minor, found.fees_minor) == (members * 250, members * 300)
    assert (found.members.benefits_of_all_minor, found.members.fees_of_all_minor) == (750, 900)
