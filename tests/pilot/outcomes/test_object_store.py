"""The lake in an S3-compatible object store: written, read by DuckDB, compacted; no commit overwrites another."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilot.database import Database
from pilot.imports.hashes import sorted_hashes
from pilot.outcomes import key_index
from pilot.outcomes.delta import DeltaStore
from pilot.outcomes.errors import LakeLockLost, ObjectStoreRefused, ObjectStoreUnavailable
from pilot.outcomes.key_index import KeyIndex
from pilot.outcomes.lake import Lake
from pilot.outcomes.storage import ObjectStore, beside_lake, raise_if_refused
from pilot.settings import Settings
from tests.conftest import PostgresServer
from tests.pilot.outcomes.histories import measured, publish, some_receipts

pytestmark = [
    pytest.mark.enable_socket,  # the server is on the loopback
    # the client of object stores closes its connections when its process ends
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SCHEMA = pa.schema([pa.field("n", pa.int64(), nullable=False)])
WRITER = """
import sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from pilot.outcomes.delta import DeltaStore
from pilot.settings import Settings
home, root, name, many = sys.argv[1:]
schema = pa.schema([pa.field("n", pa.int64(), nullable=False)])
def write(part, path):
    pq.write_table(pa.table({"n": [1]}, schema=schema), path)
    return 1
store = DeltaStore(Settings(home=Path(home)), root, schema)
for number in range(int(many)):
    store.append(f"{name}-{number}", [""], write)
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on a server of moto, on the loopback; the usual variables lead to it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        store = ObjectStore("s3://receipts", Path())
        store.filesystem().makedirs("receipts", exist_ok=True)  # the library keeps buckets as long as the process lives
        yield "s3://receipts"
    server.stop()


@pytest.fixture
def in_bucket(settings: Settings, bucket: str, request: pytest.FixtureRequest) -> Settings:
    """Settings with a lake of the test's own in the bucket."""
    return settings.model_copy(update={"lake_url": f"{bucket}/{request.node.name}/lake"})


def add(store: DeltaStore, batch: str, numbers: list[int]) -> int:
    def write(_part: str, path: Path) -> int:
        pq.write_table(pa.table({"n": numbers}, schema=SCHEMA), path)
        return len(numbers)

    with store.writing():
        return store.append(batch, [""], write)


def test_the_same_receipts_give_the_same_moments_from_a_bucket_and_from_a_folder(in_bucket: Settings) -> None:
    folder, bucket = Lake(in_bucket.model_copy(update={"lake_url": None})), Lake(in_bucket)
    for lake in (folder, bucket):
        for number in range(2):
            publish(lake, f"batch-{number}", some_receipts(3000, customers=80, days=60, seed=number))
    assert measured(bucket, customers=80, days=60) == measured(folder, customers=80, days=60)
    assert all(file.startswith(f"{in_bucket.lake_url}/business_month=") for file in bucket.files())
    assert (
        bucket.receipts(months=["2026-02"]).count().to_pyarrow()
        == folder.receipts(months=["2026-02"]).count().to_pyarrow()
    )
    assert [path for path in in_bucket.spill_dir.iterdir() if path.name.startswith("upload-")] == []


def test_the_keys_of_a_lake_in_a_bucket_are_kept_on_this_machine(
    in_bucket: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_index, "_LARGE_BYTES", 1)
    lake = Lake(in_bucket)
    publish(lake, "one", some_receipts(1000, customers=9, days=60, seed=1))
    files = lake.files()
    assert KeyIndex(lake).keep_up() == len(files) > 1
    with duckdb.connect() as connection:  # which knows no way to the bucket
        wanted = sorted_hashes(connection, "(VALUES ('r7'), ('r1007')) t(receipt_id)", ("receipt_id",))
        found, there = KeyIndex(lake).find(connection, wanted, ("receipt_id",), files)
    assert (len(found), len(there)) == (1, 1)


def test_batches_versions_compaction_and_vacuum_work_in_a_bucket(in_bucket: Settings) -> None:
    lake = Lake(in_bucket)
    assert lake.version() == 0
    assert lake.receipts().count().to_pyarrow().as_py() == 0
    receipts = [some_receipts(100 * number, customers=9, days=20, seed=number) for number in (1, 2, 3)]
    assert [publish(lake, f"batch-{n}", rows) for n, rows in enumerate(receipts)] == [1, 2, 3]
    assert publish(lake, "batch-1", receipts[1]) == 2
    lake.compact()
    assert len(lake.files()) == 1
    assert lake.vacuum([2], grace_hours=2) == []  # who opened the third file before may still be reading it
    assert len(lake.vacuum([2])) == 1
    assert [lake.receipts(version).count().to_pyarrow().as_py() for version in (2, None)] == [300, 600]
    assert [commit.batch_id for commit in lake.commits(0)] == ["batch-0", "batch-1", "batch-2"]
    assert lake.version_known_on(in_bucket.now()) == 3


