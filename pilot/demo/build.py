"""The whole loop on real households, through the same verbs as anywhere: ``build_demo`` leaves a home to look at.

Files are written and imported, four plans go their way, receipts come, reports are made, executives decide on three of
them. The seed and the clock come in by the front door (``entropy``, ``now``): production passes the operating system's
randomness and the time of day.
"""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from experiments.measure.metrics import metric_from_code
from experiments.measure.windows import Window
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
)
from pilot.demo.people import ACCOUNTS, ADMIN, ANALYST, make_people
from pilot.demo.plans import CARD, CLUB, Planned, planned_pilots
from pilot.demo.result import DemoResult, PilotResult, pilot_result
from pilot.demo.seeds import DEMO
from pilot.demo.stores import Before, before_the_pilot
from pilot.demo.stories import BIRTHDAY, CASHBACK, PARKING, POINTS, STORIES, Stage
from pilot.demo.truth import truth, world_moments
from pilot.demo.worlds import CARDLESS, receipts, store_code
from pilot.evidence.document import ReportDocument
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
# What each story was made to show, by choice and cause; fixed before the first draw.
EXPECTED = {
    POINTS: "advance",
    CASHBACK: "stop:money",
    BIRTHDAY: "stop:identification",
    PARKING: "stop:futility",
}
_AS_RECOMMENDED = "As the gate's rules recommend."


def demo_before() -> Before:
    """The demonstration's network as its pilots find it; a tenth of the households never show a card."""
    return before_the_pilot(load_baskets(), DEMO, "before", cardless_share=CARDLESS)


def build_demo(settings: Settings, entropy: bytes, progress: Progress | None = None) -> DemoResult:
    """Play the loop of 2017 into a fresh home that then replaces ``settings.home``.

    It leaves five pilots (one at its gate, three stopped, one still in design) and one account per role, two of them
    executives; its clock stands at 2 January 2018. The same ``entropy`` gives the same ledgers and the same numbers, on
    SQLite and on PostgreSQL. ``progress`` hears how many steps are done, of how many, and what comes next. Raises
    ``DemoDataMissing``, ``HomeInUse``, ``DatabaseInUse``.
    """
    stage = Stage.set(demo_before())
    with fresh_home(settings, clock=CLOCK) as fresh:
        database = Database(fresh)
        try:
            return _Year(database, stage, entropy, progress).play()
        finally:
            database.dispose()


