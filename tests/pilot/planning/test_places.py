"""A plan names only what the network has: a slip in a code would draw the store that was to stay out."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from pilot.database import Database
from pilot.planning import service
from pilot.planning.errors import RivalStoresDoNotFit, SubgroupDoesNotFit, UnknownPlaces, UnknownUnits
from pilot.planning.queries import draft_plan
from pilot.planning.submission import problems_of
from pilot.planning.wizard import Step, step_of
from tests.pilot.assignment.a_drawn_pilot import drawn, sealed, started
from tests.pilot.planning.a_network import a_document, a_lake, a_network, a_pilot, a_stage, amended, submitted


@pytest.mark.parametrize(
    ("changes", "error", "says", "step"),
    [
        ({"holdout": ["S01", "S1"]}, UnknownPlaces, r"the holdout\): S1\.", Step.STORES),
        ({"eligibility": {"must_exclude": ["S77", "SOUTH"]}}, UnknownPlaces, r"stay out\): S77, SOUTH\.", Step.STORES),
        ({"eligibility": {"must_include": ["S99"]}}, UnknownPlaces, r"take part\): S99\.", Step.STORES),
        ({"subgroups": ["region:WEST"]}, SubgroupDoesNotFit, "region:NORTH, region:SOUTH", Step.DESIGN),
        ({"subgroups": ["segment:nobody"]}, SubgroupDoesNotFit, "segment:young", Step.DESIGN),
        ({"subgroups": ["size:middling"]}, SubgroupDoesNotFit, "size:large, size:small", Step.DESIGN),
        ({"stages": [a_stage(units=["region:WEST"])]}, UnknownUnits, "region:WEST", Step.STAGES),
        (
            {
                "objective": "defend",
                "rival_stores": ["S01", "S02", "RIVAL"],
                "stages": [a_stage(units=["S01", "S02"])],
            },
            RivalStoresDoNotFit,
            "the network has no RIVAL",
            Step.BRIEF,
        ),
    ],
)
def test_what_the_network_does_not_have_is_refused_and_shown_in_its_step(
    session: Session, database: Database, changes: dict[str, Any], error: type[Exception], says: str, step: Step
) -> None:
    a_network(session)
    pilot = a_pilot(session, **changes)
    (shown,) = problems_of(session, pilot, draft_plan(pilot))
    assert isinstance(shown, error)
    assert step_of(shown) is step
    with pytest.raises(error, match=says):
        submitted(session, pilot, a_lake(database.settings))
    assert pilot.state == "draft"


def test_a_region_as_a_declared_group_is_submitted(session: Session, database: Database) -> None:
    a_network(session)
    pilot = a_pilot(session, subgroups=["region:NORTH", "segment:young", "size:small"], holdout=["S12"])
    assert problems_of(session, pilot, draft_plan(pilot)) == []


def test_a_region_stays_out_by_its_code_only_where_regions_are_drawn(session: Session) -> None:
    a_network(session)
    whole = {"eligibility": {"must_exclude": ["SOUTH"]}, "mechanism": {"kind": "complete"}}
    of_regions = a_pilot(session, **whole, unit="region")
    of_stores = a_pilot(session, **whole, code="points-2")
    assert problems_of(session, of_regions, draft_plan(of_regions)) == []
    assert [type(one) for one in problems_of(session, of_stores, draft_plan(of_stores))] == [UnknownPlaces]


def test_a_started_pilot_is_amended_although_a_name_of_its_first_plan_is_unknown_by_now(
    session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_network(session)
    lake = a_lake(database.settings)
    two = [a_stage(), a_stage(2)]
    with monkeypatch.context() as before_the_rule:
        before_the_rule.setattr("pilot.planning.places.require_places", lambda _session, _plan: None)
        pilot = sealed(session, lake, stages=two, holdout=["OLD"], alpha="0.5")
    drawn(session, lake, pilot)
    started(session, pilot)
    later = a_document(stages=[a_stage(), a_stage(2, weeks=9)], holdout=["OLD"], alpha="0.5")
    assert amended(session, pilot, lake, later, "Longer").number == 2
    assert service.sealed_plan(session, pilot).revision == 1
