"""Who may be drawn in a stage: the units that the plan names, what they looked like before, and why others stay out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from experiments.design.mechanisms import (
    Candidate,
    Mechanism,
    MechanismKind,
    Share,
    bernoulli_hash,
    complete,
    matched_pairs,
    stratified,
)
from experiments.errors import ExperimentError
from experiments.measure.metrics import AssignmentUnit, spend_per_customer
from experiments.measure.moments import unit_moments
from experiments.measure.windows import Window, Windows
from pilot.network.model import Customer, Region, Store
from pilot.network.segments import segments_of_all
from pilot.outcomes import history
from pilot.planning.candidate_words import COVARIATES as COVARIATES
from pilot.planning.candidate_words import MECHANISMS, Covariate, StaysOut
from pilot.planning.candidate_words import STAYS_OUT_WORDS as STAYS_OUT_WORDS
from pilot.planning.errors import MechanismDoesNotFit, MustIncludeStaysOut, TooLittleHistory, UnknownUnits
from pilot.planning.metrics import in_our_words
from pilot.planning.plan import ALL_UNITS, REGION_PREFIX, Plan, StagePlan
from pilot.words import N_, Message

if TYPE_CHECKING:
    from pilot.outcomes.lake import Lake

NO_SEGMENT = "-"
UNSEALED = "unsealed"
_NOT_NAMED = Message("not_among_units", N_("the stage does not name it, nor its region"))


@dataclass(frozen=True, slots=True)
class CandidateList:
    """Candidates in the order of their codes, who stays out and why, each unit's stores, and the listed customers.

    ``version`` is that of the lake which was read; ``homes`` maps each customer at home in a candidate's store
    (customer_key, ascending) to that store's id.
    """

    version: int
    candidates: tuple[Candidate, ...]
    left_out: tuple[tuple[str, str], ...]
    stores: Mapping[str, tuple[int, ...]]
    homes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What earlier stages and other pilots rule out: stores with the reason, and customers who stay out."""

    stores: Mapping[str, StaysOut]
    customers: frozenset[int] = frozenset()


NOTHING_EXCLUDED = Exclusions({})


@dataclass(frozen=True, slots=True)
class _Past:
    """One store's pre-period in whole numbers."""

    weeks: int = 0
    net_minor: int = 0
    receipts: int = 0
    identified: int = 0


def candidate_list(
    session: Session,
    lake: Lake,
    plan: Plan,
    number: int,
    *,
    version: int,
    before: date | None = None,
    excluded: Exclusions = NOTHING_EXCLUDED,
) -> CandidateList:
    """The candidates of a stage by the plan's words and the history in ``version`` of the lake.

    Pre-period and home period end the day before the stage starts, or the day before ``before`` (a preview, while the
    receipts up to the start are not there yet). Raises ``UnknownUnits`` for a code that the network does not have and
    ``TooLittleHistory`` without receipts before, ``MustIncludeStaysOut`` where the plan wants a unit that cannot be.
    """
    stage = plan.stage(number)
    before = before or stage.starts_on
    first, last = plan.pre_window(before)
    units = units_of(session, plan, stage)
    past = _past(lake, version, first, last)
    named = {store.id for stores in units.values() for store in stores}
    if not named & set(past):
        raise TooLittleHistory(first=str(first), last=str(last), stage=number)
    homes = {
        key: store_id
        for key, store_id in home_list(lake, version, plan.home_window(before)).items()
        if store_id in named and key not in excluded.customers
    }
    listed = Counter(homes.values())
    staying, left_out = {}, []
    for code, stores in units.items():
        reason = _reason(plan, stage, first, code, stores, past, listed, excluded)
        if reason is None:
            staying[code] = stores
        else:
            left_out.append((code, reason.value))
    _require_among(plan, number, staying, dict(left_out))
    ids = {code: tuple(store.id for store in stores) for code, stores in staying.items()}
    kept = {store_id for stores_ids in ids.values() for store_id in stores_ids}
    homes = {key: store_id for key, store_id in homes.items() if store_id in kept}
    if plan.unit is AssignmentUnit.CUSTOMER:
        candidates = _customers(session, plan, homes)
    else:
        candidates = _units(lake, plan, (first, last), version, staying, ids, past, homes)
    return CandidateList(version, candidates, tuple(sorted(left_out)), ids, homes)