class _Year:
    """2017, step by step. Times are New York's."""

    def __init__(self, database: Database, stage: Stage, entropy: bytes, progress: Progress | None) -> None:
        self._database = database
        self._stage = stage
        self._before = stage.before
        self._entropy = entropy
        self._progress = progress
        self._planned = planned_pilots(stage.before)
        self._drawn: dict[str, dict[str, str]] = {}
        self._results: list[PilotResult] = []
        self._files = database.settings.home / "files"
        self._files.mkdir()

    def play(self) -> DemoResult:
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            (N_("The network: regions, stores, customers, segments"), self._network),
            (N_("The history: receipts of weeks 1 to 25"), self._history),
            (N_("Four plans: submitted, co-signed, sealed"), self._plans),
            (N_("The draws, on Monday of week 27"), self._draws),
            (N_("Receipts of the summer and autumn"), self._autumn),
            (N_("The truth, from the complete worlds"), self._truths),
            (N_("The report of the free parking"), self._parking),
            (N_("Receipts up to the end of the year; a draft"), self._rest),
            (N_("The reports of the other pilots"), self._looks),
        )
        for number, (what, step) in enumerate(steps):
            if self._progress:
                self._progress(number, len(steps), Message("demo_step", what))
            step()
        order = [story.pilot for story in STORIES]
        found = tuple(sorted(self._results, key=lambda result: order.index(result.pilot)))
        return DemoResult(found, self._last.lake_version, self._last.audit_head, ACCOUNTS)

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

    def _plans(self) -> None:
        for hour, story in enumerate(STORIES, start=9):
            planned = self._planned[story.pilot]
            self._draft(planned, now=_local(6, 19, hour))
            self._cast.submit(planned.code, now=_local(6, 19, hour, 30))
            self._cast.cosign(planned.code, "Pairs, lead and windows fit the question.", now=_local(6, 20, hour))
            self._cast.seal(
                planned.code, "Worth half a year in half of these stores.", now=_local(6, 21, hour),
                entropy=self._entropy + planned.code.encode("ascii"),
            )  # fmt: skip

    def _draft(self, planned: Planned, *, now: datetime) -> None:
        cast = self._cast
        variant = (CARD, planned.variant)
        cast.create_program(planned.code, planned.program, variant, planned.offers, now=now)
        cast.draft_pilot(planned.code, planned.name, planned.document, now=now)

    def _draws(self) -> None:
        self._receive(receipts(self._before), date(2017, 6, 19), date(2017, 6, 25), now=_local(6, 26, 4))
        for minute, story in enumerate(STORIES):
            self._drawn[story.pilot] = self._cast.draw_and_start(
                story.pilot, drawn_at=_local(6, 26, 5, minute), started_at=_local(6, 26, 6, minute)
            )
        self._world = self._stage.world({pilot: self._treated(pilot) for pilot in self._drawn})

    def _treated(self, pilot: str) -> list[int]:
        """The pilot's stores that were drawn for its variant."""
        drawn = self._drawn[pilot]
        return [store for store in self._stage.stores[pilot] if drawn.get(store_code(store)) == CARD]

    def _autumn(self) -> None:
        self._receive(self._world, date(2017, 6, 26), date(2017, 11, 12), now=_local(11, 13, 6))

    def _parking(self) -> None:
        self._look(PARKING, now=_local(11, 13, 9))
        self._decide(PARKING, now=_local(11, 14, 9))

    def _rest(self) -> None:
        self._draft(self._planned[CLUB], now=_local(12, 18, 9))
        self._receive(self._world, date(2017, 11, 13), date(2017, 12, 31), now=_local(1, 2, 6, year=2018))

    def _looks(self) -> None:
        for minute, pilot in enumerate((CASHBACK, BIRTHDAY)):
            self._look(pilot, now=_local(1, 2, 7, minute, year=2018))
            self._decide(pilot, now=_local(1, 2, 8, minute, year=2018))
        self._look(POINTS, now=_local(1, 2, 9, year=2018))
        self._keep(POINTS, decided=None)

    def _truths(self) -> None:
        """Written beside the estimates from what only a demonstration has: each pilot's two complete worlds.

        In both everything else is as it was drawn.
        """
        known = []
        as_drawn = {pilot: self._treated(pilot) for pilot in self._drawn}
        for pilot, drawn in self._drawn.items():
            worlds = {
                "treated": self._stage.world({**as_drawn, pilot: self._stage.stores[pilot]}),
                "untreated": self._stage.world({**as_drawn, pilot: ()}),
            }
            plan = Plan.from_document({**self._planned[pilot].document, "pilot": pilot, "program": pilot})
            stage = plan.stage(1)
            for code in plan.metric_codes:
                metric = metric_from_code(code)
                window = Window(stage.starts_on, stage.ends_on())
                moments = {
                    name: world_moments(self._before, world, metric, window=window) for name, world in worlds.items()
                }
                effect = truth(metric, **moments, drawn=drawn)
                known.append(Truth(pilot, 1, code, CARD, window.last.isoformat(), effect))
        self._known = Truths(tuple(known))
        save_truths(self._database.settings.home, self._known)

    def _look(self, pilot: str, *, now: datetime) -> None:
        self._last: ReportDocument = self._cast.take_look(pilot, truths=self._known, now=now)

    def _decide(self, pilot: str, *, now: datetime) -> None:
        """The executives do what the last report recommends."""
        self._keep(pilot, decided=self._cast.follow(self._last.code, _AS_RECOMMENDED, now=now))

    def _keep(self, pilot: str, *, decided: str | None) -> None:
        self._results.append(
            pilot_result(
                self._last,
                name=self._planned[pilot].name,
                n_stores=len(self._drawn[pilot]),
                expected=EXPECTED[pilot],
                decided=decided,
            )
        )

    def _receive(self, world: pa.Table, first: date, last: date, *, now: datetime) -> None:
        path = write_receipts(self._files / f"receipts-{first}-{last}.csv", world, first=first, last=last)
        self._cast.import_file(ImportKind.RECEIPTS, path, by=ANALYST, now=now)
