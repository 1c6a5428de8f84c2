"""The chapter "where does it work?": a network whose effect is in one region only, and one where it is everywhere."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.database import Database
from pilot.evidence.queries import report
from tests.builders import ON_SQLITE
from tests.pilot.evidence.small_network import SET_UP_ON, START, SmallNetwork, day_at

LAST = START + timedelta(days=27)


def _chapter(database: Database, folder: Path, *, only: str | None, **changes: Any) -> dict[str, Any]:
    """Treated stores (of region ``only``) sell 60 % more."""
    network = SmallNetwork(database, folder, n_stores=24).running(**{"mechanism": {"kind": "complete"}, **changes})
    treated = network.read(lambda s, p: network.treated_stores(s, p, 1))
    region = {store: f"R{1 + place % 2:02}" for place, store in enumerate(network.stores)}
    lifted = {store: 60 for store in treated if only in (None, region[store])}
    network.load_receipts(SET_UP_ON, START - timedelta(days=1), {}, day_at(START))
    network.load_receipts(START, LAST, lifted, day_at(LAST + timedelta(days=1)))
    frozen = network.look()
    with database.reading() as session:
        return dict(report(session, frozen.code).document.chapters["where"])


def _families(chapter: dict[str, Any]) -> dict[str, Any]:
    return {family["family"]: family for family in chapter["variants"]["points"]["families"]}


def _rows(family: dict[str, Any]) -> dict[str, Any]:
    return {row["group"]: row for row in family["groups"]}


def test_an_effect_in_one_region_only_is_told_by_the_interaction_test(database: Database, tmp_path: Path) -> None:
    chapter = _chapter(database, tmp_path, only="R01", subgroups=["region:R01", "segment:young"])
    families = _families(chapter)
    regions = _rows(families["region"])
    assert (regions["R01"]["declared"], regions["R02"]["declared"]) == (True, False)
    assert regions["R01"]["share"]["effect"] == pytest.approx(0.6, abs=0.15)
    assert regions["R02"]["share"]["effect"] == pytest.approx(0.0, abs=0.15)
    assert families["region"]["interaction"]["p_value"] < 0.01
    assert families["region"]["interaction"]["compared"] == ["R01", ""]
    # two groups do not tell how much groups differ
    assert families["region"]["shrinkage"]["refusal"]["code"] == "too_few_segments_to_shrink"
    # every store has young and old, and both bought more where it worked
    assert families["segment"]["interaction"]["p_value"] > 0.005
    assert _rows(families["segment"])["young"]["declared"]
    # what the plan did not name is adjusted for how much is looked at
    others = [row for family in families.values() for row in family["groups"] if not row["declared"]]
    assert {row["group"] for row in others} == {"R02", "old", "small", "large"}
    assert all(row["p_adjusted"] >= row["estimate"]["p_value"] for row in others)
    assert "p_adjusted" not in regions["R01"]


@ON_SQLITE
def test_the_same_effect_everywhere_differs_nowhere(database: Database, tmp_path: Path) -> None:
    families = _families(_chapter(database, tmp_path, only=None))
    for family in families.values():
        assert not family["declared"]
        assert family["interaction"]["p_value"] > 0.005
        for row in family["groups"]:
            assert row["share"]["effect"] == pytest.approx(0.6, abs=0.2)


@ON_SQLITE
def test_pairs_stay_together_in_one_size(database: Database, tmp_path: Path) -> None:
    mechanism = {"kind": "matched_pairs", "match_on": ["net_minor_per_week"]}
    families = _families(_chapter(database, tmp_path, only=None, mechanism=mechanism, subgroups=["size:large"]))
    sizes = _rows(families["size"])
    assert sizes["small"]["estimate"]["n_units"] + sizes["large"]["estimate"]["n_units"] == 24
    assert sizes["large"]["estimate"]["mean_control"] > sizes["small"]["estimate"]["mean_control"]


@ON_SQLITE
def test_a_segment_of_a_few_people_is_not_told_of_and_what_the_plan_did_not_name_is_stamped(
    database: Database, tmp_path: Path
) -> None:
    network = SmallNetwork(database, tmp_path, n_stores=4, customers=2).running(
        mechanism={"kind": "complete"}, alpha="0.5"
    )
    network.run_to(LAST)
    frozen = network.look()
    with database.reading() as session:
        families = _families(dict(report(session, frozen.code).document.chapters["where"]))
    young = _rows(families["segment"])["young"]
    assert (young["customers"], young["refusal"]["code"], young["stamp"]) == (4, "few_customers", "exploratory")
    assert "estimate" not in young
