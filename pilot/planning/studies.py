"""What takes long about a stage's design: the designs it could have, ranked, and its replay on the past; both kept."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.designer import CandidateDesign, Costs, propose_designs
from experiments.design.mechanisms import MechanismKind
from experiments.design.network_history import NetworkHistory
from experiments.measure.metrics import AssignmentUnit
from experiments.monitor.looks import advancing_level
from pilot.errors import PilotError, Refused
from pilot.outcomes import history
from pilot.planning.calibration import CustomersAreNotReplayed, replay_design
from pilot.planning.candidates import NOTHING_EXCLUDED, CandidateList, Exclusions, home_list
from pilot.planning.contamination import contamination
from pilot.planning.designer import Design, design_of
from pilot.planning.economics import Past, plan_economics
from pilot.planning.errors import NoDesignThere, TooLittleHistory
from pilot.planning.metrics import in_our_words
from pilot.planning.model import Pilot
from pilot.planning.plan import ALL_UNITS, OUTSIDE_LIST, STORE_TOTAL, Plan
from pilot.planning.proving import break_even_of, past_of
from pilot.planning.wizard_model import DesignStudy, StudyKind
from pilot.programs.economics import OfferCost
from pilot.words import N_, Message

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake

POWER = 0.8
ASSUMED_LIFT = 0.05  # what replay injects, and what power is for, where the plan knows no break-even
REPLICATIONS = 200
SEED = 1
_WEEKS = (4, 8, 13, 26)
_CURVE_WEEKS = (2, 4, 6, 8, 10, 13, 16, 20, 26, 39, 52)
_FEWEST = 4

Progress = Callable[[int, int], None]


class CustomersAreNotSearched(Refused):
    code = "customers_are_not_searched"
    template = N_("Stage {stage} draws customers: there are no stores to choose among. What it sees stands beside.")


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every candidate design is measured on: units × weeks, in the order of ``codes``, and the level of a look."""

    codes: tuple[str, ...]
    values: np.ndarray[Any, np.dtype[np.float64]]
    strata: tuple[str, ...]
    past: Past
    stores_per_unit: float

    @property
    def n_weeks(self) -> int:
        return int(self.values.shape[1])

    @property
    def mean(self) -> float:
        return float(self.values.mean())


def search_stage(
    session: Session,
    lake: Lake,
    plan: Plan,
    number: int,
    *,
    excluded: Exclusions = NOTHING_EXCLUDED,
    progress: Progress = lambda _done, _total: None,
) -> dict[str, Any]:
    """Every design that stage ``number`` could have, the sharpest first, and what more weeks of the present one add.

    Stores × weeks × mechanisms on the units that may be drawn; ``plan`` carries its offers. Raises what stands against
    the candidates, and ``CustomersAreNotSearched``.
    """
    if plan.unit is AssignmentUnit.CUSTOMER:
        raise CustomersAreNotSearched(stage=number)
    design = _widest(session, lake, plan, number, excluded)
    ground = _ground(lake, plan, number, design)
    tries = list(_tries(plan, number, ground))
    curve_weeks = [weeks for weeks in _CURVE_WEEKS if _before(plan, ground, weeks)]
    total, rows = len(tries) + len(curve_weeks) + 1, []
    for done, (n, weeks, kind) in enumerate(tries):
        progress(done, total)
        rows.append(_row(plan, number, ground, n, weeks, kind))
    curve = []
    n_now = len(design.mechanism.codes) or len(ground.codes)
    for done, weeks in enumerate(curve_weeks, start=len(tries)):
        progress(done, total)
        found = _row(plan, number, ground, n_now, weeks, plan.mechanism.kind)
        if found["smallest_minor"] is not None:
            curve.append({name: found[name] for name in ("weeks", "smallest_share", "smallest_minor", "break_even")})
    progress(total - 1, total)
    answer = {
        "metric": plan.primary,
        "eligible": list(ground.codes),
        "left_out": [list(row) for row in design.candidates.left_out],
        "history_weeks": ground.n_weeks,
        "power": POWER,
        "designs": _ranked(rows),
        "curve": curve,
        "curve_units": n_now,
        "contamination": contamination(lake, plan, design),
        "notes": [note.to_dict() for note in _notes(plan, ground)],
    }
    progress(total, total)
    return answer


