"""A table keeps each batch once, tells what was known when, joins files in silence, and leaves nothing half-written."""

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pilot.outcomes import storage as storage_module
from pilot.outcomes.delta import DeltaStore
from pilot.outcomes.errors import BatchLost, LakeDiskFull, LakeVersionVacuumed, NothingKnownYet
from pilot.outcomes.phases import phases_now
from pilot.outcomes.storage import LocalFolder
from pilot.settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SCHEMA = pa.schema([pa.field("day", pa.int64(), nullable=False), pa.field("amount", pa.int64(), nullable=False)])


@pytest.fixture
def store(settings: Settings) -> DeltaStore:
    return DeltaStore(settings, str(settings.home / "days"), SCHEMA, partition="part", order=("day",), lock="days")


def add(store: DeltaStore, batch: str, days: list[int], *, at: datetime = NOON, part: str = "a") -> int:
    def write(_part: str, path: Path) -> int:
        pq.write_table(pa.table({"day": days, "amount": days}, schema=SCHEMA), path)
        return len(days)

    with store.writing():
        return store.append(batch, [part if store.partition else ""], write, committed_at=at)


def days_of(store: DeltaStore, version: int | None = None) -> list[int]:
    tables = [pq.read_table(file, partitioning=None)["day"].to_pylist() for file in store.files(version)]
    return sorted(day for days in tables for day in days)


def files_on_disk(store: DeltaStore) -> list[str]:
    return sorted(path.name for path in Path(store.root).rglob("*.parquet") if path.parent.name != "_delta_log")


def test_a_table_without_partitions_keeps_its_files_in_its_folder(settings: Settings) -> None:
    store = DeltaStore(settings, str(settings.home / "plain"), SCHEMA, lock="plain")
    assert store.table_schema == SCHEMA
    assert [add(store, "one", [1]), add(store, "two", [2])] == [1, 2]
    assert store.files() == [f"{store.root}/one.parquet", f"{store.root}/two.parquet"]
    store.compact()
    assert days_of(store) == [1, 2]
    assert len(store.files()) == 1


def test_commits_tell_batch_files_instant_and_details_and_leave_out_what_brings_no_rows(store: DeltaStore) -> None:
    def write(_part: str, path: Path) -> int:
        pq.write_table(pa.table({"day": [7], "amount": [7]}, schema=SCHEMA), path)
        return 1

    add(store, "one", [1], at=NOON)
    store.compact()
    add(store, "two", [2], at=NOON + timedelta(hours=1))
    store.compact()
    with store.writing():
        store.append(
            "three", ["a", "b"], write, details={"drain": "d-7", "after": "2"}, committed_at=NOON + timedelta(2)
        )
    store.vacuum([])
    found = store.commits(0)
    assert [(commit.batch_id, commit.committed_at) for commit in found] == [
        ("one", NOON),
        ("two", NOON + timedelta(hours=1)),
        ("three", NOON + timedelta(days=2)),
    ]
    assert found[2].details == {"drain": "d-7", "after": "2"}
    assert found[2].files == (f"{store.root}/part=a/three.parquet", f"{store.root}/part=b/three.parquet")
    assert store.commits(found[0].version, found[1].version) == [found[1]]
    assert store.commits(store.version()) == []
    assert [store.version_of(commit.batch_id) for commit in found] == [commit.version for commit in found]


def test_what_was_known_at_an_instant_is_told_and_compaction_is_not_knowledge(store: DeltaStore) -> None:
    with pytest.raises(NothingKnownYet, match="2026-03-02 12:00"):
        store.version_known_on(NOON)
    first = add(store, "one", [1], at=NOON)
    second = add(store, "two", [2], at=NOON + timedelta(hours=1))
    store.compact()
    third = add(store, "three", [3], at=NOON + timedelta(hours=3))
    assert third == second + 2
    for hours, version in ((0, first), (0.9, first), (1, second), (2.9, second), (3, third), (90, third)):
        assert store.version_known_on(NOON + timedelta(hours=hours)) == version
    with pytest.raises(NothingKnownYet):
        store.version_known_on(NOON - timedelta(seconds=1))


