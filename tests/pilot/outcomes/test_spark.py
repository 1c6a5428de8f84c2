"""Spark on a real standalone cluster gives the same moments as DuckDB, to the digit; what is missing is named."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyspark
import pytest

from experiments.measure.days import customer_days, store_days
from experiments.measure.newcomers import newcomers
from experiments.measure.visits import visit_sums
from experiments.measure.windows import Window
from pilot.evidence.chapters.money_costs import by_terms
from pilot.outcomes import history
from pilot.outcomes.days.service import Days
from pilot.outcomes.errors import SparkMissing, SparkNeedsAFolder, SparkUnreachable
from pilot.outcomes.lake import Lake
from pilot.planning import spending
from pilot.planning.plan import PlannedOffer
from pilot.planning.plan_parts import Economics
from pilot.settings import Settings
from tests.pilot.outcomes.histories import FIRST, measured, publish, some_receipts

pytestmark = pytest.mark.enable_socket  # the cluster is on the loopback

CUSTOMERS, DAYS, RECEIPTS = 900, 120, 30_000
START_SECONDS = 180  # on a busy machine; it takes a few
CLASSES = "org.apache.spark.deploy"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A master and two workers of one core each, from the wheel: it has ``spark-class`` and no start scripts."""
    folder = tmp_path_factory.mktemp("spark")
    port = _free_port()
    url = f"spark://127.0.0.1:{port}"
    worker = [f"{CLASSES}.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "1g"]
    commands = {
        "master": [f"{CLASSES}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"],
        "one": [*worker, "--work-dir", str(folder / "one"), url],
        "two": [*worker, "--work-dir", str(folder / "two"), url],
    }
    (folder / "spark-defaults.conf").write_text("spark.sql.shuffle.partitions 4\n")
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in commands.items():
            running.append(_started(command, folder / f"{name}.log"))
            if name == "master":
                _wait_for(folder / "master.log", "I have been elected leader", 1)
        _wait_for(folder / "master.log", "Registering worker", 2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPARK_CONF_DIR", str(folder))
            patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
            yield url
            _stop_session()
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def lakes(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Lake]:
    """One lake of two commits, read by DuckDB and by the cluster."""
    home = tmp_path_factory.mktemp("home")
    duck = Lake(Settings(home=home))
    for number, seed in enumerate((1, 2)):
        publish(duck, f"batch-{number}", some_receipts(RECEIPTS, customers=CUSTOMERS, days=DAYS, seed=seed))
    return duck, Lake(Settings(home=home, engine=cluster))


@pytest.mark.slow
def test_a_cluster_gives_the_same_moments_to_the_digit(lakes: tuple[Lake, Lake]) -> None:
    duck, spark = (measured(lake, customers=CUSTOMERS, days=DAYS) for lake in lakes)
    assert duck["moments"]["store_total"][0].yy > 2**63  # products that 64 bits do not hold are among them
    assert {len(moments) for moments in duck["variants"].values()} == {2}
    assert spark == duck


@pytest.mark.slow
def test_a_cluster_derives_the_same_days(lakes: tuple[Lake, Lake]) -> None:
    for derive, key in ((customer_days, "customer_key"), (store_days, "store_id")):
        duck, spark = (derive(lake.receipts()).order_by(key, "business_date").to_pyarrow() for lake in lakes)
        assert duck.num_rows > 1000
        assert spark.to_pylist() == duck.to_pylist()


@pytest.mark.slow
def test_a_cluster_reads_the_days_that_are_kept(lakes: tuple[Lake, Lake]) -> None:
    Days(lakes[0]).keep_up()
    duck, spark = (Days(lake).day_facts(lake.version()) for lake in lakes)
    assert duck is not None
    assert spark is not None
    for name, key in (("customers", "customer_key"), ("stores", "store_id")):
        order = (key, "business_date", "lake_version")
        ours, theirs = (getattr(facts, name).order_by(*order).to_pyarrow() for facts in (duck, spark))
        assert ours.num_rows > 1000
        assert str(theirs.schema.field("net_minor").type) == "int64"
        assert theirs.select(ours.column_names).to_pylist() == ours.to_pylist()


@pytest.mark.slow
def test_a_cluster_tells_planners_the_same_past(lakes: tuple[Lake, Lake]) -> None:
    last = FIRST + timedelta(days=DAYS - 1)

    def past(lake: Lake) -> list[Any]:
        homes = history.home_stores(lake, None, FIRST, last)
        weeks = history.store_weeks(lake, None, FIRST, last)
        return [homes.to_pylist(), weeks.to_pylist(), history.period_known(lake, 1)]

    duck, spark = map(past, lakes)
    assert spark == duck


@pytest.mark.slow
def test_a_cluster_reads_versions_months_and_instants_like_duckdb(lakes: tuple[Lake, Lake]) -> None:
    def rows(lake: Lake, version: int | None, months: list[str] | None) -> list[Any]:
        found: pa.Table = lake.receipts(version, months).order_by("receipt_id", "at").limit(200).to_pyarrow()
        return found.to_pylist()

    duck, spark = lakes
    for version, months in ((1, None), (None, ["2026-02"]), (0, None)):
        assert rows(spark, version, months) == rows(duck, version, months)
    assert rows(spark, 1, None)[0]["at"].tzinfo is not None
    assert rows(spark, 0, None) == []


@pytest.mark.slow
def test_a_cluster_reckons_the_same_money(lakes: tuple[Lake, Lake]) -> None:
    window = Window(FIRST + timedelta(days=60), FIRST + timedelta(days=DAYS - 1))
    before = Window(FIRST, FIRST + timedelta(days=59))
    stores = pa.table({"store_id": list(range(1, 13)), "unit": ["north", "south"] * 6})
    homes = pa.table({"customer_key": [1, 2, 3], "unit": ["north", "south", "north"]})

    def money(lake: Lake) -> list[Any]:
        facts, period = lake.receipts(), (window.first, window.last)
        new = newcomers(facts, listed=homes, window=window, before=Window(before.first, before.first))
        columns = (new.customer_key, new.store_id, new.first_day, new.last_day, new.net_minor)
        offers = [PlannedOffer(code="o", variant="v", segment=None, name="O", mechanic="gift_or_draw", enrolment={},
                               terms={"prize_kind": "gift", "prize": "p", "qualifying_spend_minor": 200_000,
                                      "prize_cost_minor": 1})]  # fmt: skip
        mine = facts.filter(facts.customer_key.notnull() & facts.store_id.isin([1, 2]))
        mine = mine.filter(mine.business_date.between(window.first, window.last))
        terms = by_terms(offers, Economics(), receipts=mine, days=window.days, on_receipts_minor=0, offer_ids={})
        return [
            visit_sums(facts, homes=homes, stores=stores, window=window, before=before).to_pylist(),
            [column.tolist() for column in columns],
            terms,
            spending.weekly_sales(lake, None, *period),
            spending.spend_per_customer(lake, None, *period),
            spending.margin_share(lake, None, *period),
            spending.shares_by_spend(lake, None, *period, (0, 100_000, 200_000)),
            spending.shares_by_basket(lake, None, *period, (0, 50_000)),
        ]

    duck, spark = map(money, lakes)
    assert len(duck[1][0]) > 100
    assert spark == duck


def test_a_master_that_does_not_answer_is_named_at_once(settings: Settings) -> None:
    lake = Lake(settings.model_copy(update={"engine": f"spark://127.0.0.1:{_free_port()}"}))
    with pytest.raises(SparkUnreachable, match="does not answer"):
        lake.receipts()


def test_a_missing_java_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SparkMissing, match="java was not found"):
        Lake(settings.model_copy(update={"engine": "local[1]"})).receipts()


def test_a_missing_pyspark_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilot.outcomes.spark.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SparkMissing, match="pyspark was not found"):
        Lake(settings.model_copy(update={"engine": "local[1]"})).receipts()


def test_spark_over_an_object_store_is_refused(settings: Settings) -> None:
    with pytest.raises(SparkNeedsAFolder, match="folder that every worker sees"):
        Lake(settings.model_copy(update={"engine": "local[1]", "lake_url": "s3://receipts/lake"}))


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    spark_class = Path(pyspark.__file__).parent / "bin" / "spark-class"
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(spark_class.parent.parent)}
    with log.open("wb") as output:
        return subprocess.Popen([str(spark_class), *command], stdout=output, stderr=output, env=environment)


def _wait_for(log: Path, words: str, times: int) -> None:
    until = time.monotonic() + START_SECONDS
    while (found := log.read_text(errors="replace")).count(words) < times:
        assert time.monotonic() < until, found[-2000:]
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _stop_session() -> None:
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is not None:
        session.stop()
