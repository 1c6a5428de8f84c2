"""A small network for tests of planning and assignment: 12 stores in 2 regions, 8 customers each, 39 weeks."""

import atexit
import hashlib
import shutil
import tempfile
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.assignment.exclusions import excluding
from pilot.network.model import Customer, Network, Region, Segment, Store
from pilot.outcomes.lake import MONTH, SCHEMA, Lake
from pilot.planning.model import Pilot, PlanVersion
from pilot.planning.proofs import Proof, ProofKind
from pilot.planning.queries import submitted_version
from pilot.planning.service import amend, check_amendment, check_submission, create_pilot, submit
from pilot.programs.model import Program
from pilot.programs.service import add_variant, create_program, set_offer
from pilot.settings import Settings
from tests.builders import THIN_MARGIN, WIND_DOWN, a_user

FIRST_DAY = date(2025, 6, 2)
WEEKS = 39
STARTS_ON = date(2026, 3, 9)
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
N_STORES, PER_STORE = 12, 8


def a_network(session: Session) -> None:
    """Regions NORTH and SOUTH, stores S01 to S12 (ids 1 to 12), customers C0101 … in two age groups, two segments."""
    session.add(Network(name="Test", currency="EUR", timezone="Europe/Helsinki", cutoff_hour=0, updated_at=NOW))
    regions = [Region(code=code, name=code.title()) for code in ("NORTH", "SOUTH")]
    session.add_all(regions)
    session.flush()
    for i in range(1, N_STORES + 1):
        region = regions[0] if i <= N_STORES // 2 else regions[1]
        session.add(Store(id=i, code=f"S{i:02d}", name=f"Store {i}", region_id=region.id))
    session.flush()
    for key in range(1, N_STORES * PER_STORE + 1):
        session.add(
            Customer(
                customer_key=key,
                external_id=f"C{_home(key):02d}{key:03d}",
                home_store_id=_home(key),
                attributes={"age": "young" if key % 2 else "old"},
                is_profile_complete=True,
            )
        )
    for position, age in enumerate(("young", "old"), start=1):
        session.add(Segment(code=age, name=age.title(), position=position, rule={"attribute": "age", "is": age}))
    session.flush()


def a_lake(settings: Settings) -> Lake:
    """The lake of ``settings`` with 39 weeks of receipts from ``FIRST_DAY`` (written once, copied for each test)."""
    lake = Lake(settings)
    if not lake.path.exists():
        shutil.copytree(_written_once(), lake.path)
    return lake


def add_receipts(lake: Lake, first: date, weeks: int, *, batch: str) -> None:
    """Append ``weeks`` more weeks from ``first``."""
    receipts = _receipts(first, weeks, batch)
    months = sorted(set(receipts[MONTH].to_pylist()))

    def write(month: str, path: Path) -> int:
        of_month = receipts.filter(pc.equal(receipts[MONTH], month)).select(SCHEMA.names)
        pq.write_table(of_month.cast(SCHEMA), path)
        return of_month.num_rows

    with lake.writing():
        lake.append(batch, months, write)


def a_program(session: Session, owner: User, *, mechanic: str = "cumulative_bonus") -> Program:
    """Program ``card`` with control and ``points``, one offer for all."""
    program = create_program(session, code="card", name="Card", actor=owner, now=NOW)
    points = add_variant(session, program, code="points", name="Points", actor=owner, now=NOW)
    terms = (
        {"earn_share": "0.02", "redeem_share": "0.5"} if mechanic == "cumulative_bonus" else {"discount_share": "0.05"}
    )
    set_offer(session, points, name="Two per cent back", mechanic=mechanic, terms=terms, actor=owner, now=NOW)
    return program


def a_document(**changes: Any) -> dict[str, Any]:
    """A plan of one stage over all stores: matched pairs, eight weeks."""
    document = {
        "hypothesis": "Points bring customers back more often",
        "mechanism": {"kind": "matched_pairs", "match_on": ["spend_per_customer_minor"]},
        "variants": [{"code": "control", "weight": 1}, {"code": "points", "weight": 1}],
        "windows": {"pre_weeks": 12, "home_weeks": 12},
        "wind_down": WIND_DOWN,
        "economics": THIN_MARGIN,
        "stages": [a_stage()],
    }
    return {**document, **changes}