def test_a_clock_that_was_set_back_does_not_turn_the_order_of_knowledge(store: DeltaStore) -> None:
    add(store, "one", [1], at=NOON)
    second = add(store, "two", [2], at=NOON - timedelta(days=1))
    assert [commit.committed_at for commit in store.commits(0)] == [NOON, NOON]
    assert store.version_known_on(NOON) == second
    with pytest.raises(NothingKnownYet):
        store.version_known_on(NOON - timedelta(hours=1))


@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["add", "again", "compact", "vacuum"]), min_size=1, max_size=9))
def test_whatever_happens_in_whatever_order_no_row_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    home = tmp_path_factory.mktemp("home")
    store = DeltaStore(Settings(home=home), str(home / "days"), SCHEMA, partition="part", order=("day",))
    known: list[tuple[int, datetime]] = []
    for number, step in enumerate(steps):
        at = NOON + timedelta(hours=number)
        if step == "add":
            known.append((add(store, f"b{len(known)}", [len(known)], at=at), at))
        elif step == "again" and known:
            assert add(store, f"b{len(known) - 1}", [99], at=at) == known[-1][0]
        elif step == "compact":
            store.compact()
        elif step == "vacuum":
            store.vacuum([version for version, _ in known])
    assert days_of(store) == list(range(len(known)))
    for count, (version, at) in enumerate(known, start=1):
        assert store.version_known_on(at) == version
        assert days_of(store, version) == list(range(count))


def test_many_small_files_are_worth_joining_and_come_out_sorted(store: DeltaStore) -> None:
    for number in range(32):
        assert not store.is_worth_compacting()
        add(store, f"b{number}", [100 - number, number])
    assert store.is_worth_compacting()
    store.compact()
    assert not store.is_worth_compacting()
    (file,) = store.files()
    days = pq.read_table(file, partitioning=None)["day"].to_pylist()
    assert days == sorted(days)
    assert len(days) == 64


def test_what_was_compacted_and_vacuumed_is_gone_by_name_unless_the_same_rows_are_there(store: DeltaStore) -> None:
    first, second = add(store, "one", [1]), add(store, "two", [2])
    store.compact()
    store.vacuum([])
    assert days_of(store, second) == [1, 2]  # the joined file holds the same rows
    with pytest.raises(LakeVersionVacuumed, match=f"Version {first} "):
        store.files(first)


def test_compaction_is_a_phase_and_syncs_like_a_commit(store: DeltaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, "one", [1])
    add(store, "two", [2])
    synced: list[str] = []

    def sync(path: Path) -> None:
        assert phases_now(store.settings) == {os.getpid(): ("compaction",)}
        synced.append(path.name)

    monkeypatch.setattr(storage_module, "_sync", sync)
    store.compact()
    assert synced == ["joined-3.parquet", "part=a", "days", f"{3:020d}.json", "_delta_log"]


