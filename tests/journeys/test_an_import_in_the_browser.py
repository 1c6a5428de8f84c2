"""A file whose columns were understood wrongly, corrected on the page; and rows that wait in quarantine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pilot.settings import Settings
from tests.journeys.conftest import Visitor

pytestmark = pytest.mark.browser

Serve = Callable[[Settings], str]
Visit = Callable[..., Visitor]


def test_a_wrong_mapping_is_corrected_on_the_page(house: Settings, serve: Serve, visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "shops.csv"
    file.write_text("Shop;Area;Region\nS90;R01;somewhere\nS91;R02;elsewhere\n", "utf-8")
    analyst = visit(serve(house), "analyst")
    _brings(analyst, file, "Stores")
    analyst.sees("Is this how the file is meant?")
    analyst.sees("somewhere")
    analyst.press("Check every row")
    analyst.sees("2 of 2 rows are not right")
    analyst.sees("There is no region “somewhere”")
    analyst.page.get_by_role("link", name="Correct the mapping").click()
    analyst.page.locator("#col-region").select_option("Area")
    analyst.press("Check every row")
    analyst.sees("2 rows are checked and ready")
    analyst.press("Take the rows in")
    analyst.sees("All rows are in.")
    analyst.open("/network/")
    analyst.sees("S91")


def test_a_parked_row_is_corrected_and_taken_in(house: Settings, serve: Serve, visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "stores.csv"
    file.write_text("store,region\nS90,R01\nS91,nowhere\n", "utf-8")
    analyst = visit(serve(house), "analyst")
    _brings(analyst, file, "Stores")
    analyst.page.get_by_label("Park them in quarantine and take the others in").check()
    analyst.press("Check every row")
    analyst.sees("1 rows are checked and ready")
    analyst.page.get_by_role("link", name="Correct them").click()
    analyst.page.get_by_role("link", name="Correct").click()
    analyst.page.get_by_label("Region").fill("R02")
    analyst.press("Check the corrected row")
    analyst.sees("The row is right now. Take it in.")
    analyst.press("Take the rows in")
    analyst.sees("All rows are in.")


def _brings(analyst: Visitor, file: Path, kind: str) -> None:
    analyst.open("/imports/")
    analyst.page.get_by_label("What is in it").select_option(label=kind)
    analyst.page.get_by_label("File").set_input_files(file)
    analyst.press("Look at the file")
