"""Ten minutes of the full load, a line a minute, and then: is anything lost or doubled? ``make soak``.

At work are ``pilot serve`` (two workers), ``pilot worker`` (drain, compaction, day tables) and ``pilot watch`` (a drop
folder). Two tills send batches of 500 receipts, two a second each, and now and then a call twice; every twenty seconds
a file with 2,000 receipts is dropped; fifty look-ups a second are asked. That is 2,100 receipts a second, or 180 M a
day: six hundred times what a chain of 500 stores writes. The key window holds 10 M keys from the beginning. Every
minute a significance report is made of a pilot in all stores, from what the lake holds by then: it grows with that.

Fixed before: over all minutes but the first two, the robust slope (Theil and Sen) of each process group's memory times
the duration stays below a tenth of its median and 48 MiB; that of the median latencies below half their median. At
the end every receipt that a client was promised is in the lake once, with its amount, and nothing else is.

``python -m benchmarks.soak [--minutes 10] [--postgres] [--write]``
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.ingest_home import ADMIN, Home, free_port, postgres, running, serve_command
from benchmarks.ingest_http import seed_keys
from benchmarks.lookup_world import KINDS, NOW, TODAY, Kind, build
from benchmarks.pages import put
from benchmarks.scale_world import BENCH
from benchmarks.soak_load import CLIENTS, Diary, Till, clients, csv_text, make_receipts
from pilot.access.api_keys import create_api_key
from pilot.access.permissions import Scope
from pilot.access.queries import user_by_email
from pilot.access.service import first_administrator
from pilot.cli import main as pilot
from pilot.database import Database
from pilot.outcomes.lake import Lake
from pilot.planning.lifecycle import PilotState, StageState
from pilot.settings import Settings
from pilot.upkeep import migrating

MINUTES, WARM_UP = 10.0, 2
MEMORY_SHARE, MEMORY_MORE_MB, LATENCY_SHARE = 0.1, 48.0, 0.5
GROUPS = ("web", "worker", "watch")
MEASURED = Kind(
    "m-measured", pilot=PilotState.AT_GATE, stage=StageState.AT_GATE, starts_on=TODAY - timedelta(days=28), weeks=4
)  # its last day is yesterday, of which the tills' receipts are
HISTORY = 60_000


@dataclass(frozen=True, slots=True)
class Minute:
    """What was seen in one interval: MiB by process group, (p50, p99, n) in ms by client, seconds of the report."""

    memory: dict[str, float]
    latency: dict[str, tuple[float, float, int]]
    report: float


def main() -> int:
    """Print the report; 0 where nothing was lost and all is flat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/soak.md")
    chosen = parser.parse_args()
    folder = BENCH / "soak"
    with ExitStack() as stack:
        url = stack.enter_context(postgres()) if chosen.postgres else None
        try:
            return _soak(folder, url, chosen.minutes, is_written=chosen.write)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _soak(folder: Path, url: str | None, minutes: float, *, is_written: bool) -> int:
    home, till = _prepare(folder, url)
    n = max(round(minutes), 1) if minutes >= 3 else max(round(minutes * 6), 1)
    seconds = minutes * 60 / n
    seen: list[Minute] = []
    with _servers(home, till) as processes, clients(till):
        for number in range(n):
            since = time.time()
            report = _report(home)
            time.sleep(max(since + seconds - time.time(), 0.0))
            seen.append(
                Minute({name: _memory(pid) for name, pid in processes.items()}, _latencies(till, since), report)
            )
            print(_line(number, seconds, seen[-1]), flush=True)
    lost = _missing(home, till)
    verdicts = [*_flat(seen), lost]
    title = f"{'PostgreSQL' if url else 'SQLite'}, {seconds * n / 60:g} min"
    text = "\n".join([f"## {title}\n", *_table(seconds, seen), "", *(f"- {words}" for _, words in verdicts)])
    print(f"\n{text}")
    if is_written:
        put("soak.md", "postgresql" if url else "sqlite", text)
    return 0 if all(holds for holds, _ in verdicts) else 1