def mechanism_for(plan: Plan, candidates: Iterable[Candidate], *, salt: str = UNSEALED) -> Mechanism:
    """The mechanism that the plan describes over these candidates; ``salt`` is used by ``bernoulli_hash`` only.

    Raises ``MechanismDoesNotFit`` when these candidates cannot be drawn that way.
    """
    try:
        return _mechanism(plan, list(candidates), salt)
    except ExperimentError as error:
        problem = in_our_words(error.message)
        raise MechanismDoesNotFit(mechanism=MECHANISMS[plan.mechanism.kind], problem=problem) from error


def require_included(plan: Plan, number: int, mechanism: Mechanism) -> None:
    """``MustIncludeStaysOut`` where the mechanism leaves out a unit that the plan wants in its first stage."""
    if plan.unit is not AssignmentUnit.CUSTOMER:
        _require_among(plan, number, mechanism.codes, dict(mechanism.left_out))


def units_of(session: Session, plan: Plan, stage: StagePlan) -> dict[str, tuple[Store, ...]]:
    """Unit code → its stores, in the order of codes. For assigned customers the units here are their home stores."""
    stores = list(session.scalars(select(Store).order_by(Store.code)))
    regions = {region.code: region for region in session.scalars(select(Region).order_by(Region.code))}
    by_region = {code: tuple(s for s in stores if s.region_id == region.id) for code, region in regions.items()}
    by_store = {store.code: (store,) for store in stores}
    known = by_region if plan.unit is AssignmentUnit.REGION else by_store
    chosen: dict[str, tuple[Store, ...]] = {}
    unknown = []
    for name in stage.units:
        if name == ALL_UNITS:
            chosen.update(known)
        elif name.startswith(REGION_PREFIX) and name.removeprefix(REGION_PREFIX) in by_region:
            region = name.removeprefix(REGION_PREFIX)
            is_unit = plan.unit is AssignmentUnit.REGION
            chosen.update({region: by_region[region]} if is_unit else {s.code: (s,) for s in by_region[region]})
        elif name in known:
            chosen[name] = known[name]
        else:
            unknown.append(name)
    if unknown:
        raise UnknownUnits(stage=stage.number, names=", ".join(sorted(unknown)))
    return dict(sorted(chosen.items()))


def _mechanism(plan: Plan, listed: list[Candidate], salt: str) -> Mechanism:
    shares = [Share(variant.code, variant.weight) for variant in plan.variants]
    match plan.mechanism.kind:
        case MechanismKind.BERNOULLI_HASH:
            return bernoulli_hash(shares, salt)
        case MechanismKind.MATCHED_PAIRS:
            return matched_pairs(listed, shares, on=plan.mechanism.match_on)
        case MechanismKind.STRATIFIED:
            return stratified(listed, shares)
        case _:
            return complete(listed, shares)


def _past(lake: Lake, version: int, first: date, last: date) -> dict[int, _Past]:
    weeks = history.store_weeks(lake, version, first, last).to_pylist()
    found: dict[int, _Past] = {}
    for row in weeks:
        before = found.get(row["store_id"], _Past())
        found[row["store_id"]] = _Past(
            before.weeks + (row["receipts"] > 0),
            before.net_minor + row["net_minor"],
            before.receipts + row["receipts"],
            before.identified + row["identified_receipts"],
        )
    return found


def home_list(lake: Lake, version: int, days: tuple[date, date]) -> dict[int, int]:
    """customer_key → home store id by the receipts of ``days``, in ascending order of keys."""
    table = history.home_stores(lake, version, *days)
    columns = table.select(["customer_key", "store_id"]).to_pydict()
    return dict(sorted(zip(columns["customer_key"], columns["store_id"], strict=True)))


def units_table(unit_of: Mapping[int, str], key: str = "store_id") -> pa.Table:
    """A mapping of ids (stores, or customers by home) to unit codes as the table that the engine joins: key, unit."""
    return pa.table({key: pa.array(list(unit_of), pa.int64()), "unit": pa.array(list(unit_of.values()), pa.string())})


