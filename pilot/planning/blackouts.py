"""What a blackout does to stages that are sealed already: told when it is saved, for nothing else would tell."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from pilot.planning.calendar import MOST_NAMED, stores_of, stores_of_stage
from pilot.planning.calendar_model import CalendarEvent, EventKind
from pilot.planning.lifecycle import StageState
from pilot.planning.model import Pilot, Stage
from pilot.planning.plan import Plan
from pilot.planning.queries import pilots, sealed_plan
from pilot.words import N_, Message


@dataclass(frozen=True, slots=True)
class BlackoutHit:
    """A stage of a sealed plan that a blackout meets: in which stores of its plan, whether in all, and what follows."""

    pilot: Pilot
    stage: int
    stores: tuple[str, ...]
    is_whole: bool
    message: Message


def blackout_hits(session: Session, event: CalendarEvent) -> list[BlackoutHit]:
    """The sealed stages, not started or under way, with a day and a store in the blackout; none of other events.

    The days are those until the last look that the stage may take.
    """
    if event.kind != EventKind.BLACKOUT:
        return []
    places, found = stores_of(session, event), []
    for pilot in pilots(session):
        if pilot.plan_hash is None or pilot.is_ended:
            continue
        plan = sealed_plan(session, pilot)
        for stage in pilot.stages:
            if stage.state not in (StageState.PASSED, StageState.STOPPED):
                found += _hit(session, pilot, plan, stage, event, places)
    return found


def _hit(
    session: Session, pilot: Pilot, plan: Plan, stage: Stage, event: CalendarEvent, places: set[str]
) -> list[BlackoutHit]:
    planned = plan.stage(stage.number)
    if not event.overlaps(stage.starts_on, planned.last_possible_day):
        return []
    stores = stores_of_stage(session, plan, planned)
    met = tuple(sorted(stores & places))
    if not met:
        return []
    is_whole = len(met) == len(stores)
    code, template = _FOLLOWS[_when(stage), is_whole]
    values = {
        "pilot": pilot.name,
        "stage": stage.number,
        "first": str(stage.starts_on),
        "last": str(planned.last_possible_day),
        "n": len(met),
        "stores": ", ".join(met[:MOST_NAMED]) + (" …" if len(met) > MOST_NAMED else ""),
    }
    return [BlackoutHit(pilot, stage.number, met, is_whole, Message(code, template, values))]


def _when(stage: Stage) -> StageState:
    if stage.is_under_way:
        return StageState.RUNNING
    return StageState(stage.state)


_RUNS = N_(
    "“{pilot}”, stage {stage} ({first:date} to {last:date}), runs already, in {stores} of its plan: nothing stops it. "
    "Stop the pilot, or move the blackout."
)
_FOLLOWS: dict[tuple[StageState, bool], tuple[str, str]] = {
    (StageState.PLANNED, False): (
        "blackout_hits_planned",
        N_(
            "“{pilot}”, stage {stage} ({first:date} to {last:date}), is sealed and not drawn yet: {stores} will stay "
            "out of its draw."
        ),
    ),
    (StageState.PLANNED, True): (
        "blackout_hits_planned_whole",
        N_(
            "“{pilot}”, stage {stage} ({first:date} to {last:date}), is sealed, and all of its stores lie in the "
            "blackout: it can neither be drawn nor start. Amend its dates."
        ),
    ),
    (StageState.DRAWN, False): (
        "blackout_hits_drawn",
        N_(
            "“{pilot}”, stage {stage} ({first:date} to {last:date}), is drawn already, before {stores} were taken out: "
            "it would start there. Amend the plan, so that it is drawn anew."
        ),
    ),
    (StageState.DRAWN, True): (
        "blackout_hits_drawn_whole",
        N_(
            "“{pilot}”, stage {stage} ({first:date} to {last:date}), is drawn, and all of its stores lie in the "
            "blackout: it cannot start. Amend its dates."
        ),
    ),
    (StageState.RUNNING, False): ("blackout_hits_running", _RUNS),
    (StageState.RUNNING, True): ("blackout_hits_running", _RUNS),
}
