"""Who gets what over HTTP, beside a bare Flask view that returns a constant: 2 workers, 8 kept-alive connections.

Both run under the same gunicorn. Ours answers real customers of eleven pilots from a database of 100,000, checks the
key, the scope and the store, writes its log line and counts. Runs alternate; the median of the ratios is what counts.
"""

import json
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.lookup_world import NOW, build

SECONDS, ROUNDS, WARM_UP = 5.0, 5, 6.0
N_STORES, N_CUSTOMERS, N_TARGETS = 500, 100_000, 20_000
PORTS = {"bare": 18_811, "ours": 18_812}
LEAST_SHARE, MOST_P99 = 0.5, 2.5
BARE = """from flask import Flask, jsonify
app = Flask("bare")
@app.get("/api/v1/assignments")
def constant():
    return jsonify(variant="control", offer=None)
"""


def main() -> int:
    """Print the table; 1 when a bar is missed."""
    with tempfile.TemporaryDirectory(prefix="pilot-bench-") as folder:
        home = Path(folder) / "home"
        secret, targets = _home(home)
        (Path(folder) / "bare.py").write_text(BARE)
        with _served("bare", "bare:app", Path(folder), {}), _served("ours", "web.app:create_app()", home, _ours(home)):
            for name in PORTS:
                _load(name, WARM_UP, secret, targets)
            runs = [{name: _load(name, SECONDS, secret, targets) for name in PORTS} for _ in range(ROUNDS)]
    assert not any(one["refused"] for run in runs for one in run.values()), "every answer was a 200"
    return _print(runs)


def _print(runs: Sequence[dict[str, dict[str, float]]]) -> int:
    rate = {name: [run[name]["requests"] / run[name]["seconds"] for run in runs] for name in PORTS}
    share = statistics.median(ours / bare for ours, bare in zip(rate["ours"], rate["bare"], strict=True))
    p99 = statistics.median(run["ours"]["p99_ms"] / run["bare"]["p99_ms"] for run in runs)
    print("### Look-up over HTTP\n")
    print(f"{N_CUSTOMERS:,} customers, {N_STORES} stores, 11 pilots; {ROUNDS} rounds of {SECONDS:g} s, medians.\n")
    print("| | requests a second | median | p99 |")
    print("|---|---|---|---|")
    for name, label in (("bare", "bare Flask view, a constant"), ("ours", "assignment of a real customer")):
        median, tail = (statistics.median(run[name][key] for run in runs) for key in ("median_ms", "p99_ms"))
        print(f"| {label} | {statistics.median(rate[name]):,.0f} | {median:.2f} ms | {tail:.2f} ms |")
    bars = (
        ("requests, ours / bare", f"{share:.2f}×", f"≥ {LEAST_SHARE:g}×", share >= LEAST_SHARE),
        ("p99, ours / bare", f"{p99:.2f}×", f"≤ {MOST_P99:g}×", p99 <= MOST_P99),
    )
    print("\n| | measured | bar | |\n|---|---|---|---|")
    for what, measured, bar, holds in bars:
        print(f"| {what} | {measured} | {bar} | {'met' if holds else '**missed**'} |")
    return 0 if all(holds for *_, holds in bars) else 1


def _home(home: Path) -> tuple[str, str]:
    """An installation with customers and pilots; a key's secret and the addresses to ask, a line each."""
    from pilot.access.api_keys import create_api_key
    from pilot.access.permissions import Scope
    from pilot.database import Database
    from pilot.settings import Settings, save_settings
    from pilot.upkeep import migrating

    database = Database(Settings(home=home, fixed_now=NOW))
    migrating.upgrade(database)
    with database.unit_of_work() as session:
        world = build(session, n_stores=N_STORES, n_customers=N_CUSTOMERS, seed=1)
        _key, secret = create_api_key(
            session, name="bench", scopes=[Scope.ASSIGNMENTS_READ], store_codes=[], expires_at=None, actor="b", now=NOW
        )
    database.dispose()
    save_settings(home, {"fixed_now": NOW.isoformat()})
    chance = random.Random(2)  # noqa: S311 - which customers come, no secret
    pairs = ((chance.choice(world.stores), chance.choice(world.customers)) for _ in range(N_TARGETS))
    return secret, "\n".join(f"/api/v1/assignments?store={store}&customer={customer}" for store, customer in pairs)


def _ours(home: Path) -> dict[str, str]:
    counters = home / "run" / "prometheus"
    counters.mkdir(parents=True)
    return {"PILOT_HOME": str(home), "PROMETHEUS_MULTIPROC_DIR": str(counters)}


@contextmanager
def _served(name: str, application: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Gunicorn as ``pilot serve`` starts it; ended with the block."""
    hooks = ["--config", "python:web.gunicorn_hooks"] if environment else []
    command = [
        *(sys.executable, "-m", "gunicorn", application, *hooks, "--bind", f"127.0.0.1:{PORTS[name]}"),
        *("--workers", "2", "--threads", "4", "--worker-tmp-dir", "/dev/shm"),  # noqa: S108 - gunicorn's heartbeats
        *("--chdir", str(folder), "--timeout", "120", "--no-control-socket", "--log-level", "warning"),
    ]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, env={**os.environ, **environment, "PYTHONPATH": path}, stderr=log) as server,
    ):
        try:
            _wait(name)
            yield
        finally:
            server.terminate()


def _wait(name: str) -> None:
    """Until the server takes connections."""
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORTS[name]}/{secrets.token_hex(4)}", timeout=10).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{name} does not answer")


def _load(name: str, seconds: float, secret: str, targets: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.lookup_load", "127.0.0.1", str(PORTS[name]), str(seconds)]
    environment = {**os.environ, "BENCH_KEY": secret}
    asked = subprocess.run(command, input=targets, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(asked.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
