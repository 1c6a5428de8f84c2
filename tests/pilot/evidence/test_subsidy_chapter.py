"""The chapter on the subsidised share, on a small network whose truth is known."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.database import Database
from pilot.evidence.computing import compute_report
from pilot.evidence.queries import report
from pilot.planning import service as planning
from tests.builders import ON_SQLITE
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at


def _chapter(database: Database, tmp_path: Path, lift: int) -> dict[str, Any]:
    network = SmallNetwork(database, tmp_path).running()
    network.run_to(START + timedelta(days=27), lift=lift)
    frozen = network.look()
    with database.reading() as session:
        found = report(session, frozen.code).document.chapters["subsidy"]
    return dict(found["variants"]["points"])


def test_a_lift_of_sixty_per_cent_leaves_five_eighths_of_the_rewards_subsidised(
    database: Database, tmp_path: Path
) -> None:
    found = _chapter(database, tmp_path, lift=60)
    total = found["total"]
    assert found["basis"] == "terms"  # its receipts carry neither discounts nor rewards
    assert found["terms_share"] == pytest.approx(0.05)
    assert total["subsidised"]["share"] == pytest.approx(1 / 1.6, abs=0.08)
    assert total["subsidised"]["low"] < total["subsidised"]["share"] < total["subsidised"]["high"] < 1.0
    assert total["subsidised"]["minor"] == pytest.approx(total["subsidised"]["share"] * total["reward_minor"], abs=1)
    assert sum(row["customers_treated"] for row in found["tenths"]) == total["customers_treated"] == 32
    few = [row for row in found["tenths"] if row["customers"] < 5]  # their means would tell of people
    assert few
    assert {row["refusal"]["code"] for row in few} <= {"few_customers", "nobody_in_tenth"}
    assert all(row["reward_per_customer"] is None for row in few)
    assert len(found["weeks"]) == 4
    assert all(week["estimate"]["effect"] > 0 for week in found["weeks"])
    assert found["fade"]["estimate"]["p_value"] > 0.005  # the lift does not change from week to week
    assert "not yet observed" in found["after"]["refusal"]["template"]


@ON_SQLITE
def test_without_an_effect_everything_was_subsidised(database: Database, tmp_path: Path) -> None:
    found = _chapter(database, tmp_path, lift=0)
    assert found["total"]["subsidised"]["high"] == 1.0
    assert 0.5 < found["total"]["subsidised"]["low"] < found["total"]["subsidised"]["share"]


@ON_SQLITE
def test_what_a_reward_leaves_behind_is_told_once_it_has_ended(database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(database, tmp_path).running()
    network.run_to(START + timedelta(days=27), lift=60)
    network.look()
    stopped = START + timedelta(days=30)
    executive = network.person("executive")
    network.act(lambda s, p: planning.stop_pilot(s, p, reason="Enough", actor=executive, now=day_at(stopped)))
    network.run_to(START + timedelta(days=62), lift=-30, first=START + timedelta(days=28))
    now = day_at(START + timedelta(days=63))
    document = network.read(lambda s, p: compute_report(s, p, 1, lake=network.lake, now=now, exploratory=True))
    found = document.chapters["subsidy"]["variants"]["points"]
    assert found["after"]["weeks"] == 4  # days 35 to 62: the week in which it ended does not count
    assert found["after"]["stamp"] == "exploratory"
    assert found["after"]["estimate"]["relative_effect"] == pytest.approx(-0.3, abs=0.07)
    assert found["total"]["subsidised"]["share"] == pytest.approx(1 / 1.6, abs=0.08)  # as it was in the window
    assert len(found["weeks"]) == 4
