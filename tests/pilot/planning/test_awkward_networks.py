"""Networks too small, too young or too empty to learn from: each is refused by name before anything is sealed."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from pilot.assignment.exclusions import excluding
from pilot.database import Database
from pilot.network.model import Store
from pilot.outcomes.lake import Lake
from pilot.planning.errors import DesignRefused, DesignRefusedManyLooks, MechanismDoesNotFit, TooLittleHistory
from pilot.planning.model import Pilot
from pilot.planning.submission import CheckedPlan, check_submission
from tests.pilot.planning.a_network import a_lake, a_network, a_pilot, a_stage

COMPLETE: dict[str, Any] = {"mechanism": {"kind": "complete"}}
STRATIFIED: dict[str, Any] = {"mechanism": {"kind": "stratified"}}
NORTH = ["region:NORTH"]  # six stores


def check(session: Session, pilot: Pilot, lake: Lake) -> CheckedPlan:
    return check_submission(session, pilot, lake=lake, excluded=excluding(session, pilot))


@pytest.fixture
def network(session: Session) -> Session:
    a_network(session)
    return session


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """What is refused here does not depend on the database."""
    return sqlite_database


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        (COMPLETE | {"stages": [a_stage(units=["S01"])]}, MechanismDoesNotFit, "1"),
        ({"stages": [a_stage(units=["S01"])]}, MechanismDoesNotFit, "1"),
        (STRATIFIED | {"stages": [a_stage(units=["S01"])]}, MechanismDoesNotFit, "1"),
        (COMPLETE | {"stages": [a_stage(units=["S01", "S02"])]}, DesignRefused, r"1\.0000"),
        (COMPLETE | {"unit": "region", "stages": [a_stage(units=["NORTH"])]}, MechanismDoesNotFit, "1"),
        (COMPLETE | {"unit": "region"}, DesignRefused, r"1\.0000"),  # 2 / C(2, 1)
        (STRATIFIED | {"stages": [a_stage(units=NORTH)]}, DesignRefused, r"0\.1000"),  # 2 / C(6, 3)
        (STRATIFIED | {"stages": [a_stage(units=NORTH, looks=4, extension_weeks=2)]}, DesignRefusedManyLooks, "0.1000"),
        (COMPLETE | {"stages": [a_stage(starts_on="2025-06-02")]}, TooLittleHistory, "2025"),
    ],
    ids=[
        "one store", "one store in pairs", "one store in a stratum", "two stores", "one region", "two regions",
        "all stores in one stratum", "four looks", "no history before the start",
    ],
)  # fmt: skip
def test_a_network_that_cannot_tell_is_refused(
    network: Session, database: Database, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    pilot = a_pilot(network, **changes)
    with pytest.raises(error, match=says):
        check(network, pilot, a_lake(database.settings))


def test_an_empty_lake_is_too_little_history(network: Session, database: Database) -> None:
    with pytest.raises(TooLittleHistory):
        check(network, a_pilot(network), Lake(database.settings))


def test_a_network_whose_stores_have_all_closed_has_nobody_to_draw(network: Session, database: Database) -> None:
    network.execute(update(Store).values(closed_on=date(2026, 3, 1)))
    with pytest.raises(MechanismDoesNotFit):
        check(network, a_pilot(network), a_lake(database.settings))


@pytest.mark.parametrize("code", ["Köln-1", "магазин", "店1", "S 01, Mitte", 'S"01', "a/b:c#d"])
def test_a_store_may_be_called_anything(network: Session, database: Database, code: str) -> None:
    network.execute(update(Store).where(Store.code == "S05").values(code=code))
    units = [code if n == 5 else f"S{n:02d}" for n in range(1, 13)]
    pilot = a_pilot(network, stages=[a_stage(units=units)])
    assert check(network, pilot, a_lake(database.settings)).last_started == 0
