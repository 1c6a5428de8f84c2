"""A stage replayed on the weekly totals of its own candidates."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from pilot.database import Database
from pilot.outcomes.lake import Lake
from pilot.planning.calibration import CustomersAreNotReplayed, Replay, replay_stage
from pilot.planning.errors import TooLittleHistory
from pilot.planning.plan import Plan
from tests.pilot.planning.a_network import a_document, a_lake, a_network, a_stage


def a_plan(**changes: Any) -> Plan:
    return Plan.from_document({"pilot": "p", "program": "card", **a_document(**changes)})


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """Replay reads the lake; which database names its stores does not matter."""
    return sqlite_database


@pytest.fixture
def lake(session: Session, database: Database) -> Lake:
    a_network(session)
    return a_lake(database.settings)


def replayed(session: Session, lake: Lake, **changes: Any) -> Replay:
    return replay_stage(session, lake, a_plan(**changes), 1, replications=64, seed=1, lift=0.05)


def test_a_stage_is_replayed_in_its_own_pairs_and_windows(session: Session, lake: Lake) -> None:
    found = replayed(session, lake, stages=[a_stage(weeks=4)], windows={"pre_weeks": 4, "home_weeks": 12})
    document = found.document
    assert (document["periods"], document["periods_before"], document["periods_during"]) == (39, 4, 4)
    assert document["n_windows"] == 8
    permutation = next(row for row in document["rows"] if row["method"] == "permutation")
    assert (permutation["n_control"], permutation["n_variant"]) == (6, 6)
    assert permutation["level_by_design"] == 2 / 64
    t = next(row for row in document["rows"] if row["method"] == "regression_t")
    assert t["false_alarms"] is not None
    assert "8 windows of 4 periods" in str(found.lines[0][1])


def test_a_history_of_three_windows_is_too_little_to_say(session: Session, lake: Lake) -> None:
    found = replayed(session, lake)
    assert found.document["n_windows"] == 3
    assert found.document["too_little_history"] is True
    assert not found.is_flagged


def test_strata_and_the_whole_list_are_drawn_as_planned(session: Session, lake: Lake) -> None:
    short = {"stages": [a_stage(weeks=2)], "windows": {"pre_weeks": 2, "home_weeks": 12}}
    whole = replayed(session, lake, mechanism={"kind": "complete"}, **short).document
    inside = replayed(session, lake, mechanism={"kind": "stratified"}, **short).document
    levels = [
        next(row["level_by_design"] for row in d["rows"] if row["level_by_design"] is not None) for d in (whole, inside)
    ]
    assert levels == [46 / 924, 20 / 400]  # C(12, 6) and C(6, 3)², whole mirrored pairs of draws at 5 %


def test_customers_and_a_network_without_receipts_are_refused(session: Session, database: Database) -> None:
    a_network(session)
    with pytest.raises(TooLittleHistory):
        replayed(session, Lake(database.settings))
    with pytest.raises(CustomersAreNotReplayed, match="stores and regions"):
        replayed(session, Lake(database.settings), unit="customer", mechanism={"kind": "complete"})
