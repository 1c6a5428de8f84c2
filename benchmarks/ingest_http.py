"""How many receipts a second arrive over HTTP, beside a bare Flask view that parses the body and commits one row.

Two gunicorn workers with four threads each, batches of 500 receipts, four clients in processes of their own, SQLite and
PostgreSQL, and 10 M keys in the window of 35 business days that decides what is known. Everything is durable before
the answer on both sides: an fsync per commit. What was acknowledged is counted in the inbox first.

The two servers take turns, ours right after the bare one. The ratio is the median of the rounds' ratios, shown with the
least and the largest: the two of a round see the same machine, the fastest of each need not. Receipts a second are
medians too. ``python -m benchmarks.ingest_http``
"""

import importlib
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import orjson
from sqlalchemy import func, insert, select

from benchmarks.ingest_home import Home, Load, free_port, make_bodies, make_home, postgres, running, send_all
from benchmarks.ingest_home import serve_command as serve_ours
from benchmarks.scale_world import BENCH
from pilot.outcomes.inbox import key_window
from pilot.outcomes.inbox.database import InboxDatabase
from pilot.outcomes.inbox.model import InboxBatch, InboxKeys

KEYS, DAYS = 10_000_000, 35
SIZE, BATCHES, ROUNDS, CLIENTS = 500, 120, 7, 4
WARM_UP = 8
BAR = 0.25


def main() -> int:
    """Print the section of the speed page; 0 where both bars are held."""
    folder = BENCH / "http"
    print("## Receipts over HTTP\n")
    print(
        f"2 workers, batches of {SIZE}, {CLIENTS} clients, {KEYS:,} keys in the window; "
        f"{BATCHES * SIZE:,} receipts a round, {ROUNDS} rounds in turns.\n"
    )
    print("| database | Flask view, receipts/s | ours, receipts/s | ratio | of the rounds | bar | p50, ms | p99, ms |")
    print("|---|---|---|---|---|---|---|---|")
    try:
        held = _compare("SQLite", make_home(folder / "sqlite"), str(folder / "bare.db"))
        with postgres() as url:
            held = _compare("PostgreSQL", make_home(folder / "postgres", url), url) and held
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if held else 1


def _compare(name: str, home: Home, bare_database: str) -> bool:
    seed_keys(home)
    os.environ["BARE_DATABASE"] = bare_database
    importlib.reload(importlib.import_module("benchmarks.ingest_bare")).make_table()
    ours, bare = free_port(), free_port()
    environment = {**os.environ, "BARE_DATABASE": bare_database, "PYTHONPATH": str(Path(__file__).parents[1])}
    loads: dict[int, list[Load]] = {ours: [], bare: []}
    with running(serve_ours(ours), home.environment, ours), running(_serve_bare(bare), environment, bare):
        for number in range(ROUNDS + 1):
            n = BATCHES if number else WARM_UP
            bodies = make_bodies(home.store_codes, batches=n, size=SIZE, seed=number)
            for port in (bare, ours):
                loads[port].append(send_all(port, home.secret, bodies, clients=CLIENTS))
    accepted = sum(orjson.loads(answer)["accepted"] for load in loads[ours] for answer in load.answers)
    assert accepted == (ROUNDS * BATCHES + WARM_UP) * SIZE == _in_inbox(home)
    speed = {port: BATCHES * SIZE / np.array([load.seconds for load in found[1:]]) for port, found in loads.items()}
    latencies = np.sort([latency for load in loads[ours][1:] for latency in load.latencies]) * 1e3
    ratios = speed[ours] / speed[bare]
    ratio, rounds = float(np.median(ratios)), f"{ratios.min():.2f}–{ratios.max():.2f}"
    p50, p99 = np.quantile(latencies, (0.5, 0.99))
    medians = f"{np.median(speed[bare]):,.0f} | {np.median(speed[ours]):,.0f}"
    print(f"| {name} | {medians} | {ratio:.2f} | {rounds} | ≥ {BAR} | {p50:.1f} | {p99:.1f} |")
    return ratio >= BAR


def _serve_bare(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "gunicorn", "benchmarks.ingest_bare:app", "--bind", f"127.0.0.1:{port}"),
        *("--workers", "2", "--threads", "4", "--no-control-socket", "--log-level", "warning"),
    ]


def seed_keys(home: Home) -> None:
    """The window as a busy month would have left it: one large segment a business day."""
    rng = np.random.default_rng(1)
    inbox = InboxDatabase(home.settings)
    today, n = home.settings.now().date(), KEYS // DAYS
    with inbox.unit_of_work() as session:
        for day in range(DAYS):
            hashes = np.sort(rng.integers(0, 2**64, n, dtype=np.uint64)).tobytes()
            number = key_window.day_number(today - timedelta(days=day))
            # Of no batch, so before all: a process takes in what arrived after the newest that it has.
            row = {"arrival": 0, "business_day": number, "level": 5, "batch_id": None, "n": n, "hashes": hashes}
            session.execute(insert(InboxKeys), row)
    inbox.dispose()


def _in_inbox(home: Home) -> int:
    inbox = InboxDatabase(home.settings)
    try:
        with inbox.reading() as session:
            return session.scalar(select(func.sum(InboxBatch.n_accepted))) or 0
    finally:
        inbox.dispose()


if __name__ == "__main__":
    raise SystemExit(main())