def test_a_commit_that_cannot_be_read_again_is_not_taken_as_stored(
    store: DeltaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.version()
    monkeypatch.setattr(DeltaStore, "_commit", lambda *_: None)
    with pytest.raises(BatchLost, match="“one”"):
        add(store, "one", [1])


@pytest.mark.parametrize("left", [b'{"commitInfo":{"timest', b"\0" * 200, b"[]"])
def test_a_log_entry_torn_by_a_power_cut_is_dropped(store: DeltaStore, left: bytes) -> None:
    add(store, "one", [1])
    entry = Path(store.root) / "_delta_log" / f"{2:020d}.json"
    entry.write_bytes(left)
    assert days_of(store) == [1]
    assert add(store, "two", [2]) == 2
    assert days_of(store) == [1, 2]


def test_a_broken_entry_inside_the_log_is_not_passed_over(store: DeltaStore) -> None:
    from deltalake.exceptions import DeltaError

    add(store, "one", [1])
    add(store, "two", [2])
    (Path(store.root) / "_delta_log" / f"{1:020d}.json").write_bytes(b"{")
    with pytest.raises(DeltaError):
        store.version()
    assert len(list((Path(store.root) / "_delta_log").glob("*.json"))) == 3


@pytest.mark.parametrize("when", ["data", "log"])
def test_an_error_on_the_way_leaves_nothing_behind(
    store: DeltaStore, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    add(store, "one", [1])

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if when == "data":
            patch.setattr(storage_module, "_sync", fail)
        else:
            patch.setattr(DeltaStore, "_commit", fail)
        with pytest.raises(LakeDiskFull, match="Nothing of this step was stored"):
            add(store, "two", [2])
    assert files_on_disk(store) == ["one.parquet"]
    assert add(store, "two", [2]) == 2
    assert days_of(store) == [1, 2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB, really full when it is full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_clearly_and_everything_acknowledged_stays(settings: Settings, small_disk: Path) -> None:
    """With no room for the data file, then for the file but not for the log entry, then for both."""
    store = DeltaStore(settings, str(small_disk / "days"), SCHEMA)
    add(store, "first", [0])
    filler, refused = small_disk / "filler", 0
    for pages in range(6):
        filler.unlink(missing_ok=True)
        _fill(filler, free_pages=pages)
        try:
            add(store, "next", [1])
        except LakeDiskFull as full:
            refused += 1
            assert str(small_disk) in str(full)  # noqa: PT017 - it is refused until there is room
            assert files_on_disk(store) == ["first.parquet"]
            assert days_of(store) == [0]
    assert 2 <= refused <= 5
    assert days_of(store) == [0, 1]


def test_compaction_on_a_full_disk_changes_nothing(settings: Settings, small_disk: Path) -> None:
    store = DeltaStore(settings, str(small_disk / "days"), SCHEMA)
    many = list(range(30_000))
    add(store, "one", many)
    add(store, "two", many)
    version, files = store.version(), files_on_disk(store)
    _fill(small_disk / "filler", free_pages=2)
    with pytest.raises(LakeDiskFull):
        store.compact()
    assert (store.version(), files_on_disk(store)) == (version, files)
    (small_disk / "filler").unlink()
    store.compact()
    assert len(store.files()) == 1


def _fill(filler: Path, *, free_pages: int) -> None:
    disk = os.statvfs(filler.parent)
    filler.write_bytes(b"x" * ((disk.f_bavail - free_pages) * disk.f_frsize))


def test_the_folder_of_a_table_is_made_when_it_is_first_used(settings: Settings) -> None:
    store = DeltaStore(settings, str(settings.home / "new"), SCHEMA)
    assert isinstance(store.storage, LocalFolder)
    assert not Path(store.root).exists()
    assert store.version() == 0
    assert store.files() == []


def test_commits_from_before_instants_were_written_are_found_by_their_log(store: DeltaStore) -> None:
    from deltalake import CommitProperties, DeltaTable, Transaction
    from deltalake.transaction import AddAction

    store.version()
    before = datetime.now(UTC) - timedelta(seconds=1)
    table = DeltaTable(store.root)
    for number in (1, 2):
        table.create_write_transaction(
            [AddAction(f"part=a/old-{number}.parquet", 10, {"part": "a"}, 0, True, '{"numRecords":1}')],
            "append",
            table.schema(),
            partition_by=["part"],
            commit_properties=CommitProperties(
                custom_metadata={"batch_id": f"old-{number}"}, app_transactions=[Transaction(f"old-{number}", 1)]
            ),
        )
    assert [store.version_of(f"old-{number}") for number in (1, 2, 3)] == [1, 2, None]
    assert [(commit.batch_id, commit.details) for commit in store.commits(0)] == [("old-1", {}), ("old-2", {})]
    assert store.version_known_on(datetime.now(UTC)) == 2
    with pytest.raises(NothingKnownYet):
        store.version_known_on(before)


def test_several_who_open_a_table_that_is_not_there_yet_all_get_the_one_that_is_made(settings: Settings) -> None:
    """Without its guard a third of the rounds failed, so twenty of them find a guard that is gone."""
    for number in range(20):
        root = str(settings.home / f"new {number}")
        gate = threading.Barrier(6)

        def opened(root: str = root, gate: threading.Barrier = gate) -> int:
            store = DeltaStore(settings, root, SCHEMA, lock="new")
            gate.wait()
            return store.version()

        with ThreadPoolExecutor(6) as people:
            assert [one.result() for one in [people.submit(opened) for _ in range(6)]] == [0] * 6
