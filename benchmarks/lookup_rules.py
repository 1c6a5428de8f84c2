"""The product's side of the look-up in process: a snapshot of two drawn pilots, compiled into one store's till."""

from collections.abc import Mapping
from datetime import date

from experiments.design.mechanisms import Share, bernoulli_hash
from pilot.assignment.people import Person
from pilot.assignment.snapshot import Case, Drawn, Place, Snapshot
from pilot.assignment.till import Till
from pilot.planning.lifecycle import StageState
from pilot.planning.plan import Plan

STORE = "S1"


def till_and_people(
    n: int, fixed: Mapping[str, str], starts_on: date, today: date
) -> tuple[Till, Mapping[str, Person]]:
    """Fixed customers first; then the hash, of which a tenth falls to the holdout."""
    fixed_by_hand = _case(1, "a-fixed", {"control": 1, "points": 1}, starts_on, is_open=False)
    drawn = _case(2, "b-drawn", {"control": 9, "points": 9, "held_out": 2}, starts_on, is_open=True)
    snapshot = Snapshot({STORE: Place(1, STORE, "R", "UTC")}, 0, (fixed_by_hand, drawn), ())
    people = {
        str(key): Person(key, {}, {}, {1: fixed[str(key)]} if str(key) in fixed else {}) for key in range(1, n + 1)
    }
    return Till(snapshot, snapshot.places[STORE], today), people


def _case(number: int, code: str, shares: Mapping[str, int], starts_on: date, *, is_open: bool) -> Case:
    plan = Plan.from_document(
        {
            "pilot": code, "program": "card", "unit": "customer",
            "mechanism": {"kind": "bernoulli_hash" if is_open else "complete"},
            "variants": [{"code": variant, "weight": weight} for variant, weight in shares.items()],
            "offers": [{"code": "card.points.all", "variant": "points", "segment": None, "name": "Points",
                        "mechanic": "cumulative_bonus", "terms": {"earn_share": "0.02"}, "enrolment": {}}],
            "stages": [{"number": 1, "name": "One", "starts_on": starts_on.isoformat(), "weeks": 8}],
        }
    )  # fmt: skip
    mechanism = bernoulli_hash([Share(*share) for share in shares.items()], "salt") if is_open else None
    stage = plan.stages[0]
    drawn = Drawn(number, {}, frozenset({STORE}), {}, mechanism)
    return Case(code, False, 1, StageState.RUNNING, stage.starts_on, stage.ends_on(), plan, drawn)
