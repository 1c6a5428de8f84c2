"""The log stays short whatever the number of commits, and every batch, version and instant can still be told."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pilot.outcomes import delta_log
from pilot.outcomes.delta import DeltaStore
from pilot.outcomes.errors import NothingKnownYet
from pilot.outcomes.storage import LOG, LocalFolder
from pilot.settings import Settings
from tests.pilot.outcomes.test_delta import NOON, SCHEMA, add, days_of

PACKED = 5
SIXTY_DAYS_MS = 60 * 86_400_000


@pytest.fixture(scope="module", autouse=True)
def packed_early() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delta_log, "PACKED", PACKED)
        yield


def opened(settings: Settings) -> DeltaStore:
    return DeltaStore(settings, str(settings.home / "days"), SCHEMA, partition="part", order=("day",), lock="days")


def log_files(store: DeltaStore) -> list[str]:
    return sorted(path.name for path in (Path(store.root) / LOG).glob("0*"))


def test_a_thousandth_commit_opens_what_the_tenth_does_and_nothing_is_forgotten(settings: Settings) -> None:
    store, most = opened(settings), 0
    versions = []
    for number in range(40):
        versions.append(add(store, f"b{number}", [number], at=NOON + timedelta(hours=number)))
        most = max(most, len(log_files(store)))
    assert most <= 3 * PACKED + 3  # entries and checkpoints
    again = opened(settings)
    assert [again.version_of(f"b{number}") for number in range(40)] == versions
    assert again.version_of("b40") is None
    assert [commit.batch_id for commit in again.commits(0)] == [f"b{number}" for number in range(40)]
    for number, version in enumerate(versions):
        assert again.version_known_on(NOON + timedelta(hours=number, minutes=59)) == version
        assert days_of(again, version) == list(range(number + 1))
        assert again.commits(version - 1, version)[0].committed_at == NOON + timedelta(hours=number)
    with pytest.raises(NothingKnownYet):
        again.version_known_on(NOON - timedelta(seconds=1))


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["add", "add", "again", "compact", "vacuum"]), min_size=8, max_size=30))
def test_packing_in_between_changes_nothing_of_what_is_told(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    store = opened(Settings(home=tmp_path_factory.mktemp("home")))
    known: list[int] = []
    for number, step in enumerate(steps):
        at = NOON + timedelta(hours=number)
        if step == "add":
            known.append(add(store, f"b{len(known)}", [len(known)], at=at))
        elif step == "again" and known:
            assert add(store, "b0", [99], at=at) == known[0]
        elif step == "compact":
            store.compact()
        elif step == "vacuum":
            store.vacuum(known[::2])
    assert [commit.version for commit in store.commits(0)] == known
    for count, version in enumerate(known, start=1):
        assert store.version_of(f"b{count - 1}") == version
        if count % 2:
            assert days_of(store, version) == list(range(count))


@pytest.mark.parametrize("step", ["put", "create_checkpoint", "sync_log", "remove"])
def test_what_fails_while_packing_is_made_up_for_by_a_later_commit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from deltalake import DeltaTable

    store = opened(settings)
    for number in range(2 * PACKED - 2):
        add(store, f"b{number}", [number])
    place = DeltaTable if step == "create_checkpoint" else LocalFolder
    right, calls = getattr(place, step), []

    def fail(*arguments: object) -> None:
        if step == "sync_log" and not calls:  # the first is the commit's own
            calls.append(arguments)
            right(*arguments)
            return
        raise OSError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(place, step, fail)
        for number in range(2 * PACKED - 2, 3 * PACKED):
            calls.clear()
            try:
                add(store, f"b{number}", [number])
            except OSError:
                break
    for number in range(4 * PACKED):
        add(store, f"b{number}", [number])
    assert days_of(opened(settings)) == list(range(4 * PACKED))
    assert [store.version_of(f"b{number}") for number in range(4 * PACKED)] == list(range(1, 4 * PACKED + 1))
    assert len(log_files(store)) <= 4 * PACKED


def test_a_transaction_is_told_for_some_days_only(settings: Settings) -> None:
    """Else every checkpoint would hold one for every commit that there ever was."""
    from deltalake import DeltaTable

    store = opened(settings)
    add(store, "b0", [0])
    assert DeltaTable(store.root).transaction_version("b0") == 1
    age(store)
    assert DeltaTable(store.root).transaction_version("b0") is None
    assert add(store, "b0", [99]) == 1
    assert days_of(store) == [0]


def test_a_batch_comes_in_once_though_all_transactions_have_expired(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of packed commits the index tells, of the others their entries."""
    from deltalake import DeltaTable

    store, commits = opened(settings), 3 * PACKED
    for number in range(commits):
        add(store, f"b{number}", [number])
    age(store)
    monkeypatch.setattr(DeltaTable, "transaction_version", lambda *_: None)
    assert [add(store, f"b{number}", [99]) for number in range(commits)] == list(range(1, commits + 1))
    assert days_of(store) == list(range(commits))
    assert store.version_of("other") is None


def age(store: DeltaStore) -> None:
    """As if what is in the log had been written sixty days earlier."""
    for entry in (Path(store.root) / LOG).glob("*.json"):
        lines = [json.loads(line) for line in entry.read_text().splitlines()]
        for line in lines:
            for part, name in (("commitInfo", "timestamp"), ("txn", "lastUpdated")):
                if part in line:
                    line[part][name] -= SIXTY_DAYS_MS
        entry.write_text("".join(json.dumps(line) + "\n" for line in lines))
