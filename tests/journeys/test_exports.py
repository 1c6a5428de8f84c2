"""Exports: CSV, Excel, a notebook that computes the report again, JSON; and all of them stamped when exploratory."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import expect

from pilot.database import Database
from pilot.evidence.queries import document_of, latest_report
from pilot.planning.queries import pilot as pilot_by_code
from pilot.settings import Settings
from pilot.upkeep import migrating
from tests.journeys.conftest import Visitor
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at
from tests.pilot.evidence.test_notebook import run
from tests.web.house import add_people

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]
REPORT = "/pilots/points/reports/points-1-1"


@pytest.fixture
def network(tmp_path: Path) -> SmallNetwork:
    """A pilot at its gate, with six listed customers in every store."""
    settings = Settings(home=tmp_path / "home", fixed_now=day_at(START + timedelta(days=29)), json_logs=False)
    database = Database(settings)
    migrating.upgrade(database)
    (settings.home / "files").mkdir()
    found = SmallNetwork(database, settings.home / "files", customers=6).running()
    add_people(found)
    found.run_to(START + timedelta(days=27))
    found.look()
    return found


def taken(visitor: Visitor, name: str) -> tuple[str, bytes]:
    """What a link to an export gives: the file's name and content."""
    with visitor.page.expect_download() as waiting:
        visitor.page.get_by_role("link", name=name, exact=True).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_a_report_leaves_the_house_in_four_forms_with_the_same_numbers(
    network: SmallNetwork, serve: Serve, visit: Visit
) -> None:
    with network.database.reading() as session:
        frozen = latest_report(session, pilot_by_code(session, "points"), 1)
        assert frozen is not None
        document = document_of(frozen)
    effect = document.analysis.row("store_total", "points").estimate
    assert effect is not None
    analyst = visit(serve(network.database.settings), "analyst")
    analyst.open(REPORT)
    analyst.keep("exports", at="text=Take it with you")

    name, content = taken(analyst, "CSV")
    first = next(csv.DictReader(io.StringIO(content.decode())))
    assert (name, float(first["effect"]), first["stamp"]) == ("points-1-1.csv", effect.effect, "")

    name, content = taken(analyst, "Excel")
    book = load_workbook(io.BytesIO(content))
    head, first_row = list(book["Effects"].iter_rows(values_only=True))[:2]
    assert name == "points-1-1.xlsx"
    assert first_row[head.index("Effect")] == pytest.approx(effect.effect / 100, rel=1e-15)  # 16 digits in a cell
    assert {"Plan", "Methods"} <= set(book.sheetnames)

    name, content = taken(analyst, "JSON")
    assert (name, json.loads(content)["plan_hash"]) == ("points-1-1.json", document.plan_hash)

    name, content = taken(analyst, "Notebook")
    compared, rows = run(json.loads(content))
    assert (name, compared) == ("points-1-1.ipynb", len(document.analysis.rows))
    assert rows == document.analysis.to_dict()["rows"]


def test_what_is_explored_beyond_the_plan_is_stamped_everywhere(
    network: SmallNetwork, serve: Serve, visit: Visit
) -> None:
    manager = visit(serve(network.database.settings), "manager")
    manager.open("/pilots/points/stages")
    manager.press("Explore stage 1")
    expect(manager.page.locator(".stamp.is-blocking").first).to_be_visible(timeout=60_000)
    assert manager.page.url.endswith("/reports/points-1-2")
    manager.sees("exploratory: not frozen, and no decision can rest on it")
    assert manager.page.get_by_text("The gate's own rules recommend").count() == 0
    stamped: dict[str, Any] = {}
    name, content = taken(manager, "CSV")
    stamped[name] = {row["stamp"] for row in csv.DictReader(io.StringIO(content.decode()))}
    name, content = taken(manager, "Excel")
    stamped[name] = {sheet["A1"].value.split(":")[0].lower() for sheet in load_workbook(io.BytesIO(content))}
    name, content = taken(manager, "JSON")
    stamped[name] = {json.loads(content)["stamp"]}
    name, content = taken(manager, "Notebook")
    stamped[name] = {json.loads(content)["metadata"]["pilot"]["stamp"]}
    name = "points-1-2-exploratory-2026-03-29"
    assert stamped == {f"{name}.{kind}": {"exploratory"} for kind in ("csv", "xlsx", "json", "ipynb")}
    manager.page.get_by_role("link", name="Memo").first.click()
    manager.sees("There is nothing to decide on what is exploratory.")
    assert manager.page.locator("input[name=choice]").count() == 0
