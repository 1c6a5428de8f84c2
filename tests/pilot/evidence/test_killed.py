"""A process killed in the middle of a draw or of a look leaves nothing behind; done again, it gives the same."""

import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from pilot.assignment.model import Draw, HomeEntry, LedgerEntry
from pilot.audit.service import verify
from pilot.database import Base, Database
from pilot.evidence.model import FrozenReport
from pilot.governance import service as governance
from pilot.notices.model import Notice
from pilot.planning.model import PilotState
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at

END = START + timedelta(days=27)
DRAWN_AT, AFTER = day_at(START - timedelta(days=2)), day_at(END + timedelta(days=1))

_BEGIN = """
import os, signal, sys
from datetime import datetime
from pilot.access.queries import user_by_email
from pilot.database import Database
from pilot.evidence import service as evidence
from pilot.governance import service as governance
from pilot.outcomes.lake import Lake
from pilot.planning import service as planning
from pilot.planning.queries import pilot as pilot_by_code
from pilot.settings import Settings

def die(*_arguments, **_named):
    os.kill(os.getpid(), signal.SIGKILL)

settings, now = Settings.model_validate_json(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
database, lake = Database(settings), Lake(settings)
"""
_DRAW = """
with database.reading() as session:
    manager, pilot = user_by_email(session, "manager@example.org"), pilot_by_code(session, "points")
    prepared = governance.prepare_draw(session, pilot, 1, lake=lake, actor=manager, now=now)
planning.mark_drawn = die  # the ledger is written, the pilot has not moved, nothing is committed
with database.unit_of_work() as session:
    governance.draw(session, pilot_by_code(session, "points"), prepared, actor=manager, now=now)
"""
_LOOK = """
with database.reading() as session:
    analyst = user_by_email(session, "analyst@example.org")
    report = evidence.compute_report(session, pilot_by_code(session, "points"), 1, lake=lake, now=now)
evidence.record = die  # frozen, at its gate, only the log is missing
with database.unit_of_work() as session:
    evidence.freeze(session, report, actor=analyst, now=now)
"""


def killed(database: Database, script: str, now: datetime) -> None:
    """Run ``script`` in a process of its own, which kills itself in the middle."""
    arguments = [database.settings.model_dump_json(), now.isoformat()]
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + script, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def n_rows(database: Database, *tables: type[Base]) -> list[int]:
    with database.reading() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_a_kill_in_the_middle_of_a_draw_and_of_a_look_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(database, tmp_path, n_stores=12, customers=2).set_up()
    network.draft()
    network.submit()
    network.sign()
    manager = network.person("manager")
    prepared = network.read(
        lambda s, p: governance.prepare_draw(s, p, 1, lake=network.lake, actor=manager, now=DRAWN_AT)
    )
    killed(database, _DRAW, DRAWN_AT)
    assert n_rows(database, Draw, LedgerEntry, HomeEntry) == [0, 0, 0]
    assert network.read(lambda s, p: p.state) == PilotState.SEALED
    network.draw_and_start()
    assert network.read(lambda s, p: s.scalars(select(Draw.ledger_hash)).one()) == prepared.replayed.ledger_hash

    network.run_to(END)
    told = n_rows(database, Notice)
    killed(database, _LOOK, AFTER)
    assert n_rows(database, FrozenReport) == [0]
    assert n_rows(database, Notice) == told
    assert network.read(lambda s, p: (p.state, p.stage(1).looks_taken)) == (PilotState.RUNNING, 0)
    assert network.look().look == 1
    assert network.read(lambda s, p: verify(s).findings) == ()
