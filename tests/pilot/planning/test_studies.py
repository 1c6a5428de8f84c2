"""The search of designs, one taken into the plan, what an objective proposes, and amendments in writing."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.outcomes.lake import SCHEMA, Lake
from pilot.planning import studies, wizard
from pilot.planning.brief import among_rivals, draft_from_brief
from pilot.planning.contamination import cross_shopping
from pilot.planning.designer import design_of
from pilot.planning.errors import MechanicNotInProgram, NoDesignThere, NotADraft, TooLittleHistory
from pilot.planning.lifecycle import PilotState
from pilot.planning.model import Pilot
from pilot.planning.plan import Objective, Plan
from pilot.planning.queries import draft_plan
from pilot.planning.reaching import units_needed
from pilot.planning.submission import as_submitted
from pilot.planning.wizard_model import StudyKind
from pilot.settings import Settings
from pilot.words import Message
from tests.builders import a_user
from tests.pilot.planning.a_network import FIRST_DAY, NOW, WEEKS, a_lake, a_network, a_pilot, a_program


def searched(session: Session, settings: Settings, **changes: Any) -> tuple[Pilot, Plan, dict[str, Any]]:
    a_network(session)
    lake = a_lake(settings)
    pilot = a_pilot(session, economics={"margin_share": "0.30"}, **changes)
    plan = as_submitted(session, pilot, draft_plan(pilot))
    return pilot, plan, studies.search_stage(session, lake, plan, 1)


def test_designs_come_sharpest_first_with_money_for_the_store_week_and_the_stage(
    session: Session, settings: Settings
) -> None:
    _pilot, _plan, answer = searched(session, settings)
    able = [row for row in answer["designs"] if row["refusal"] is None]
    assert [row["rank"] for row in answer["designs"]] == list(range(1, len(answer["designs"]) + 1))
    assert [row["smallest_minor"] for row in able] == sorted(row["smallest_minor"] for row in able)
    first = able[0]
    assert first["stage_minor"] == pytest.approx(first["smallest_minor"] * first["n_treated"] * first["weeks"])
    assert all(row["proves"] is (row["smallest_share"] <= row["break_even"]) for row in able)
    best = [row for row in able if row["is_best"]]
    proving = [row for row in able if row["proves"] and row["power"] >= studies.POWER]
    assert [row["cost_minor"] for row in best] == ([min(row["cost_minor"] for row in proving)] if proving else [])
    too_small = [row for row in answer["designs"] if row["n_units"] < 8 and row["mechanism"] == "matched_pairs"]
    assert too_small
    assert all(row["refusal"]["code"] == "cannot_reach" for row in too_small if row["n_windows"])
    assert len(answer["curve"]) >= 3


def test_a_design_is_taken_with_the_stores_that_must_be_in_it_and_nobody_picks_the_others(
    session: Session, settings: Settings
) -> None:
    pilot, plan, answer = searched(session, settings, eligibility={"must_include": ["S11", "S12"]})
    row = next(one for one in answer["designs"] if one["n_units"] < 12 and one["refusal"] is None)
    taken = Plan.from_document(studies.with_design(plan, 1, answer, row["rank"]))
    assert taken.mechanism.kind == row["mechanism"]
    assert taken.stage(1).weeks == row["weeks"]
    assert len(taken.stage(1).units) == row["n_units"]
    assert {"S11", "S12"} <= set(taken.stage(1).units)
    assert taken == Plan.from_document(studies.with_design(plan, 1, answer, row["rank"]))
    refused = next((one["rank"] for one in answer["designs"] if one["refusal"]), len(answer["designs"]) + 1)
    with pytest.raises(NoDesignThere):
        studies.with_design(plan, 1, answer, refused)
    assert studies.keep(session, pilot, 1, StudyKind.SEARCH, plan, answer, now=NOW).plan_hash == plan.hash()
    studies.keep(session, pilot, 1, StudyKind.SEARCH, plan, {"designs": []}, now=NOW)
    kept = studies.study_of(session, pilot, 1, StudyKind.SEARCH)
    assert kept is not None
    assert kept.answer == {"designs": []}


def test_sales_outside_the_list_are_ranked_on_their_own_past(session: Session, settings: Settings) -> None:
    _pilot, _plan, answer = searched(session, settings, primary="sales_outside_list")
    totals = 39
    assert answer["history_weeks"] == totals - 12  # the weeks that made the list are not its past
    assert any(row["refusal"] is None for row in answer["designs"])


def test_cross_shopping_is_counted_by_home_and_visited_store(session: Session, settings: Settings) -> None:
    a_network(session)
    lake = a_lake(settings)
    plan = draft_plan(a_pilot(session))
    design = design_of(session, lake, plan, 1)
    sales = cross_shopping(lake, plan, design)
    assert {home for home, _at in sales} == {f"S{n:02d}" for n in range(1, 13)}
    assert all(home == at for home, at in sales)  # everybody of this network shops at home
    assert all(net > 0 for net in sales.values())


def test_what_a_draw_needs_to_reach_its_level_is_the_fewest_units(session: Session) -> None:
    a_network(session)
    plan = draft_plan(a_pilot(session))
    assert [message.values["n"] for message in units_needed(plan, 1)] == [8, 12]  # 2 / 70 and 2 / 64 are below 0.05


def test_an_objective_proposes_a_whole_draft_whose_gate_asks_about_money(session: Session) -> None:
    a_network(session)
    manager = a_user(session, Role.MANAGER)
    pilot = _brief(session, manager, Objective.WIN)
    plan = draft_plan(pilot)
    assert (plan.primary, plan.secondary[0]) == ("sales_outside_list", "store_total")
    assert plan.mechanic == "cumulative_bonus"
    assert "money" in plan.stages[0].gate
    assert plan.stages[0].starts_on.weekday() == 0
    assert plan.stages[0].starts_on >= NOW.date() + timedelta(weeks=4)
    with pytest.raises(MechanicNotInProgram, match="Card"):
        _brief(session, manager, Objective.KEEP, code="second", mechanic="tier_card")


def test_a_pilot_that_defends_begins_among_the_stores_near_the_rival(session: Session) -> None:
    a_network(session)
    document = draft_plan(a_pilot(session, objective="defend", rival_stores=["S01", "S02"])).to_document()
    assert among_rivals(document)["stages"][0]["units"] == ["S01", "S02"]
    named = {**document, "stages": [{**document["stages"][0], "units": ["S01"]}]}
    assert among_rivals(named) == named
    assert among_rivals({**document, "objective": "keep"})["stages"][0]["units"] == ["all"]
    two = {**document, "stages": [document["stages"][0], {**document["stages"][0], "number": 2}]}
    assert [stage["units"] for stage in among_rivals(two)["stages"]] == [["S01", "S02"]] * 2


def test_an_amendment_is_written_beside_the_plan_in_force(session: Session) -> None:
    a_network(session)
    pilot = a_pilot(session)
    manager = session.get_one(User, pilot.owner_id)
    document = draft_plan(pilot).to_document()
    wizard.save(session, pilot, {**document, "hypothesis": "Another"}, actor=manager, now=NOW)
    assert draft_plan(pilot).hypothesis == "Another"
    pilot.state = PilotState.RUNNING
    with pytest.raises(NotADraft):
        wizard.require_draft(pilot)
    wizard.save(session, pilot, {**document, "hypothesis": "A third"}, actor=manager, now=NOW)
    assert pilot.plan["hypothesis"] == "Another"
    assert wizard.amendment_to_check(session, pilot)["hypothesis"] == "A third"
    wizard.give_up_amendment(session, pilot, actor=manager, now=NOW)
    assert wizard.amendment_of(session, pilot) is None


def _brief(session: Session, manager: User, objective: Objective, *, code: str = "first", mechanic: str = "") -> Pilot:
    from pilot.programs.model import Program

    program = session.scalar(select(Program)) or a_program(session, manager)
    return draft_from_brief(
        session, code=code, name=code.title(), program=program, objective=objective, hypothesis="It works.",
        mechanic=mechanic, stage_name="First", actor=manager, now=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("economics", "lift", "says"),
    [
        ({"margin_share": "0.30"}, 0.014 / 0.286, "at which the dearest offer pays"),
        (None, 0.05, "for the plan knows no lift"),
        ({"margin_share": "0.30", "redemption_low": "0", "redemption_share": "0"}, 0.05, "for the plan knows no lift"),
    ],
)
def test_the_replay_puts_in_the_break_even_and_says_what_it_put_in(
    session: Session, settings: Settings, economics: dict[str, str] | None, lift: float, says: str
) -> None:
    a_network(session)
    pilot = a_pilot(session, economics=economics)
    plan = as_submitted(session, pilot, draft_plan(pilot))
    found = studies.replay_of_stage(session, a_lake(settings), plan, 1)
    assert found["lift"] == pytest.approx(lift)
    assert found["lift_is_break_even"] is (says == "at which the dearest offer pays")
    assert says in str(Message.from_dict(found["lines"][0][1]))


def test_stores_that_took_back_more_than_they_sold_have_too_little_history_to_search(
    session: Session, settings: Settings
) -> None:
    a_network(session)
    lake = a_lake(settings)
    give_back(lake)
    pilot = a_pilot(session)
    plan = as_submitted(session, pilot, draft_plan(pilot))
    with pytest.raises(TooLittleHistory):
        studies.search_stage(session, lake, plan, 1)


def give_back(lake: Lake) -> None:
    """A receipt of each store that takes back more than it has sold."""
    day = FIRST_DAY + timedelta(weeks=WEEKS, days=-2)
    rows = [
        {
            "receipt_id": f"back-{store}", "store_id": store, "kind": "sale", "at": NOW, "business_date": day,
            "customer_key": None, "net_minor": -10**9, "vat_minor": 0, "discount_minor": 0, "reward_minor": 0,
            "n_items": 1, "received_at": NOW, "batch_id": "back",
        }
        for store in range(1, 13)
    ]  # fmt: skip

    def write(_month: str, path: Path) -> int:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
        return len(rows)

    with lake.writing():
        lake.append("back", [f"{day:%Y-%m}"], write)