def replay_of_stage(
    session: Session, lake: Lake, plan: Plan, number: int, *, excluded: Exclusions = NOTHING_EXCLUDED
) -> dict[str, Any]:
    """The stage as it stands, replayed on the past: does its test keep its level, and how often does it find a lift?

    The lift that is put in is the plan's break-even; where nobody knows one, ``ASSUMED_LIFT``; the first line says.
    """
    if plan.unit is AssignmentUnit.CUSTOMER:
        raise CustomersAreNotReplayed(stage=number)
    design = design_of(session, lake, plan, number, excluded=excluded)
    break_even = break_even_of(plan, past_of(lake, plan, design))
    lift = ASSUMED_LIFT if break_even is None else float(break_even)
    found = replay_design(lake, plan, number, design, replications=REPLICATIONS, seed=SEED, lift=lift)
    code, template = _ASSUMED if break_even is None else _BREAK_EVEN
    lines = [(0, Message(code, template, {"lift": lift})), *found.lines]
    return {
        "lines": [[indent, message.to_dict()] for indent, message in lines],
        "is_flagged": found.is_flagged,
        "has_too_little_history": bool(found.document["too_little_history"]),
        "replications": REPLICATIONS,
        "lift": lift,
        "lift_is_break_even": break_even is not None,
    }


_BREAK_EVEN = (
    "replay_break_even",
    N_("Put in is the lift at which the dearest offer pays, as the store total shows it: {lift:.1%}."),
)
_ASSUMED = (
    "replay_assumed",
    N_("Put in is a lift of {lift:.1%}, for the plan knows no lift at which its offers pay."),
)


def keep(
    session: Session, pilot: Pilot, number: int, kind: StudyKind, plan: Plan, answer: dict[str, Any], *, now: datetime
) -> DesignStudy:
    """Remember the answer in place of the one before. It is derived: losing it changes no number."""
    found = study_of(session, pilot, number, kind) or DesignStudy(pilot_id=pilot.id, stage_number=number, kind=kind)
    found.plan_hash, found.answer, found.made_at = plan.hash(), answer, now
    session.add(found)
    session.flush()
    return found


def study_of(session: Session, pilot: Pilot, number: int, kind: StudyKind) -> DesignStudy | None:
    """What was last found out about a stage; None where nothing was asked."""
    mine = select(DesignStudy).where(DesignStudy.pilot_id == pilot.id, DesignStudy.stage_number == number)
    return session.scalar(mine.where(DesignStudy.kind == kind))


