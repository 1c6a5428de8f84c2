"""The whole loop on real households, through the same verbs as anywhere: ``build_demo`` leaves a home to look at.

Files are written and imported, a plan goes its way, tills send receipts, a report is made. The seed and the clock come
in by the front door (``entropy``, ``now``): production passes the operating system's randomness and the time of day.
"""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from experiments.measure.metrics import metric_from_code
from pilot.database import Database
from pilot.demo import plans
from pilot.demo.acts import Cast
from pilot.demo.files import write_network, write_receipts
from pilot.demo.home import fresh_home
from pilot.demo.households import (
    COMPOSITIONS,
    CURRENCY,
    NOT_SURVEYED,
    SEGMENTS,
    TIME_ZONE,
    YEAR_START,
    load_baskets,
    load_segments,
)
from pilot.demo.people import ACCOUNTS, ADMIN, ANALYST, make_people
from pilot.demo.result import DemoResult, result_of
from pilot.demo.seeds import DEMO
from pilot.demo.stores import Before, before_the_pilot
from pilot.demo.truth import truth, world_moments
from pilot.demo.worlds import Copies, injected, receipts, store_code
from pilot.evidence.truths import Truth, Truths, save_truths
from pilot.imports.model import ImportKind
from pilot.network.service import save_segment, set_up_network
from pilot.planning.plan import Plan
from pilot.settings import Settings
from pilot.upkeep.migrating import upgrade
from pilot.words import N_, Message

Progress = Callable[[int, int, Message], None]


def _local(month: int, day: int, hour: int, minute: int = 0, *, year: int = 2017) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(TIME_ZONE))


CLOCK = _local(1, 2, 10, year=2018)
NETWORK_NAME = "Real households, invented names"


def build_demo(settings: Settings, entropy: bytes, progress: Progress | None = None) -> DemoResult:
    """Play the loop of 2017 into a fresh home that then replaces ``settings.home``.

    It leaves three pilots (one at its gate, one running, one draft) and one account per role, two of them executives;
    its clock stands at 2 January 2018. The same ``entropy`` gives the same ledger and the same numbers, on SQLite and
    on PostgreSQL. ``progress`` hears how many steps are done, of how many, and what comes next. Raises
    ``DemoDataMissing``, ``HomeInUse``, ``DatabaseInUse``.
    """
    before = before_the_pilot(load_baskets(), DEMO, "before")
    copies = injected(before, load_segments(), DEMO, "injection")
    with fresh_home(settings, clock=CLOCK) as fresh:
        database = Database(fresh)
        try:
            return _Year(database, before, copies, entropy, progress).play()
        finally:
            database.dispose()