def a_stage(number: int = 1, **changes: Any) -> dict[str, Any]:
    starts_on = STARTS_ON + timedelta(weeks=20 * (number - 1))
    stage = {"number": number, "name": f"Stage {number}", "starts_on": starts_on.isoformat(), "weeks": 8}
    return {**stage, **changes}


def a_pilot(session: Session, owner: User | None = None, *, code: str = "points-1", **changes: Any) -> Pilot:
    """A draft by ``owner`` (a new manager) over ``a_document`` with ``changes``."""
    owner = owner or a_user(session, Role.MANAGER)
    program = session.query(Program).filter_by(code="card").one_or_none() or a_program(session, owner)
    return create_pilot(
        session, code=code, name="Points", program=program, document=a_document(**changes), actor=owner, now=NOW
    )


def submitted(session: Session, pilot: Pilot, lake: Lake) -> PlanVersion:
    """The draft checked and submitted by its owner."""
    checked = check_submission(session, pilot, lake=lake, excluded=excluding(session, pilot))
    return submit(session, pilot, checked=checked, actor=session.get_one(User, pilot.owner_id), now=NOW)


def amended(session: Session, pilot: Pilot, lake: Lake, document: dict[str, Any], reason: str) -> PlanVersion:
    """The plan in force changed to ``document`` by its owner."""
    checked = check_amendment(session, pilot, document=document, lake=lake, excluded=excluding(session, pilot))
    actor = session.get_one(User, pilot.owner_id)
    return amend(session, pilot, document=document, reason=reason, checked=checked, actor=actor, now=NOW)


def signed(session: Session, pilot: Pilot) -> tuple[list[Proof], User, User]:
    """A co-sign and an approval of the submitted version, with the analyst and the executive who gave them."""
    analyst, executive = a_user(session, Role.ANALYST), a_user(session, Role.EXECUTIVE)
    plan_hash = submitted_version(session, pilot).hash
    proofs = [
        Proof(ProofKind.COSIGN, analyst.id, plan_hash, NOW),
        Proof(ProofKind.APPROVE, executive.id, plan_hash, NOW),
    ]
    return proofs, analyst, executive


def _home(key: int) -> int:
    return (key - 1) // PER_STORE + 1


@lru_cache(maxsize=1)
def _written_once() -> Path:
    home = Path(tempfile.mkdtemp(prefix="pilot-lake-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    lake = Lake(Settings(home=home))
    add_receipts(lake, FIRST_DAY, WEEKS, batch="history")
    return lake.path


def _receipts(first: date, weeks: int, batch: str) -> pa.Table:
    """Each customer shops once or twice a week at home, one receipt in five is anonymous; all follows from a hash."""
    rows = []
    for week in range(weeks):
        for key in range(1, N_STORES * PER_STORE + 1):
            for visit in range(1 + _chance(2, "visits", week, key)):
                day = first + timedelta(days=7 * week + _chance(7, "day", week, key, visit))
                amount = 500 + 40 * _home(key) + _chance(1000, "amount", first, week, key, visit)
                rows.append(
                    {
                        "receipt_id": f"{batch}-{week}-{key}-{visit}",
                        "store_id": _home(key),
                        "kind": "sale",
                        "at": datetime.combine(day, time(12), UTC),
                        "business_date": day,
                        "customer_key": None if _chance(5, "card", week, key, visit) == 0 else key,
                        "net_minor": amount,
                        "vat_minor": 0,
                        "discount_minor": 0,
                        "reward_minor": 0,
                        "n_items": 1,
                        "received_at": NOW,
                        "batch_id": batch,
                        MONTH: f"{day:%Y-%m}",
                    }
                )
    return pa.Table.from_pylist(rows, schema=SCHEMA.append(pa.field(MONTH, pa.string())))


def _chance(n: int, *names: object) -> int:
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") % n
