"""The world of the scale benchmarks: a simulated network in a lake, and a pilot that drew its stores.

500 stores, 1 M customers, 52 weeks; the second half of the year is the stage's window, the first half the period
before. Three variants, stores drawn at once; four segments by household; six metrics,
four of them of customers.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from experiments.design.candidates import Candidate, Share
from experiments.design.mechanisms import Mechanism, complete, draw
from experiments.look.analysis import analyze_look
from experiments.look.plan import Leads, LookPlan, PlannedMetric, Role
from experiments.look.report import LookReport
from experiments.measure.days import DayFacts
from experiments.measure.kept_sums import CustomerSums
from experiments.measure.metrics import AssignmentUnit, identification_rate, metric_from_code
from experiments.measure.series import Weekly, weeks_around
from experiments.measure.stage import Asked, StageMoments, stage_moments
from experiments.measure.windows import Window, windows_for
from pilot.imports.arrow import pc
from pilot.outcomes.lake import MONTH, Lake
from pilot.settings import Settings
from pilot.simulation.files import ROW_GROUP, WRITING
from pilot.simulation.people import HOUSEHOLDS
from pilot.simulation.service import Form, simulate_network
from pilot.simulation.shape import Shape

BENCH = Path(__file__).parents[1] / "var" / "bench"
STORES, CUSTOMERS, WEEKS, SEED = 500, 1_000_000, 52, 1
VARIANTS = ("control", "card", "bonus")
STORE_METRICS = ("store_total", "average_basket")
CUSTOMER_METRICS = ("spend_per_customer", "purchase_frequency", "repeat_purchase_60d", "retention_61_90d")
METRICS = (*STORE_METRICS, *CUSTOMER_METRICS)
SEGMENTS = HOUSEHOLDS


@dataclass(frozen=True, slots=True)
class World:
    """A lake with receipts, and everything that a report reads beside them.

    ``homes`` has customer_key, unit (the home store) and segment; ``stores`` store_id and unit.
    """

    settings: Settings
    shape: Shape
    window: Window
    before: Window
    mechanism: Mechanism
    assignment: Mapping[str, str]
    stores: pa.Table
    homes: pa.Table

    @property
    def months(self) -> list[str]:
        """The months of the window and of the period before it."""
        first, last = self.before.first, self.window.last
        return sorted({f"{first + timedelta(days=day):%Y-%m}" for day in range((last - first).days + 1)})

    def lake(self) -> Lake:
        return Lake(self.settings)

    def facts_of_receipts(self, lake: Lake) -> DayFacts:
        """What the report reads when it starts from receipts."""
        return DayFacts.of_receipts(lake.receipts(months=self.months))

    def asked(self) -> Asked:
        """Six metrics, four segments, the identification test, the picture by week and how fresh each store is."""
        metrics = [metric_from_code(code) for code in METRICS]
        through = self.window.last
        windows = [
            (metric, windows_for(metric, window=self.window, before=self.before, data_through=through))
            for metric in [*metrics, identification_rate()]
        ]
        weeks = weeks_around(self.window.first, first=self.before.first, last=through)
        return Asked(windows, SEGMENTS, weekly=Weekly(metrics[0], weeks), activity=self.window, risk=self.window)

    def moments(self, facts: DayFacts, sums: CustomerSums | None = None, days: pa.Table | None = None) -> StageMoments:
        """From facts (and the sums per customer and store-day, where they are kept) to the moments of all asked."""
        return stage_moments(
            facts,
            self.asked(),
            units=sorted(self.assignment),
            stores=self.stores,
            homes=self.homes,
            assignment=self.assignment,
            sums=sums,
            days=days,
        )

    def look(self, found: StageMoments) -> LookReport:
        """From moments to the whole report, with its permutation tests."""
        moments = dict(found.moments)
        identification = moments.pop(identification_rate().code)
        return analyze_look(self.look_plan(), moments, identification, segments=found.segments)

    def look_plan(self) -> LookPlan:
        primary, *others = (metric_from_code(code) for code in METRICS)
        return LookPlan(
            unit=AssignmentUnit.STORE,
            mechanism=self.mechanism,
            assignment=self.assignment,
            metrics=(
                PlannedMetric(primary, Role.PRIMARY),
                *(PlannedMetric(metric, Role.SECONDARY) for metric in others),
            ),
            leads=Leads.STORE_TOTALS,
            seed=SEED,
        )


@contextmanager
def world_files(receipts: int, *, keep: bool = False) -> Iterator[Path]:
    """The folder in ``var/bench`` with so many simulated receipts; made where it is not there, deleted unless kept."""
    folder = BENCH / f"receipts-{receipts}"
    if not (folder / "whole").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        simulate_network(Shape(STORES, CUSTOMERS, receipts, SEED, WEEKS), folder / "files", form=Form.LAKE)
        (folder / "whole").touch()
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def world_of(receipts: int, *, keep: bool = False, deliveries: int = 0) -> Iterator[World]:
    """A world with so many receipts, in a home that is deleted at the end.

    Of the last receipts, ``deliveries`` times one in a hundred are held back: ``deliver`` brings them, one at a time.
    """
    with world_files(receipts, keep=keep) as folder:
        home = folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        shape = Shape(STORES, CUSTOMERS, receipts, SEED, WEEKS)
        world = _world(folder / "files", Settings(home=home, database_url=None), shape)
        try:
            fill_lake(world, deliveries)
            yield world
        finally:
            shutil.rmtree(home, ignore_errors=True)


def fill_lake(world: World, deliveries: int) -> None:
    """Every month's file becomes the lake's, as one commit, but for what is held back."""
    back = held_back(world, deliveries) if deliveries else pa.table({"business_date": pa.array([], pa.date32())})
    first_held = pc.min(back["business_date"]).as_py() or date.max

    def put(month: str, path: Path) -> int:
        source = _file(world, month)
        path.unlink(missing_ok=True)
        if month < f"{first_held:%Y-%m}":
            path.hardlink_to(source)
            return int(pq.read_metadata(source).num_rows)
        table = pq.ParquetFile(source).read()
        kept = table.slice(0, max(table.num_rows - _rows_from(back, month), 0))
        pq.write_table(kept, path, **WRITING, row_group_size=ROW_GROUP)
        return int(kept.num_rows)

    months = [month for month in world.months if month < f"{first_held:%Y-%m}" or _kept(world, back, month)]
    lake = world.lake()
    with lake.writing():
        lake.append("simulated", months, put)


def held_back(world: World, deliveries: int) -> pa.Table:
    """The last receipts, of which each of the ``deliveries`` brings an equal part."""
    wanted = world.shape.receipts // 100 * deliveries
    tables: list[pa.Table] = []
    for month in reversed(world.months):
        tables.insert(0, pq.ParquetFile(_file(world, month)).read())
        if sum(table.num_rows for table in tables) >= wanted:
            break
    last = pa.concat_tables(tables)
    return last.slice(last.num_rows - wanted)


def deliver(lake: Lake, receipts: pa.Table, number: int) -> int:
    """One commit of new receipts; the version of the lake that has them."""
    of = pc.strftime(receipts["business_date"].cast(pa.timestamp("s")), format="%Y-%m")

    def put(month: str, path: Path) -> int:
        own = receipts.filter(pc.equal(of, month))
        pq.write_table(own, path, **WRITING, row_group_size=ROW_GROUP)
        return int(own.num_rows)

    with lake.writing():
        return lake.append(f"delivery-{number}", sorted(of.unique().to_pylist()), put)


def _file(world: World, month: str) -> Path:
    return world.settings.home.parent / "files" / "lake" / f"{MONTH}={month}" / "simulated.parquet"


def _rows_from(back: pa.Table, month: str) -> int:
    of = pc.strftime(back["business_date"].cast(pa.timestamp("s")), format="%Y-%m")
    return int(pc.sum(pc.equal(of, month)).as_py() or 0)


def _kept(world: World, back: pa.Table, month: str) -> bool:
    return int(pq.read_metadata(_file(world, month)).num_rows) > _rows_from(back, month)


def _world(files: Path, settings: Settings, shape: Shape) -> World:
    start = shape.day(shape.n_days // 2)
    places = pv.read_csv(files / "stores.csv")
    old = pc.less_equal(places["opened_on"], pa.scalar(shape.first_day))  # who has no past is no candidate
    store_ids, codes = (
        pa.array(range(1, STORES + 1), pa.int64()).filter(old.combine_chunks()),
        places["store"].filter(old),
    )
    mechanism = complete(
        [Candidate(code, None, {}) for code in codes.to_pylist()], [Share(variant, 1) for variant in VARIANTS]
    )
    people = pq.read_table(files / "customers.parquet")
    keys = pa.array(range(1, people.num_rows + 1), pa.int64())
    units, segments = (people[name].dictionary_encode() for name in ("home_store", "household"))  # as reports read them
    homes = pa.table({"customer_key": keys, "unit": units, "segment": segments})
    return World(
        settings=settings,
        shape=shape,
        window=Window(start, shape.day(shape.n_days - 1)),
        before=Window(shape.first_day, start - timedelta(days=1)),
        mechanism=mechanism,
        assignment=draw(mechanism, SEED).assignment,
        stores=pa.table({"store_id": store_ids, "unit": codes}),
        homes=homes.filter(pc.is_in(people["home_store"], codes.combine_chunks())),
    )