class _Year:
    """2017, step by step. Times are New York's."""

    def __init__(
        self, database: Database, before: Before, copies: Copies, entropy: bytes, progress: Progress | None
    ) -> None:
        self._database = database
        self._before = before
        self._copies = copies
        self._entropy = entropy
        self._progress = progress
        self._roles = plans.store_roles(before)
        self._files = database.settings.home / "files"
        self._files.mkdir()

    def play(self) -> DemoResult:
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            (N_("The network: regions, stores, customers, segments"), self._network),
            (N_("The history: receipts of weeks 1 to 25"), self._history),
            (N_("The plan of the points card: submitted, co-signed, sealed"), self._plan),
            (N_("The draw, on Monday of week 27"), self._draw),
            (N_("Receipts of the summer and autumn; the service promise starts"), self._service),
            (N_("Receipts up to the end of the year; a draft"), self._rest),
            (N_("The truth, from the two complete worlds"), self._truths),
            (N_("The report of the points card"), self._look),
        )
        for number, (what, step) in enumerate(steps):
            if self._progress:
                self._progress(number, len(steps), Message("demo_step", what))
            step()
        return self._result

    def _network(self) -> None:
        upgrade(self._database)
        now = _local(6, 1, 9)
        with self._database.unit_of_work() as session:
            self._cast = Cast(self._database, make_people(session, now=now))
            admin = self._cast.people[ADMIN]
            set_up_network(
                session,
                name=NETWORK_NAME,
                currency=CURRENCY,
                timezone=TIME_ZONE,
                cutoff_hour=0,
                actor=admin,
                now=now,
            )
            for position, segment in enumerate(SEGMENTS):
                rule = (
                    {"attribute": "composition", "missing": True}
                    if segment == NOT_SURVEYED
                    else {"attribute": "composition", "in": list(COMPOSITIONS[segment])}
                )
                save_segment(
                    session,
                    segment,
                    name=plans.SEGMENT_NAMES[segment],
                    position=position,
                    rule=rule,
                    actor=admin,
                    now=now,
                )
        files = write_network(self._files, self._before)
        for kind, path in (
            (ImportKind.REGIONS, files.regions),
            (ImportKind.STORES, files.stores),
            (ImportKind.CUSTOMERS, files.customers),
        ):
            self._cast.import_file(kind, path, by=ADMIN, now=_local(6, 1, 10))

    def _history(self) -> None:
        self._receive(receipts(self._before), YEAR_START, date(2017, 6, 18), now=_local(6, 19, 6))

    def _plan(self) -> None:
        cast, code = self._cast, plans.POINTS_PILOT
        cast.create_program(code, "Points card", (plans.CARD, "Points card"), plans.card_offers(), now=_local(6, 19, 9))
        cast.draft_pilot(code, "Points card in paired stores", plans.points_plan(self._roles), now=_local(6, 19, 10))
        cast.submit(code, now=_local(6, 19, 15))
        cast.cosign(code, "Pairs, lead and windows fit the question.", now=_local(6, 20, 11))
        cast.seal(code, "Worth half a year in half of the stores.", now=_local(6, 21, 15), entropy=self._entropy)

    def _draw(self) -> None:
        self._receive(receipts(self._before), date(2017, 6, 19), date(2017, 6, 25), now=_local(6, 26, 4))
        assignment = self._cast.draw_and_start(
            plans.POINTS_PILOT, drawn_at=_local(6, 26, 5), started_at=_local(6, 26, 6)
        )
        self._drawn = tuple(assignment)
        treated = [s for s in self._before.eligible if assignment.get(store_code(s)) == plans.CARD]
        self._world = receipts(self._before, copies=self._copies, treated=treated)

    def _service(self) -> None:
        cast, code = self._cast, plans.SERVICE_PILOT
        self._receive(self._world, date(2017, 6, 26), date(2017, 11, 19), now=_local(11, 20, 6))
        cast.create_program(
            code, "Service promise", (plans.PROMISE, "Three promises"), [plans.promise_offer()], now=_local(11, 20, 9)
        )
        cast.draft_pilot(
            code, "Service promise in small stores", plans.service_plan(self._roles), now=_local(11, 20, 10)
        )
        cast.submit(code, now=_local(11, 20, 15))
        cast.cosign(code, "Small, but its draw can reach the level.", now=_local(11, 21, 11))
        cast.seal(code, "Costs little, tells something.", now=_local(11, 22, 15), entropy=self._entropy)
        self._receive(self._world, date(2017, 11, 20), date(2017, 11, 26), now=_local(11, 27, 4))
        cast.draw_and_start(code, drawn_at=_local(11, 27, 5), started_at=_local(11, 27, 6))

    def _rest(self) -> None:
        cast, code = self._cast, plans.CLUB_PILOT
        cast.create_program(
            code, "Family club", (plans.CLUB, "Family club"), [plans.club_offer()], now=_local(12, 18, 9)
        )
        cast.draft_pilot(code, "Family club", plans.club_plan(), now=_local(12, 18, 10))
        self._receive(self._world, date(2017, 11, 27), date(2017, 12, 31), now=_local(1, 2, 6, year=2018))

    def _truths(self) -> None:
        """Written beside the estimates from what only a demonstration has: both complete worlds."""
        nobody = receipts(self._before)
        everybody = receipts(self._before, copies=self._copies, treated=self._before.eligible)
        plan = Plan.from_document({**plans.points_plan(self._roles), "pilot": plans.POINTS_PILOT, "program": "-"})
        known = []
        for code in plan.metric_codes:
            metric = metric_from_code(code)
            worlds = {"treated": world_moments(self._before, everybody, metric)}
            worlds["untreated"] = world_moments(self._before, nobody, metric)
            effect = truth(metric, **worlds, drawn=self._drawn)
            last = plan.stage(1).ends_on().isoformat()
            known.append(Truth(plans.POINTS_PILOT, 1, code, plans.CARD, last, effect))
        self._known = Truths(tuple(known))
        save_truths(self._database.settings.home, self._known)

    def _look(self) -> None:
        document = self._cast.take_look(plans.POINTS_PILOT, truths=self._known, now=_local(1, 2, 9, year=2018))
        self._result = result_of(document, n_stores=len(self._drawn), accounts=ACCOUNTS)

    def _receive(self, world: pa.Table, first: date, last: date, *, now: datetime) -> None:
        path = write_receipts(self._files / f"receipts-{first}-{last}.csv", world, first=first, last=last)
        self._cast.import_file(ImportKind.RECEIPTS, path, by=ANALYST, now=now)