def _prepare(folder: Path, url: str | None) -> tuple[Home, Till]:
    """Stores, customers and pilots of every kind, an administrator, a key, a full key window."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "home").mkdir(parents=True)
    (folder / "drop").mkdir()
    os.environ["PILOT_FIXED_NOW"] = NOW.isoformat()  # the pilots run on that day
    if url is not None:
        os.environ["PILOT_DATABASE_URL"] = url  # for the commands that this process runs
    settings = Settings(home=folder / "home", database_url=url, fixed_now=NOW)
    database = Database(settings)
    migrating.upgrade(database)
    with database.unit_of_work() as session:
        first_administrator(session, email=ADMIN, name="Soak", now=NOW)
        world = build(session, n_stores=100, n_customers=5_000, seed=1, kinds=(*KINDS, MEASURED))
        scopes = [Scope.RECEIPTS_WRITE, Scope.ASSIGNMENTS_READ]
        actor = user_by_email(session, ADMIN)
        _, secret = create_api_key(
            session, name="Soak", scopes=scopes, store_codes=[], expires_at=None, actor=actor, now=NOW
        )
    database.dispose()
    home = Home(settings, secret, world.stores)
    seed_keys(home)
    till = Till(folder, free_port(), secret, world.stores, world.customers, NOW - timedelta(days=1, hours=3))
    _import_history(home, till)
    return home, till


def _import_history(home: Home, till: Till) -> None:
    """Receipts of the ninety days before, kept in a list like those of the clients."""
    days, file = np.random.default_rng(1).integers(0, 90, HISTORY).tolist(), till.folder / "history.csv"
    receipts = make_receipts(till, "history", HISTORY)
    for receipt, day in zip(receipts, days, strict=True):
        receipt["at"] = (till.noon - timedelta(days=day)).isoformat()
    Diary(till, "history").keep(receipts)
    file.write_text(csv_text(receipts), "utf-8")
    with redirect_stdout(io.StringIO()):
        assert pilot(["import", "receipts", str(file), "--as", ADMIN, "--home", str(home.settings.home)]) == 0


def _report(home: Home) -> float:
    """Seconds of a process that makes the pilot's report from the lake as it is now."""
    version, began = Lake(home.settings).version(), time.perf_counter()
    command = [sys.executable, "-m", "pilot.cli", "report", "make", MEASURED.code, "1", "--as", "owner@example.org"]
    done = subprocess.run(
        [*command, "--lake-version", str(version)], env=dict(home.environment), check=True, capture_output=True
    )
    assert b"store_total" in done.stdout, done.stdout
    return time.perf_counter() - began


@contextmanager
def _servers(home: Home, till: Till) -> Iterator[dict[str, int]]:
    """The three process groups of an installation; yields the id of each."""
    environment = {**home.environment, "PILOT_FIXED_NOW": NOW.isoformat()}
    command = [sys.executable, "-m", "pilot.cli"]
    with (
        running(serve_command(till.port), environment, till.port) as web,
        running([*command, "worker"], environment) as worker,
        running([*command, "watch", str(till.drop), "--as", ADMIN], environment) as watch,
    ):
        yield dict(zip(GROUPS, (web, worker, watch), strict=True))


def _memory(leader: int) -> float:
    """MiB held by all processes of the leader's session."""
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
                pages = int((folder / "statm").read_text().split()[1])
            except (OSError, IndexError):  # it ended meanwhile
                continue
            total += pages if session == leader else 0
    assert total, f"process {leader} has ended"
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


def _latencies(till: Till, since: float) -> dict[str, tuple[float, float, int]]:
    found = {}
    for name in CLIENTS:
        lines = (till.folder / f"{name}.samples").read_text("ascii").splitlines()
        recent = [float(took) for at, _, took in (line.partition("\t") for line in lines) if float(at) >= since]
        p50, p99 = np.quantile(recent, (0.5, 0.99)) * 1e3 if recent else (np.nan, np.nan)
        found[name] = (float(p50), float(p99), len(recent))
    return found


