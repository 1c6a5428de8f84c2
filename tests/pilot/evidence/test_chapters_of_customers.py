"""Subsidy, loyalty and "where?" of customers drawn one by one, in a world whose truth is known."""

from datetime import timedelta
from pathlib import Path

import pytest

from pilot.database import Database
from pilot.imports.model import ImportKind
from tests.pilot.evidence.drawn_network import chapters
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at

MARGIN = {"margin_share": "0.30"}


def test_sixty_per_cent_more_from_treated_customers_is_what_the_chapters_say(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Ten customers a store; the lift is in every week, in both segments, and at home as elsewhere. Every treated
    customer who is asked says a wallet of 60 %, every other one 40 %."""

    def answered(network: SmallNetwork, drawn: dict[str, str]) -> None:
        rows = [
            [code, str(START + timedelta(days=9)), "0.6" if variant == "points" else "0.4" if place % 2 else "0.41"]
            for place, (code, variant) in enumerate(sorted(drawn.items()))
        ]
        network.load(
            ImportKind.SURVEYS, ("customer", "asked_on", "share_of_wallet"), rows, day_at(START + timedelta(days=28))
        )

    found = chapters(
        sqlite_database, tmp_path / "files", lift=60, economics=MARGIN, customers=10, world=answered,
        subgroups=["segment:young", "size:small"],
    )[1]  # fmt: skip

    subsidy = found["subsidy"]["variants"]["points"]
    total = subsidy["total"]
    assert total["subsidised"]["share"] == pytest.approx(1 / 1.6, abs=0.08)
    assert total["subsidised"]["low"] < total["subsidised"]["share"] < total["subsidised"]["high"] < 1.0
    assert sum(row["customers_treated"] for row in subsidy["tenths"]) == total["customers_treated"] == 80
    assert len(subsidy["weeks"]) == 4
    assert all(week["estimate"]["effect"] > 0 for week in subsidy["weeks"])
    weekly = sum(week["estimate"]["effect"] for week in subsidy["weeks"])
    assert weekly == pytest.approx(total["sales"]["effect"], rel=0.05)
    assert subsidy["fade"]["estimate"]["p_value"] > 0.005
    assert "not yet observed" in subsidy["after"]["refusal"]["template"]

    segments, sizes = found["where"]["variants"]["points"]["families"]
    assert {row["group"]: row["declared"] for row in segments["groups"]} == {"old": False, "young": True}
    assert all(row["share"]["interval"][0] < 0.6 < row["share"]["interval"][1] for row in segments["groups"])
    assert segments["interaction"]["compared"] == ["young", ""]
    assert segments["interaction"]["p_value"] > 0.005
    assert segments["shrinkage"]["refusal"]["code"] == "too_few_segments_to_shrink"
    assert sizes["groups"][0]["refusal"]["code"] == "sizes_are_of_stores"

    loyalty = found["loyalty"]["variants"]["points"]["rows"]
    assert loyalty["share_of_wallet"]["estimate"]["effect"] == pytest.approx(0.6 - 0.405, abs=0.005)
    assert loyalty["response"]["refusal"]["code"] == "no_variation"  # everybody answered
    assert loyalty["full_price_share"]["refusal"]["code"] == "no_variation"  # nobody gets a discount here
    assert loyalty["visits_beyond_home"]["refusal"]["code"] == "no_variation"  # and nobody shops elsewhere
    assert loyalty["unpaid_referrals"]["refusal"]["code"] == "no_survey_answers"
    assert loyalty["repeat_purchase"]["refusal"]["code"] == "no_variation"  # everybody comes back
