"""The brief: from an objective and a mechanic to a draft that is filled in with what they propose."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from pilot.access.model import User
from pilot.planning.errors import MechanicNotInProgram
from pilot.planning.metrics import LIBRARY_VERSION, PROPOSALS
from pilot.planning.model import Pilot
from pilot.planning.plan import ALL_UNITS, STANDARD_GATE, GateRule, Objective
from pilot.planning.queries import business_day
from pilot.planning.service import create_pilot
from pilot.programs.mechanics import spec_of
from pilot.programs.model import Program
from pilot.words import listed

COOLING_WEEKS = 4
_LEAD_TIME = timedelta(weeks=4)
_DRAW = {"kind": "matched_pairs", "match_on": ["net_minor_per_week"]}


def draft_from_brief(
    session: Session,
    *,
    code: str,
    name: str,
    program: Program,
    objective: Objective,
    hypothesis: str,
    mechanic: str,
    stage_name: str,
    blind: Collection[str] = (),
    actor: User,
    now: datetime,
) -> Pilot:
    """A draft with what the objective proposes: measures, who leads, guardrails, windows, and a first stage.

    ``blind`` are guardrails that the past shows nothing of (``blind.blind_guardrails``): they are not proposed. The
    stage begins on the first Monday at least four weeks ahead, in all stores; its gate asks about money too.
    ``mechanic`` empty: that of the program's first offer. Raises ``MechanicNotInProgram`` and ``UnknownMechanic``.
    """
    offered = [offer.mechanic for variant in program.variants for offer in variant.offers]
    mechanic = mechanic or next(iter(offered), "")
    if mechanic and offered and spec_of(mechanic).mechanic not in offered:
        known = listed([spec_of(one).title for one in dict.fromkeys(offered)])
        raise MechanicNotInProgram(program=program.name, mechanic=spec_of(mechanic).title, known=known)
    proposal = PROPOSALS[objective]
    starts_on = _monday(business_day(session, now) + _LEAD_TIME)
    stage = {
        "number": 1,
        "name": stage_name,
        "starts_on": str(starts_on),
        "weeks": proposal.stage_weeks,
        "gate": [*STANDARD_GATE, GateRule.MONEY],
    }
    document = {
        "objective": objective.value,
        "hypothesis": hypothesis,
        "mechanic": mechanic,
        "mechanism": _DRAW,
        "eligibility": {"cooling_weeks": COOLING_WEEKS},
        "stages": [stage],
    }
    document = propose_measures(document, objective, blind)
    return create_pilot(session, code=code, name=name, program=program, document=document, actor=actor, now=now)


def propose_measures(document: dict[str, Any], objective: Objective, blind: Collection[str] = ()) -> dict[str, Any]:
    """``document`` with what the objective proposes to measure, but for ``blind`` guardrails; everything else stays."""
    proposal = PROPOSALS[objective]
    guardrails = [
        {"metric": one.metric, "margin_share": str(one.margin_share)}
        for one in proposal.guardrails
        if one.metric not in blind
    ]
    return {
        **document,
        "objective": objective.value,
        "primary": proposal.primary,
        "secondary": list(proposal.secondary),
        "guardrails": guardrails,
        "leads": proposal.leads.value,
        "windows": proposal.windows.model_dump(mode="json"),
        "metrics_version": LIBRARY_VERSION,
    }


def among_rivals(document: dict[str, Any]) -> dict[str, Any]:
    """A pilot that defends and says no more than “all stores” of a stage stays among the stores near the rival."""
    rivals = document["rival_stores"]
    if document["objective"] != Objective.DEFEND or not rivals:
        return document
    stages = [
        {**stage, "units": list(rivals)} if stage["units"] == [ALL_UNITS] else stage for stage in document["stages"]
    ]
    return {**document, "stages": stages}


def _monday(day: date) -> date:
    return day + timedelta(days=-day.weekday() % 7)