def _missing(home: Home, till: Till) -> tuple[bool, str]:
    """What clients were promised against what is in the lake, after everything was drained."""
    with redirect_stdout(io.StringIO()):
        assert pilot(["drain", "--home", str(home.settings.home)]) == 0
    promised = Counter(
        line
        for name in ("history", *CLIENTS)
        for line in (till.folder / f"{name}.kept").read_text("ascii").splitlines()
    )
    rows = Lake(home.settings).receipts().select("receipt_id", "net_minor").to_pyarrow()
    stored = Counter(
        f"{receipt}\t{Decimal(net) / 100:.2f}"
        for receipt, net in zip(rows["receipt_id"].to_pylist(), rows["net_minor"].to_pylist(), strict=True)
    )
    lost, more = promised - stored, stored - promised
    doubled = sum(count - 1 for count in Counter(rows["receipt_id"].to_pylist()).values())
    words = f"{promised.total():,} receipts promised; lost {lost.total():,}, not promised {more.total():,}"
    return not lost and not more and not doubled, f"{words}, twice in the lake {doubled:,}"


def _flat(seen: Sequence[Minute]) -> list[tuple[bool, str]]:
    """The slope of every series, over all intervals but the first two."""
    late = seen[WARM_UP:]
    if len(late) < 3:
        return [(True, "too few intervals for slopes: run longer")]
    verdicts = []
    for group in GROUPS:
        rise, median = _rise([minute.memory[group] for minute in late])
        limit = MEMORY_SHARE * median + MEMORY_MORE_MB
        verdicts.append((rise <= limit, f"memory of {group}: {median:,.0f} MiB, rises {rise:+.0f} (limit {limit:.0f})"))
    for name in CLIENTS:
        known = [minute.latency[name][0] for minute in late if minute.latency[name][2]]
        if len(known) >= 3:
            rise, median = _rise(known)
            limit = LATENCY_SHARE * median
            words = f"median latency of {name}: {median:,.1f} ms, rises {rise:+.1f} (limit {limit:.1f})"
            verdicts.append((rise <= limit, words))
    return verdicts


def _rise(values: Sequence[float]) -> tuple[float, float]:
    """Theil–Sen slope times the length of the series, and the median."""
    y = np.array(values)
    first, second = np.triu_indices(len(y), 1)
    slope = float(np.median((y[second] - y[first]) / (second - first)))
    return slope * (len(y) - 1), float(np.median(y))


def _line(number: int, seconds: float, minute: Minute) -> str:
    memory = ", ".join(f"{name} {mib:,.0f} MiB" for name, mib in minute.memory.items())
    latency = ", ".join(f"{name} {p50:.1f}/{p99:.1f} ms ({n})" for name, (p50, p99, n) in minute.latency.items())
    return f"{(number + 1) * seconds / 60:4.1f} min: {memory}; p50/p99: {latency}; report {minute.report:.1f} s"


def _table(seconds: float, seen: Sequence[Minute]) -> list[str]:
    clients = (f"{name}, p50 / p99 ms (calls)" for name in CLIENTS)
    header = [*(f"{name}, MiB" for name in GROUPS), *clients, "report, s"]
    lines = [f"| minute | {' | '.join(header)} |", "|---" * (len(header) + 1) + "|"]
    for number, minute in enumerate(seen, 1):
        cells = [f"{minute.memory[name]:,.0f}" for name in GROUPS]
        answered = (minute.latency[name] for name in CLIENTS)
        cells += [f"{p50:,.1f} / {p99:,.1f} ({n:,})" if n else "–" for p50, p99, n in answered]
        cells.append(f"{minute.report:.1f}")
        lines.append(f"| {number * seconds / 60:.1f} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
