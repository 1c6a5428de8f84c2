"""A network with pilots of every kind, drawn by their real mechanisms, for the benchmarks and tests of look-ups."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from experiments.design.mechanisms import Candidate, Mechanism, Share, bernoulli_hash, complete
from pilot.access.model import Role, User
from pilot.assignment.model import Draw, HomeEntry, LedgerEntry
from pilot.assignment.record import make_record, replay
from pilot.audit import service as audit
from pilot.network.model import Customer, Network, Region, Segment, Store
from pilot.planning.lifecycle import PilotState, StageState
from pilot.planning.model import Pilot, PlanVersion, Stage
from pilot.planning.plan import Plan
from pilot.programs.model import Program

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
TODAY = date(2026, 3, 20)
ZONE = "Europe/Helsinki"
SEGMENTS = ({"code": "young", "rule": {"attribute": "age", "is": "young"}}, {"code": "rest", "rule": {"all": []}})
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A pilot: the unit that was drawn, on which share of stores (``group`` of ten; None: all), and where it stands."""

    code: str
    unit: str = "store"
    by: str = "visited"
    group: int | None = None
    is_open: bool = False
    variants: tuple[str, ...] = ("points",)
    weights: tuple[int, ...] = (1, 1)
    by_segment: bool = False
    segments: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()
    pilot: PilotState = PilotState.RUNNING
    stage: StageState = StageState.RUNNING
    starts_on: date = TODAY - timedelta(days=10)
    weeks: int = 8


