"""The notebook of a report computes every row again, to the last digit, knowing nothing but ``experiments``."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.assignment import queries as assignment
from pilot.database import Database
from pilot.evidence.computing import analysis_plan
from pilot.evidence.document import ReportDocument, read_document
from pilot.evidence.export import exported
from pilot.evidence.notebook import notebook
from pilot.evidence.service import compute_report
from pilot.planning.queries import plan_of
from tests.pilot.evidence.small_network import SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END
from tests.pilot.evidence.test_units_of_assignment import CUSTOMERS_LEAD

# What runs the cells: nothing of ours can be imported but ``experiments``, and no file or database is at hand.
RUNNER = """
import json, sys
class Closed:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pilot", "web", "sqlalchemy", "flask", "deltalake", "duckdb"):
            raise ImportError(name)
sys.meta_path.insert(0, Closed())
cells = [cell for cell in json.load(sys.stdin)["cells"] if cell["cell_type"] == "code"]
names = {}
for cell in cells:
    exec("".join(cell["source"]), names)
print(json.dumps([names["compared"], names["report"].to_dict()["rows"]]))
"""


def computed(network: SmallNetwork, **how: Any) -> ReportDocument:
    now = day_at(END + timedelta(days=1))
    return network.read(lambda s, p: compute_report(s, p, 1, lake=network.lake, now=now, **how))


def written(network: SmallNetwork, document: ReportDocument) -> dict[str, Any]:
    """The notebook of ``document``, through JSON as it leaves the house."""

    def write(session: Any, pilot: Any) -> dict[str, Any]:
        draw = assignment.draws(session, pilot)[-1]
        plan = plan_of(session, pilot, document.plan_hash)
        drawn = {} if plan.unit == "customer" else assignment.assignment_of(session, draw)
        mechanism, seed = assignment.mechanism_of(draw), document.permutation_seed
        look = analysis_plan(plan, plan.stage(1), mechanism, drawn, look=document.look, seed=seed)
        return notebook(exported(document.text()), look)

    found: dict[str, Any] = json.loads(json.dumps(network.read(write)))
    return found


def run(book: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """The number of rows that the notebook says it compared, and the rows that it computed."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=json.dumps(book), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    compared, rows = json.loads(done.stdout.splitlines()[-1])
    return compared, rows


def test_every_row_comes_again_to_the_last_digit(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path, customers=6).running()
    network.run_to(END)
    document = computed(network)
    compared, rows = run(written(network, document))
    assert rows == document.analysis.to_dict()["rows"]
    assert compared == len(rows) == 4
    assert rows[0]["estimate"]["effect"] == document.analysis.rows[0].estimate.effect  # type: ignore[union-attr] # there


def test_segments_and_refusals_come_again_too(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path, n_stores=12, customers=22)
    network.running(segments=["young", "old"], secondary=["purchase_frequency", "repeat_purchase_45d"])
    network.run_to(END)
    document = computed(network)
    assert any(row.segment for row in document.analysis.rows)
    assert any(row.refusal for row in document.analysis.rows)
    compared, rows = run(written(network, document))
    assert rows == document.analysis.to_dict()["rows"]
    assert compared == len(rows)


def test_a_metric_with_a_small_cell_stays_at_home_and_is_named(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path, customers=4).running()
    network.run_to(END)
    document = computed(network)
    book = written(network, document)
    assert "fewer than 5 customers" in "".join(book["cells"][0]["source"])
    assert "Purchase frequency" in "".join(book["cells"][0]["source"])
    assert "purchase_frequency" not in json.loads(json.dumps(book["cells"][5]))["source"][0].split('"moments":')[1]
    compared, rows = run(book)
    assert 0 < compared < len(document.analysis.rows)
    assert rows[0] == document.analysis.to_dict()["rows"][0]


@pytest.mark.parametrize("kind", ["complete", "bernoulli_hash"])
def test_customers_who_were_drawn_are_computed_again_without_their_codes(
    sqlite_database: Database, tmp_path: Path, kind: str
) -> None:
    network = SmallNetwork(sqlite_database, tmp_path, n_stores=8).running(
        **CUSTOMERS_LEAD | {"mechanism": {"kind": kind}}
    )
    network.run_to(END)
    document = computed(network)
    book = written(network, document)
    compared, rows = run(book)
    assert rows == document.analysis.to_dict()["rows"]
    assert compared == len(rows) == 2
    assert '"assignment":{}' in json.dumps(book).replace("\\", "")
    assert '"candidates":[]' in json.dumps(book).replace("\\", "")


def test_an_exploratory_notebook_says_so_first(sqlite_database: Database, tmp_path: Path) -> None:
    network = SmallNetwork(sqlite_database, tmp_path).running()
    network.run_to(END)
    document = read_document(computed(network, exploratory=True).text())
    book = written(network, document)
    assert book["metadata"]["pilot"]["stamp"] == "exploratory"
    assert "no decision can rest on it" in "".join(book["cells"][0]["source"])
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