def test_a_table_beside_the_lake_is_not_inside_it(in_bucket: Settings) -> None:
    lake = Lake(in_bucket)
    publish(lake, "one", some_receipts(10, customers=3, days=2, seed=1))
    days = DeltaStore(in_bucket, beside_lake(in_bucket, "days"), SCHEMA, lock="days")
    add(days, "one", [1, 2])
    lake.vacuum([])
    read = lake.engine.read_parquet(days.files(), days.table_schema, root=days.root, hive=False)
    assert sorted(read.to_pyarrow()["n"].to_pylist()) == [1, 2]


def test_commits_of_several_processes_at_once_are_all_there(in_bucket: Settings, tmp_path: Path) -> None:
    """They take no lock at all: the store alone refuses to put a log entry where one is."""
    root, each = f"{in_bucket.lake_url}-raced", 4
    store = DeltaStore(in_bucket, root, SCHEMA)
    store.version()
    commands = [
        [sys.executable, "-W", "ignore", "-c", WRITER, str(tmp_path / name), root, name, str(each)]
        for name in ("one", "two")
    ]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(300) for process in processes] == [0, 0]
    assert store.version() == 2 * each
    wanted = {f"{name}-{number}" for name in ("one", "two") for number in range(each)}
    assert {commit.batch_id for commit in store.commits(0)} == wanted
    assert len(store.files()) == 2 * each


def test_an_entry_is_put_only_where_none_is(in_bucket: Settings) -> None:
    """What the safety of commits rests on: the second put of one name is refused, with many at the same instant."""
    from concurrent.futures import ThreadPoolExecutor

    filesystem = ObjectStore(str(in_bucket.lake_url), in_bucket.spill_dir).filesystem()

    def put(name: str, writer: int) -> bool:
        try:
            filesystem.pipe_file(f"{in_bucket.lake_url}/{name}", str(writer).encode(), mode="create")
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        for name in ("a", "b", "c", "d", "e"):
            assert sorted(pool.map(lambda writer, name=name: put(name, writer), range(8))) == [False] * 7 + [True]


def test_one_machine_writes_at_a_time_where_they_share_a_server(
    in_bucket: Settings, postgres: PostgresServer, tmp_path: Path
) -> None:
    """Two homes are two machines: their lock files are apart, the advisory lock of PostgreSQL is one."""
    url = postgres.new_database(migrated=False)
    here = Lake(in_bucket.model_copy(update={"database_url": url}))
    there = Lake(in_bucket.model_copy(update={"database_url": url, "home": tmp_path / "other"}))
    order: list[str] = []

    def write_there() -> None:
        with there.writing():
            order.append("there")

    from threading import Thread

    thread = Thread(target=write_there)
    with here.writing():
        thread.start()
        time.sleep(0.3)
        order.append("here")
    thread.join(60)
    assert order == ["here", "there"]
    postgres.drop(url)


def test_a_writer_whose_lock_broke_does_not_commit(in_bucket: Settings, postgres_database: Database) -> None:
    lake = Lake(in_bucket.model_copy(update={"database_url": postgres_database.settings.database_url}))
    receipts = some_receipts(10, customers=3, days=2, seed=1)

    def write(_month: str, path: Path) -> int:
        with postgres_database.engine.connect() as other:
            other.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        pq.write_table(receipts, path)
        return receipts.num_rows

    with lake.writing(), pytest.raises(LakeLockLost, match="Nothing was stored"):
        lake.append("one", ["2026-01"], write)
    assert (lake.version(), lake.version_of("one")) == (0, None)
    assert publish(lake, "one", receipts) == 1


def test_what_speaks_to_object_stores_is_named_where_it_is_missing(
    in_bucket: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ObjectStoreUnavailable, match="loyalty-pilot\\[s3\\]"):
        publish(Lake(in_bucket), "one", some_receipts(10, customers=3, days=2, seed=1))


def test_options_come_from_the_usual_variables() -> None:
    def options(**environment: Any) -> dict[str, str] | None:
        return ObjectStore("s3://b/lake/", Path(), environment).options

    assert options() == {"aws_conditional_put": "etag"}
    assert options(AWS_ENDPOINT_URL="http://127.0.0.1:9000") == {
        "aws_conditional_put": "etag",
        "aws_endpoint": "http://127.0.0.1:9000",
        "aws_allow_http": "true",
    }
    secure = options(AWS_ENDPOINT_URL="http://other", AWS_ENDPOINT_URL_S3="https://store.example.org")
    assert secure is not None
    assert (secure["aws_endpoint"], secure["aws_allow_http"]) == ("https://store.example.org", "false")


def test_a_store_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    nowhere = ObjectStore("s3://none/lake", tmp_path, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    with pytest.raises(ObjectStoreRefused, match="Unable to locate credentials"):
        nowhere.paths()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    nowhere = ObjectStore("s3://none/lake", tmp_path, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    with pytest.raises(ObjectStoreRefused, match=r"s3://none/lake.*http://127\.0\.0\.1:1"):
        nowhere.read("some")


def test_what_a_store_says_is_told_without_its_colours_and_lines() -> None:
    with pytest.raises(ObjectStoreRefused) as refused:
        raise_if_refused(OSError("Generic S3 error\n  \x1b[31m↳\x1b[0m refused\x07 here."), "s3://none/lake")
    assert "cannot be used: Generic S3 error refused here. Look" in str(refused.value)
    raise_if_refused(OSError("of a folder"), "/a/folder")
