"""A small made-up network, for tests of the whole loop: stores with a few customers each, and receipts by formula.

Everything comes from SHA-256 of a name, so every machine and database sees the same receipts. All of it enters through
the product's own doors: files, imports, plans, draws.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from pilot.access.model import Role, User
from pilot.assignment.exclusions import excluding
from pilot.assignment.queries import assignment_of, draw_of, stores_by_unit
from pilot.database import Database
from pilot.evidence.model import FrozenReport
from pilot.evidence.service import take_look
from pilot.governance import service as governance
from pilot.imports.mapping import FileMapping
from pilot.imports.model import ImportKind
from pilot.imports.service import publish, stage_import
from pilot.network.service import save_segment, set_up_network
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from pilot.planning import service as planning
from pilot.planning.model import Pilot
from pilot.planning.queries import pilot as pilot_by_code
from pilot.programs.service import add_variant, create_program, set_offer
from tests.builders import THIN_MARGIN, WIND_DOWN, a_user

T = TypeVar("T")

START = date(2026, 3, 2)
PRE_WEEKS = 6
HISTORY_FROM = START - timedelta(weeks=PRE_WEEKS)
SET_UP_ON = START - timedelta(days=5)
ENTROPY = hashlib.sha256(b"a test's entropy").digest()
CODE = "points"


@dataclass(slots=True)
class SmallNetwork:
    """The installation and its people. ``customers`` per store; ``lift`` is how many more receipts treatment brings."""

    database: Database
    folder: Path
    n_stores: int = 16
    customers: int = 4
    n_regions: int = 2
    people: dict[str, User] = field(default_factory=dict)

    @property
    def lake(self) -> Lake:
        return Lake(self.database.settings)

    @property
    def stores(self) -> list[str]:
        return [f"S{number:02}" for number in range(1, self.n_stores + 1)]

    def person(self, name: str) -> User:
        return self.people[name]

    def act(self, verb: Callable[[Session, Pilot], T], code: str = CODE) -> T:
        """One unit of work on the pilot."""
        with self.database.unit_of_work() as session:
            return verb(session, pilot_by_code(session, code))

    def read(self, query: Callable[[Session, Pilot], T], code: str = CODE) -> T:
        with self.database.reading() as session:
            return query(session, pilot_by_code(session, code))

    def set_up(self) -> "SmallNetwork":
        """People, network, stores, customers, the program, and the receipts up to this day."""
        at = day_at(SET_UP_ON)
        with self.database.unit_of_work() as session:
            for name, role in PEOPLE.items():
                self.people[name] = a_user(session, role, email=f"{name}@example.org")
            admin = self.person("admin")
            set_up_network(session, name="Small", currency="EUR", timezone="UTC", cutoff_hour=0, actor=admin, now=at)
        regions = [f"R{number:02}" for number in range(1, self.n_regions + 1)]
        self.load(ImportKind.REGIONS, ["region"], [[region] for region in regions], at)
        stores = [[store, regions[i % self.n_regions]] for i, store in enumerate(self.stores)]
        self.load(ImportKind.STORES, ["store", "region"], stores, at)
        people = [[c, store, age_of(c)] for store in self.stores for c in self.customers_of(store)]
        self.load(ImportKind.CUSTOMERS, ["customer", "home_store", "age"], people, at)
        with self.database.unit_of_work() as session:
            for position, age in enumerate(("young", "old"), start=1):
                rule = {"attribute": "age", "is": age}
                save_segment(session, age, name=age, position=position, rule=rule, actor=admin, now=at)
        self.load_receipts(HISTORY_FROM, SET_UP_ON - timedelta(days=1), {}, at)
        with self.database.unit_of_work() as session:
            manager = self.person("manager")
            program = create_program(session, code="card", name="Card", description="Points", actor=manager, now=at)
            variant = add_variant(session, program, code="points", name="Points card", actor=manager, now=at)
            terms = {"discount_share": "0.05"}
            set_offer(session, variant, name="5 %", mechanic="personal_card", terms=terms, actor=manager, now=at)
        return self

    def customers_of(self, store: str) -> list[str]:
        return [f"{store}-C{number}" for number in range(1, self.customers + 1)]

    def plan_document(self, **changes: Any) -> dict[str, Any]:
        """A complete plan: matched pairs of stores, store totals lead, one stage of four weeks."""
        stage = {"number": 1, "name": "A few stores", "starts_on": str(START), "weeks": 4, "gate": list(GATE)}
        return {
            "hypothesis": "A points card brings shoppers back.",
            "mechanism": {"kind": "matched_pairs", "match_on": ["net_minor_per_week"]},
            "secondary": ["purchase_frequency", "repeat_purchase_60d"],
            "guardrails": [{"metric": "average_basket", "margin_share": "0.50"}],
            "windows": {"pre_weeks": PRE_WEEKS, "home_weeks": PRE_WEEKS},
            "draws": 999,
            "wind_down": WIND_DOWN,
            "economics": THIN_MARGIN,
            "stages": [stage],
            **changes,
        }

    def draft(self, code: str = CODE, owner: str = "manager", **changes: Any) -> None:
        with self.database.unit_of_work() as session:
            from pilot.programs.queries import program

            planning.create_pilot(
                session,
                code=code,
                name="Points card",
                program=program(session, "card"),
                document=self.plan_document(**changes),
                actor=self.person(owner),
                now=day_at(START - timedelta(days=4)),
            )

    def submit(self, code: str = CODE, on: date = START - timedelta(days=4)) -> None:
        manager = self.person("manager")
        checked = self.read(
            lambda s, p: planning.check_submission(s, p, lake=self.lake, excluded=excluding(s, p)), code
        )
        self.act(lambda s, p: planning.submit(s, p, checked=checked, actor=manager, now=day_at(on)), code)

    def amend(self, document: dict[str, Any], reason: str, *, on: date, code: str = CODE) -> None:
        """The manager changes the plan in force to ``document``."""
        manager = self.person("manager")
        checked = self.read(
            lambda s, p: planning.check_amendment(s, p, document=document, lake=self.lake, excluded=excluding(s, p)),
            code,
        )
        self.act(
            lambda s, p: planning.amend(
                s, p, document=document, reason=reason, checked=checked, actor=manager, now=day_at(on)
            ),
            code,
        )

    def sign(self, code: str = CODE, on: date = START - timedelta(days=3)) -> None:
        """Co-signed by the analyst, approved and sealed by an executive."""
        self.act(lambda s, p: governance.cosign(s, p, actor=self.person("analyst"), now=day_at(on)), code)
        self.act(
            lambda s, p: governance.approve_and_seal(
                s, p, actor=self.person("executive"), now=day_at(on), entropy=ENTROPY
            ),
            code,
        )

    def draw_and_start(self, stage: int = 1, code: str = CODE, on: date = START - timedelta(days=2)) -> None:
        manager = self.person("manager")
        now = day_at(on)
        prepared = self.read(
            lambda s, p: governance.prepare_draw(s, p, stage, lake=self.lake, actor=manager, now=now), code
        )
        self.act(lambda s, p: governance.draw(s, p, prepared, actor=manager, now=now), code)
        self.act(lambda s, p: governance.start_stage(s, p, stage, actor=manager, now=day_at(on)), code)

    def run_to(self, last: date, *, lift: int = 60, stage: int = 1, first: date = START, code: str = CODE) -> None:
        """Receipts from ``first`` to ``last``; treated stores sell ``lift`` per cent more."""
        lifted = dict.fromkeys(self.read(lambda s, p: self.treated_stores(s, p, stage), code), lift)
        if first == START:
            eve = START - timedelta(days=1)
            self.load_receipts(SET_UP_ON, eve, {}, day_at(START))
        self.load_receipts(first, last, lifted, day_at(last + timedelta(days=1)))

    def treated_stores(self, session: Session, pilot: Pilot, stage: int) -> list[str]:
        """The codes of the stores that a draw of stores or regions treats."""
        draw = draw_of(session, pilot, stage)
        assert draw is not None
        variants = assignment_of(session, draw)
        members = stores_by_unit(draw.record)
        return [store for unit, variant in variants.items() if variant != "control" for store in members.get(unit, ())]

    def running(self, **changes: Any) -> "SmallNetwork":
        """Set up, planned, signed, drawn, started."""
        self.set_up()
        self.draft(**changes)
        self.submit()
        self.sign()
        self.draw_and_start()
        return self

    def look(self, stage: int = 1, on: date | None = None, code: str = CODE) -> FrozenReport:
        """Take the stage's next look on the day after its window."""
        when = on or self.read(lambda s, p: p.stage(stage).ends_on, code) + timedelta(days=1)
        analyst = self.person("analyst")
        return self.act(lambda s, p: take_look(s, p, stage, lake=self.lake, actor=analyst, now=day_at(when)), code)

    def load(self, kind: ImportKind, header: Sequence[str], rows: Iterable[Sequence[Any]], at: datetime) -> None:
        """Write a file and import it through the front door."""
        path = self.folder / f"{kind}-{at:%Y%m%d%H%M%S}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
        importer, admin = importer_for(kind), self.person("admin")
        attributes = {"age": "age"} if "age" in header else {}
        mapping = FileMapping(columns={name: name for name in header if name != "age"}, attributes=attributes)
        with self.database.unit_of_work() as session:
            run = stage_import(session, importer, path, mapping, actor=admin, now=at)
        with self.database.unit_of_work() as session:
            publish(session, importer, session.merge(run), actor=admin, now=at)

    def load_receipts(self, first: date, last: date, lifted: Mapping[str, int], at: datetime) -> None:
        self.load(ImportKind.RECEIPTS, RECEIPT_HEADER, self.receipts(first, last, lifted), at)

    def receipts(self, first: date, last: date, lifted: Mapping[str, int]) -> Iterable[list[str]]:
        """Every listed customer shops on about two days in three, a stranger comes every day; amounts by formula."""
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            for place, store in enumerate(self.stores):
                buyers = [c for c in self.customers_of(store) if chance(store, c, day) < 660]
                for number, customer in enumerate([*buyers, ""], start=1):
                    name = f"{store}-{day:%Y%m%d}-{number}"
                    cents = 1000 + 50 * place + chance("amount", name) // 8
                    cents += cents * lifted.get(customer, lifted.get(store, 0)) // 100
                    at = datetime.combine(day, time(10, number), UTC).isoformat()
                    yield [name, store, at, f"{cents / 100:.2f}", "1", str(number), "sale", customer]


RECEIPT_HEADER = ("receipt", "store", "at", "net", "till", "number", "kind", "customer")
GATE = ("leading_metric", "guardrails", "no_alarm")
PEOPLE = {
    "admin": Role.ADMIN,
    "manager": Role.MANAGER,
    "analyst": Role.ANALYST,
    "executive": Role.EXECUTIVE,
    "second": Role.EXECUTIVE,
}


def age_of(customer: str) -> str:
    """Half of a store's customers are young."""
    return "young" if customer.endswith(("1", "2")) else "old"


def day_at(day: date) -> datetime:
    """Nine in the morning of ``day``, UTC."""
    return datetime.combine(day, time(9), UTC)


def chance(*names: object) -> int:
    """A number from 0 to 999 that follows from the names alone."""
    text = "/".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") % 1000