def with_design(plan: Plan, number: int, answer: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """The plan's document with the design of this rank: mechanism, weeks, and which stores take part.

    The stores are those that must, and of the others the first in an order that follows from the pilot's code alone,
    so that nobody picks them. Raises ``NoDesignThere``.
    """
    row = next((one for one in answer["designs"] if one["rank"] == rank and one["refusal"] is None), None)
    if row is None:
        raise NoDesignThere(rank=rank, stage=number)
    document = plan.to_document()
    kind = row["mechanism"]
    match_on = document["mechanism"]["match_on"] or ["net_minor_per_week"]
    document["mechanism"] = {"kind": kind, "match_on": match_on if kind == MechanismKind.MATCHED_PAIRS else []}
    for stage in document["stages"]:
        if stage["number"] == number:
            stage["weeks"] = row["weeks"]
            stage["units"] = _chosen(plan, number, answer["eligible"], row["n_units"])
    return document


def _chosen(plan: Plan, number: int, eligible: Sequence[str], n: int) -> list[str]:
    if n >= len(eligible):
        return list(plan.stage(number).units) if len(eligible) else [ALL_UNITS]
    must = [code for code in plan.eligibility.must_include if code in eligible and number == 1]
    others = sorted(
        set(eligible) - set(must), key=lambda code: hashlib.sha256(f"{plan.pilot}/{code}".encode()).digest()
    )
    return sorted([*must, *others][: max(n, len(must))])


def _widest(session: Session, lake: Lake, plan: Plan, number: int, excluded: Exclusions) -> Design:
    """The design of the stage as it stands; where its mechanism does not fit, a complete draw of the same units."""
    try:
        return design_of(session, lake, plan, number, excluded=excluded)
    except PilotError:
        simple = plan.model_copy(update={"mechanism": type(plan.mechanism)(kind=MechanismKind.COMPLETE)})
        return design_of(session, lake, simple, number, excluded=excluded)


def _ground(lake: Lake, plan: Plan, number: int, design: Design) -> _Ground:
    listed = design.candidates
    known = history.period_known(lake, listed.version)
    if known is None:
        raise TooLittleHistory(first="–", last="–", stage=number)
    last = min(plan.stage(number).starts_on - timedelta(days=1), known[1])
    weeks = ((last - known[0]).days + 1) // 7
    first = last - timedelta(days=7 * weeks - 1)
    if weeks < 2:
        raise TooLittleHistory(first=str(known[0]), last=str(last), stage=number)
    sums = _sums(lake, listed, first, last)
    if plan.primary == OUTSIDE_LIST and (list_weeks := min(plan.windows.home_weeks, weeks // 3)):
        outside = first + timedelta(days=7 * list_weeks)
        homes = home_list(lake, listed.version, (first, outside - timedelta(days=1)))
        inside = _listed_sums(lake, listed, homes, outside, last)
        cut = {(code, week - list_weeks): net for (code, week), net in sums.items() if week >= list_weeks}
        sums, weeks = {cell: net - inside.get(cell, 0) for cell, net in cut.items()}, weeks - list_weeks
    codes = tuple(candidate.code for candidate in listed.candidates)
    values = np.array([[float(sums.get((code, week), 0)) for week in range(weeks)] for code in codes])
    if not values.sum() > 0:  # nothing was sold, or more was returned: there is no sale to be a share of
        raise TooLittleHistory(first=str(first), last=str(last), stage=number)
    strata = tuple(candidate.stratum or "" for candidate in listed.candidates)
    per_unit = sum(len(stores) for stores in listed.stores.values()) / max(1, len(codes))
    return _Ground(codes, values, strata if len(set(strata)) > 1 else (), past_of(lake, plan, design), per_unit)


def _sums(lake: Lake, listed: CandidateList, first: date, last: date) -> dict[tuple[str, int], int]:
    """(unit, week) → net sales."""
    unit_of = {store: code for code, stores in listed.stores.items() for store in stores}
    found: dict[tuple[str, int], int] = defaultdict(int)
    for row in history.store_weeks(lake, listed.version, first, last).to_pylist():
        if row["store_id"] in unit_of:
            found[unit_of[row["store_id"]], (row["week_start"] - first).days // 7] += row["net_minor"]
    return found


def _listed_sums(
    lake: Lake, listed: CandidateList, homes: Mapping[int, int], first: date, last: date
) -> dict[tuple[str, int], int]:
    """(unit, week) → what customers of the list bought there: the list is fixed before the weeks begin."""
    import ibis
    import pyarrow as pa

    from experiments.measure.exact import exact_sum

    unit_of = {store: code for code, stores in listed.stores.items() for store in stores}
    keys = ibis.memtable(pa.table({"customer_key": pa.array(sorted(homes), pa.int64())}))
    facts = history.receipts_within(lake, listed.version, first, last).semi_join(keys, "customer_key")
    number: Any = facts.business_date.delta(first, unit="day")
    weekly = facts.mutate(week=(number // 7).cast("int64"))
    sums = weekly.group_by("store_id", "week").aggregate(net=exact_sum(weekly.net_minor).cast("int64"))
    found: dict[tuple[str, int], int] = defaultdict(int)
    for row in sums.to_pyarrow().to_pylist():
        if row["store_id"] in unit_of:
            found[unit_of[row["store_id"]], row["week"]] += row["net"]
    return found


def _tries(plan: Plan, number: int, ground: _Ground) -> Iterator[tuple[int, int, MechanismKind]]:
    total, stage = len(ground.codes), plan.stage(number)
    least = max(_FEWEST, len(plan.eligibility.must_include) if number == 1 else 0)
    sizes = sorted({n - n % 2 for n in (total, total * 3 // 4, total // 2, total // 4) if n - n % 2 >= least})
    kinds = [MechanismKind.COMPLETE]
    if ground.strata:
        kinds.append(MechanismKind.STRATIFIED)
    if len(plan.variants) == 2:
        kinds.append(MechanismKind.MATCHED_PAIRS)
    for n in sizes or [total]:
        for weeks in sorted({*_WEEKS, stage.weeks}):
            for kind in kinds:
                yield n, weeks, kind


def _before(plan: Plan, ground: _Ground, weeks: int) -> int:
    """The weeks to compare with that the history leaves beside a window of ``weeks``; 0: none."""
    return max(0, min(plan.windows.pre_weeks, ground.n_weeks - weeks))


def _row(plan: Plan, number: int, ground: _Ground, n: int, weeks: int, kind: MechanismKind) -> dict[str, Any]:
    """One design as JSON."""
    level = advancing_level(plan.stage(number).looks, n_units=n, alpha=float(plan.alpha))
    lift, cost_share = _money(plan, ground, n)
    per_unit = _sales_per_unit(plan, ground)
    target = (lift if lift is not None else ASSUMED_LIFT) * per_unit / ground.mean
    given = plan.economics
    costs = Costs(
        fixed=float(given.setup_minor + given.communication_minor) if given else 0.0,
        per_store=float(given.store_minor) / 2 if given else 0.0,
        per_treated_period=cost_share * per_unit,
    )
    found: CandidateDesign = propose_designs(
        NetworkHistory(ground.codes, ground.values, ground.strata),
        stores=[n],
        periods=[weeks],
        target=target,
        before=_before(plan, ground, weeks) or weeks,
        mechanisms=[kind],
        costs=costs,
        level=level,
        power=POWER,
        seed=SEED,
    )[0]
    smallest = found.smallest_effect
    share = smallest / per_unit if smallest is not None else None
    return {
        "mechanism": kind.value,
        "n_units": n,
        "n_treated": found.n_treated,
        "weeks": weeks,
        "smallest_minor": smallest,
        "smallest_share": share,
        "stage_minor": smallest * found.n_treated * weeks if smallest is not None else None,
        "break_even": lift,
        "proves": None if share is None or lift is None else share <= lift,
        "power": found.power,
        "smallest_p": found.smallest_p,
        "level": level,
        "cost_minor": round(found.cost),
        "n_windows": found.n_windows,
        "refusal": in_our_words(found.refusal).to_dict() if found.refusal else None,
    }


def _money(plan: Plan, ground: _Ground, n: int) -> tuple[float | None, float]:
    """With ``n`` units: the dearest variant's break-even as the store total shows it, and rewards per sales."""
    if plan.economics is None:
        return None, 0.0
    total = len(ground.codes)
    sales, stores = ground.past.weekly_sales_minor, ground.past.treated_stores
    past = replace(
        ground.past,
        weekly_sales_minor=sales * n // total if sales else None,
        treated_stores=max(1, stores * n // total),
    )
    lifts, cost = [], 0.0
    for variant in plan_economics(plan, past).variants.values():
        if isinstance(variant.break_even, Message):
            return None, 0.0
        lifts.append(float(variant.break_even.store_total_lift))
        cost = max(
            [cost, *(float(o.cost.base * o.cost.reach) for o in variant.offers if isinstance(o.cost, OfferCost))]
        )
    lift = max(lifts, default=0.0)
    return (lift if lift > 0 else None), cost


def _sales_per_unit(plan: Plan, ground: _Ground) -> float:
    """Mean weekly sales of a unit: what shares of sales are shares of."""
    if plan.primary == STORE_TOTAL or not (ground.past.weekly_sales_minor and ground.past.treated_stores):
        return ground.mean
    return ground.past.weekly_sales_minor / ground.past.treated_stores * ground.stores_per_unit


def _ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sharpest first, what cannot be run last; of those that prove their break-even the cheapest is marked."""
    ordered = sorted(rows, key=lambda row: (row["smallest_minor"] is None, row["smallest_minor"] or row["weeks"]))
    proving = [row for row in ordered if row["proves"] and row["power"] >= POWER]
    best = min(proving, key=lambda row: (row["cost_minor"], row["weeks"], row["smallest_minor"]), default=None)
    return [{**row, "rank": rank, "is_best": row is best} for rank, row in enumerate(ordered, start=1)]


def _notes(plan: Plan, ground: _Ground) -> Iterator[Message]:
    if plan.primary not in (STORE_TOTAL, OUTSIDE_LIST):
        yield Message("search_by_total", N_("Ranked by the store total: the leading metric is one of customers."), {})
    if len(plan.variants) > 2:
        yield Message(
            "search_two_arms",
            N_("Ranked with two equal arms; with more variants each arm is smaller and sees less."),
            {},
        )
    if ground.n_weeks < plan.windows.pre_weeks + max(_WEEKS):
        yield Message(
            "search_short_history",
            N_("The history has {weeks} weeks, so long designs are compared with fewer weeks before."),
            {"weeks": ground.n_weeks},
        )
