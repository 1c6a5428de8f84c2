"""The workbook: numbers are numbers, heads stay in sight, no text is a formula, few customers stay at home."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from openpyxl import load_workbook
from openpyxl.workbook import Workbook

from pilot.evidence.chapter_sheets import Names
from pilot.evidence.queries import ReportView, view
from pilot.evidence.service import compute_report
from pilot.evidence.workbook import workbook
from pilot.words import Message, speaking
from tests.pilot.evidence.small_network import SmallNetwork, day_at
from tests.pilot.evidence.snapshots import END, Point, installation

PLAN = [("Objective", "=cmd|' /C calc'!A0"), ("Level of the test", "5%")]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallNetwork]:
    path: Path = tmp_path_factory.mktemp("workbook")
    with installation(Point.RUNNING, path) as found:
        found.run_to(END)
        yield found


def seen(network: SmallNetwork, *, exploratory: bool = False) -> ReportView:
    now = day_at(END + timedelta(days=1))
    return network.read(
        lambda s, p: view(s, compute_report(s, p, 1, lake=network.lake, now=now, exploratory=exploratory))
    )


def opened(shown: ReportView) -> Workbook:
    file = io.BytesIO()
    checks = [(one.check, one.message.code) for one in shown.document.analysis.diagnostics]
    names = Names(groups={"R01": "North"}, places={})
    workbook(file, shown, PLAN, sentences=["@It sold more."], checks=checks, names=names)
    return load_workbook(io.BytesIO(file.getvalue()))


def test_numbers_are_numbers_with_their_formats_and_the_head_stays(network: SmallNetwork) -> None:
    shown = seen(network)
    sheet = opened(shown)["Effects"]
    head = {cell.value: cell.column for cell in sheet[1]}
    leading = next(row for row in shown.rows if row.leads)
    (line,) = [row for row in sheet.iter_rows(min_row=2) if row[head["Leads"] - 1].value == "leads"]
    assert leading.estimate is not None
    effect, level = line[head["Effect"] - 1], line[head["Level of the interval"] - 1]
    assert effect.value == pytest.approx(leading.estimate.effect / 100, rel=1e-15)  # minor units become money
    assert effect.number_format.startswith("#,##0.00")
    assert (level.value, level.number_format) == (0.95, "0.00%")
    assert line[head["n units"] - 1].value == leading.estimate.n_units
    assert sheet.freeze_panes == "B2"
    assert sheet.column_dimensions["A"].width > 9


def test_days_are_dates_and_the_plan_and_the_methods_have_sheets_of_their_own(network: SmallNetwork) -> None:
    book = opened(seen(network))
    facts = {row[0].value: row[1].value for row in book["Report"].iter_rows(min_row=2)}
    assert facts["Last day"].date() == END
    assert [row[0].value for row in book["Plan"].iter_rows(min_row=2)] == ["Objective", "Level of the test"]
    methods = [cell.value for row in book["Methods"].iter_rows() for cell in row]
    assert "Net sales of all shoppers per store and week, adjusted by the same store's total before" in methods
    assert any("Permutation over the recorded draw" in str(one) for one in methods)
    assert isinstance(facts["First day"].date(), date)


def test_no_text_becomes_a_formula_or_a_link(network: SmallNetwork) -> None:
    shown = replace(seen(network), pilot_name='=HYPERLINK("http://example.org","x")')
    cells = [cell for sheet in opened(shown) for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {'=HYPERLINK("http://example.org","x")', "@It sold more.", "=cmd|' /C calc'!A0"} <= {
        cell.value for cell in cells
    }
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]


def test_cells_of_few_customers_are_not_in_any_sheet(network: SmallNetwork) -> None:
    shown = seen(network)
    document = shown.document
    assert {row["n"] for row in document.moments["purchase_frequency"]} == {4}
    book = opened(shown)
    (title,) = [cell for row in book["Moments"].iter_rows() for cell in row if cell.value == "Purchase frequency"]
    rows = list(book["Moments"].iter_rows(min_row=title.row + 1, values_only=True))
    head, first = rows[0], rows[1]
    assert (head[0], head[1]) == ("unit", "suppressed")
    assert first[:2] == ("S01", True)
    assert all(cell is None for cell in first[2:])


def test_an_exploratory_workbook_says_so_on_every_sheet(network: SmallNetwork) -> None:
    book = opened(seen(network, exploratory=True))
    assert {sheet["A1"].value for sheet in book} == {"Exploratory: not frozen, and no decision can rest on it."}
    assert not [sheet.title for sheet in opened(seen(network)) if "xploratory" in str(sheet["A1"].value)]


def test_a_chapter_has_its_sheet_in_words_with_money_as_money(network: SmallNetwork) -> None:
    """The account's amounts are the report's, in the currency; no path, no code and no minor unit is left."""
    shown = seen(network)
    told = shown.document.chapters["money"]["variants"]["points"]
    book = opened(shown)
    rows = {row[0].value: row[1:4] for row in book["Money"].iter_rows(min_row=2) if row[0].value}
    net = rows["Net"]
    assert [cell.value for cell in net] == pytest.approx(
        [told[key] / 100 for key in ("net_minor", "net_low_minor", "net_high_minor")], rel=1e-15
    )
    assert {cell.number_format for cell in net} == {'#,##0.00## "EUR"'}
    assert rows["Extra margin"][0].value == told["account"][0]["amount_minor"] / 100
    names = ("Money", "Real or just swiped", "Subsidised share", "True loyalty", "Where does it work",
             "Cross-shopping map", "Value and cost")  # fmt: skip
    for name in names:
        texts = [str(cell.value) for row in book[name].iter_rows() for cell in row if cell.value is not None]
        assert len(texts) > 5
        assert not [text for text in texts if "_" in text or text in ("points", "R01", "segment", "region")]


def test_a_refusal_of_a_chapter_is_its_sentence_with_names_for_codes(network: SmallNetwork) -> None:
    shown = seen(network)
    refusal = Message("few", "in {groups} nothing of {variant} is seen", {"groups": "R01, R9", "variant": "points"})
    told = {"money": {"refusal": refusal.to_dict()}}
    book = opened(replace(shown, document=replace(shown.document, chapters=told)))
    assert book["Money"]["A2"].value == "in North, R9 nothing of “Points card” is seen"


def test_few_customers_are_left_out_of_a_chapter_s_sheet(network: SmallNetwork) -> None:
    told = seen(network).document.chapters["subsidy"]["variants"]["points"]
    assert min(row["customers"] for row in told["tenths"]) < 5
    rows = list(opened(seen(network))["Subsidised share"].iter_rows(min_row=3, max_row=12, values_only=True))
    few = [row for row, tenth in zip(rows, told["tenths"], strict=True) if 0 < tenth["customers"] < 5]
    assert few
    assert all(set(row[1:-1]) == {None} and row[-1] == "not shown: fewer than 5 customers" for row in few)


def test_the_sheets_speak_the_reader_s_language_and_keep_excel_s_rules(network: SmallNetwork) -> None:
    with speaking("ru"):
        names = opened(seen(network)).sheetnames
    assert names[0] != "Report"
    assert all(0 < len(name) <= 31 and not set(name) & set("[]:*?/\\") for name in names)
    assert len({name.casefold() for name in names}) == len(names)