def _reason(
    plan: Plan,
    stage: StagePlan,
    first: date,
    code: str,
    stores: tuple[Store, ...],
    past: Mapping[int, _Past],
    listed: Mapping[int, int],
    excluded: Exclusions,
) -> StaysOut | None:
    """The first reason that keeps the unit out, in the order in which a person would want to hear it."""
    if code in plan.holdout or any(store.code in plan.holdout for store in stores):
        return StaysOut.HOLDOUT
    if {code, *(store.code for store in stores)} & set(plan.eligibility.must_exclude):
        return StaysOut.EXCLUDED
    for store in stores:
        if store.code in excluded.stores:
            return excluded.stores[store.code]
    if not stores or any(s.closed_on is not None and s.closed_on <= stage.last_possible_day for s in stores):
        return StaysOut.CLOSED
    if any(store.opened_on is not None and store.opened_on > first for store in stores):
        return StaysOut.TOO_NEW
    if max(past.get(store.id, _Past()).weeks for store in stores) < max(1, plan.eligibility.min_trading_weeks):
        return StaysOut.TRADED_TOO_LITTLE
    if sum(listed.get(store.id, 0) for store in stores) < plan.eligibility.min_listed_customers:
        return StaysOut.TOO_FEW_CUSTOMERS
    return None


def _require_among(plan: Plan, number: int, staying: Iterable[str], left_out: Mapping[str, str]) -> None:
    for unit in plan.eligibility.must_include if number == 1 else ():
        if unit not in staying:
            reason = STAYS_OUT_WORDS.get(left_out.get(unit, ""), _NOT_NAMED)
            raise MustIncludeStaysOut(unit=unit, stage=number, reason=reason)


def _units(
    lake: Lake,
    plan: Plan,
    days: tuple[date, date],
    version: int,
    staying: Mapping[str, tuple[Store, ...]],
    ids: Mapping[str, tuple[int, ...]],
    past: Mapping[int, _Past],
    homes: Mapping[int, int],
) -> tuple[Candidate, ...]:
    listed = Counter(homes.values())
    spend = _spend(lake, days, version, ids, homes)
    weeks = plan.windows.pre_weeks
    found = []
    for code, stores in staying.items():
        own = [past.get(store.id, _Past()) for store in stores]
        receipts = sum(p.receipts for p in own)
        covariates = {
            Covariate.NET_PER_WEEK.value: sum(p.net_minor for p in own) // weeks,
            Covariate.RECEIPTS_PER_WEEK.value: receipts // weeks,
            Covariate.IDENTIFIED_PPM.value: 1_000_000 * sum(p.identified for p in own) // max(1, receipts),
            Covariate.LISTED_CUSTOMERS.value: sum(listed.get(store.id, 0) for store in stores),
            Covariate.SPEND_PER_CUSTOMER.value: spend.get(code, 0),
        }
        stratum = stores[0].region.code if plan.unit is AssignmentUnit.STORE else None
        found.append(Candidate(code, stratum, covariates))
    return tuple(found)


def _spend(
    lake: Lake, days: tuple[date, date], version: int, ids: Mapping[str, tuple[int, ...]], homes: Mapping[int, int]
) -> dict[str, int]:
    """Spend per listed customer in the pre-period, in whole minor units, by the metric's own definition."""
    if not homes:
        return {}
    unit_of = {store_id: code for code, stores in ids.items() for store_id in stores}
    stores = units_table(unit_of)
    listed = units_table({key: unit_of[store_id] for key, store_id in homes.items()}, "customer_key")
    windows = Windows(Window(*days), None)
    moments = unit_moments(
        lake.receipts(version), spend_per_customer(), windows, units=list(ids), stores=stores, homes=listed
    )
    return {m.unit: m.y // m.n for m in moments if m.n}


def _customers(session: Session, plan: Plan, homes: Mapping[int, int]) -> tuple[Candidate, ...]:
    """The listed customers inside the chosen segments (all where none is chosen); the stratum is the segment."""
    segment_of = _segments_by_plan(session, plan) if plan.segment_rules else segments_of_all(session)
    wanted = set(plan.segments)
    found = []
    for key in homes:
        segment = segment_of.get(key)
        if not wanted or segment in wanted:
            found.append(Candidate(str(key), segment or NO_SEGMENT, {}))
    return tuple(sorted(found, key=lambda candidate: candidate.code))


def _segments_by_plan(session: Session, plan: Plan) -> dict[int, str | None]:
    """customer_key → segment by the rules that were sealed, not by those of today."""
    rows = session.execute(select(Customer.customer_key, Customer.attributes).where(Customer.forgotten_at.is_(None)))
    return {key: plan.segment_for(attributes) for key, attributes in rows}