KINDS = (
    Kind("a-visited", group=0),
    Kind("b-home", by="home", group=1, by_segment=True),
    Kind("d-listed", unit="customer", segments=("young",), group=2),
    Kind("e-open", unit="customer", is_open=True, group=3, segments=("young",)),
    Kind("f-open", unit="customer", is_open=True, group=4, variants=("points", "card"), weights=(3, 2, 2)),
    Kind("g-stopped", group=5, pilot=PilotState.STOPPED, stage=StageState.STOPPED),
    Kind("h-soon", group=6, starts_on=TODAY + timedelta(days=1)),
    Kind("i-drawn", group=7, pilot=PilotState.DRAWN, stage=StageState.DRAWN),
    Kind("j-last-day", group=8, starts_on=TODAY - timedelta(days=55)),
    Kind("k-passed", group=9, pilot=PilotState.SEALED, stage=StageState.PASSED),
    Kind("y-regions", unit="region", variants=("points", "card"), weights=(2, 1, 1)),  # every fourth region
)
ROLLED_OUT = Kind(
    "z-rolled-out", group=0, holdout=("S0005",), pilot=PilotState.ROLLED_OUT, stage=StageState.PASSED
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """What was built: codes of stores, external ids of customers by key (from 1)."""

    stores: tuple[str, ...]
    customers: tuple[str, ...]
    homes: Mapping[int, int] = field(repr=False)


def build(session: Session, *, n_stores: int, n_customers: int, seed: int, kinds: Sequence[Kind] = KINDS) -> World:
    """Fill an empty, migrated database."""
    chance = random.Random(seed)  # noqa: S311 - a world for tests, no secret
    session.add(Network(name="Bench", currency="EUR", timezone=ZONE, cutoff_hour=3, updated_at=NOW))
    owner = User(
        email="owner@example.org", name="Owner", role=Role.MANAGER, password_hash=None, is_active=True,
        session_version=1, language="en", created_at=NOW,
    )  # fmt: skip
    session.add(owner)
    regions = [Region(code=f"R{n}", name=f"Region {n}") for n in range(max(12, n_stores // 10))]
    session.add_all(regions)
    for position, segment in enumerate(SEGMENTS):
        session.add(Segment(code=segment["code"], name=segment["code"], position=position, rule=segment["rule"]))
    session.flush()
    stores = tuple(f"S{n:04}" for n in range(n_stores))
    for number, code in enumerate(stores):
        region = regions[number % len(regions)]
        zone = "America/New_York" if number % 7 == 6 else None
        session.add(Store(id=number + 1, code=code, name=code, region_id=region.id, timezone=zone))
    session.flush()
    homes = {key: chance.randrange(n_stores) + 1 for key in range(1, n_customers + 1)}
    customers = tuple(f"{chance.randrange(10**12):012}-{key}" for key in range(1, n_customers + 1))
    rows = [
        {"customer_key": key, "external_id": customers[key - 1], "home_store_id": home, "is_profile_complete": False,
         "attributes": {"age": chance.choice(("young", "old"))}}
        for key, home in homes.items()
    ]  # fmt: skip
    for start in range(0, len(rows), _CHUNK):
        session.execute(insert(Customer), rows[start : start + _CHUNK])
    program = Program(code="card", name="Card", description="", owner_id=owner.id, created_at=NOW)
    session.add(program)
    session.flush()
    region_of = {code: regions[number % len(regions)].code for number, code in enumerate(stores)}
    young = {row["customer_key"] for row in rows if row["attributes"] == {"age": "young"}}
    world = World(stores, customers, homes)
    for kind in kinds:
        _add_pilot(session, kind, owner, program, world, region_of, young)
    session.flush()
    audit.record(
        session, actor="bench", verb="world.built", subject_kind="network", subject="bench", details={}, at=NOW
    )
    return world


def _add_pilot(
    session: Session,
    kind: Kind,
    owner: User,
    program: Program,
    world: World,
    region_of: Mapping[str, str],
    young: set[int],
) -> None:
    plan = _plan(kind)
    text, plan_hash = plan.text(), plan.hash()
    pilot = Pilot(
        code=kind.code, name=kind.code, owner_id=owner.id, program_id=program.id, state=kind.pilot,
        plan=plan.to_document(), plan_hash=plan_hash, sealed_at=NOW, created_at=NOW,
    )  # fmt: skip
    session.add(pilot)
    session.flush()
    planned = plan.stages[0]
    session.add(
        Stage(pilot_id=pilot.id, number=1, name="One", state=kind.stage, starts_on=planned.starts_on,
              ends_on=planned.ends_on(), looks_taken=0)
    )  # fmt: skip
    session.add(
        PlanVersion(pilot_id=pilot.id, number=1, text=text, hash=plan_hash, reason="", created_by_id=owner.id,
                    created_at=NOW)
    )  # fmt: skip
    mine = [code for n, code in enumerate(world.stores) if kind.group in (None, n % 10) and code not in kind.holdout]
    ids = {world.stores.index(code) + 1 for code in mine}
    homes = {key: world.stores[home - 1] for key, home in world.homes.items() if home in ids}
    if kind.segments:
        homes = {key: store for key, store in homes.items() if key in young}
    members, mechanism = _mechanism(kind, mine, region_of, homes)
    out = [(code, "holdout") for code in kind.holdout]
    record = make_record(
        pilot=kind.code, stage=1, plan_hash=plan_hash, seed=f"{pilot.id:064x}", is_specimen=False, unit=kind.unit,
        mechanism=mechanism, left_out=out, stores=members, lake_version=0, periods={}, homes=homes,
    )  # fmt: skip
    drawn = replay(record)
    draw = Draw(
        pilot_id=pilot.id, stage_number=1, plan_hash=plan_hash, record=record, ledger_hash=drawn.ledger_hash,
        lake_version=0, drawn_by=owner.email, drawn_at=NOW,
    )  # fmt: skip
    session.add(draw)
    session.flush()
    entries = [{"draw_id": draw.id, "unit_code": r.unit, "variant": r.variant, "block": r.block} for r in drawn.rows]
    listed = [{"draw_id": draw.id, "customer_key": key, "store_id": world.homes[key]} for key in homes]
    for table, some in ((LedgerEntry, entries), (HomeEntry, listed if kind.by == "home" else [])):
        for start in range(0, len(some), _CHUNK):
            session.execute(insert(table), some[start : start + _CHUNK])


def _mechanism(
    kind: Kind, stores: Sequence[str], region_of: Mapping[str, str], homes: Mapping[int, str]
) -> tuple[dict[str, list[str]], Mechanism]:
    shares = [Share(*pair) for pair in zip(("control", *kind.variants), kind.weights, strict=True)]
    by_store = {code: [code] for code in stores}
    if kind.is_open:
        return by_store, bernoulli_hash(shares, f"salt of {kind.code} é")
    if kind.unit == "customer":
        return by_store, complete([Candidate(str(key), None, {}) for key in homes], shares)
    units = by_store
    if kind.unit == "region":
        units = {
            region: [s for s in stores if region_of[s] == region] for region in sorted(set(region_of.values()))[::4]
        }
    return units, complete([Candidate(code, None, {}) for code in units], shares)


def _plan(kind: Kind) -> Plan:
    def offer(variant: str, segment: str | None) -> dict[str, Any]:
        name = f"{variant} for {segment or 'all'}"
        return {
            "code": f"card.{variant}.{segment or 'all'}", "variant": variant, "segment": segment, "name": name,
            "mechanic": "cumulative_bonus", "terms": {"earn_share": "0.02", "redeem_share": "0.5"}, "enrolment": {},
        }  # fmt: skip

    segments = ("young",) if kind.by_segment else (None,)
    mechanism = {"kind": "bernoulli_hash" if kind.is_open else "complete"}
    return Plan.from_document(
        {
            "pilot": kind.code, "program": "card", "unit": kind.unit, "applies_by": kind.by, "mechanism": mechanism,
            "variants": [{"code": code, "weight": weight}
                         for code, weight in zip(("control", *kind.variants), kind.weights, strict=True)],
            "offers": [offer(variant, segment) for variant in kind.variants for segment in segments],
            "segments": list(kind.segments), "segment_rules": list(SEGMENTS), "holdout": list(kind.holdout),
            "stages": [{"number": 1, "name": "One", "starts_on": kind.starts_on.isoformat(), "weeks": kind.weeks}],
        }
    )  # fmt: skip
