"""``pilot analyze``: one document alone on stdout, refusals by row with exit 0, and exit 1 for what spoils the file."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pilot.cli.entry import run
from pilot.evidence.files import read_plan

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "analyze.schema.json").read_text("utf-8"))
PLAN = """
data: {unit: store, variant: promotion, control: 1}
assignment: complete
metrics:
  - {name: sales, kind: mean, value: sales, role: primary}
  - {name: flat, kind: mean, value: flat}
draws: 999
"""
ROWS = "store,promotion,sales,flat\n" + "".join(
    f"s{i:02d},{1 + i % 2},{100 + (i * 7) % 11 + 20 * (i % 2)},1\n" for i in range(20)
)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No installation: the home does not exist."""
    monkeypatch.setenv("PILOT_HOME", str(tmp_path / "nothing" / "here"))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    plan, data = tmp_path / "plan.yaml", tmp_path / "data.csv"
    plan.write_text(PLAN, "utf-8")
    data.write_text(ROWS, "utf-8")
    return plan, data


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    out = capsys.readouterr()
    assert out.err == ""
    found: dict[str, Any] = json.loads(out.out)
    return found


def test_json_is_one_document_that_fits_the_schema(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["analyze", *map(str, files), "--json"]) == 0
    found = document(capsys)
    jsonschema.validate(found, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert found["rows"][0]["method"] == "permutation_studentised"
    assert found["rows"][1]["refusal_code"] == "no_variation"
    assert not (tmp_path / "nothing").exists()


def test_the_same_files_give_the_same_bytes(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    outs = []
    for _ in range(2):
        run(["analyze", *map(str, files), "--json"])
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]


def test_the_text_is_for_a_person(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", *map(str, files)]) == 0
    out = capsys.readouterr().out
    assert "sales: 2 is better than 1 by" in out
    assert "flat, 2: not tested." in out
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize(("name", "begins"), [("r.json", "{"), ("r.html", "<!doctype html>"), ("r.txt", "Against 1")])
def test_the_report_is_written_in_the_form_of_its_name(
    files: tuple[Path, Path], tmp_path: Path, name: str, begins: str
) -> None:
    assert run(["analyze", *map(str, files), "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text("utf-8").startswith(begins)


@pytest.mark.parametrize(
    ("plan", "data", "said"),
    [
        (PLAN.replace("value: sales", "value: sells"), ROWS, "no column 'sells' (did you mean 'sales'?)"),
        (PLAN + "alpha: 1.5\n", ROWS, "line 8: alpha: 1.5 will not do"),
        (PLAN.replace("kind: mean", "knd: mean", 1), ROWS, "line 5: metrics[0].knd: there is no such key"),
        (PLAN, ROWS.replace("s00,1", "s01,1"), "the variant 'promotion' must be the same in all rows of a unit"),
        (PLAN, ROWS.replace(",1\n", ",\n", 1), "1 of 20 values are empty, NaN or infinite (row 1; store s00)"),
        (PLAN, ROWS.replace(",1\n", ",inf\n", 2), "2 of 20 values"),
        (PLAN, "", "it is empty"),
        (PLAN, ROWS.splitlines()[0] + "\n", "the table has no rows"),
        ("data: [", ROWS, "line 1"),
    ],
)
def test_what_spoils_the_whole_file_ends_in_exit_1_with_a_sentence(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], plan: str, data: str, said: str
) -> None:
    files[0].write_text(plan, "utf-8")
    files[1].write_text(data, "utf-8")
    assert run(["analyze", *map(str, files)]) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert said in out.err


def test_the_page_says_its_language_and_what_was_analysed(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert run(["analyze", *map(str, files), "--out", str(tmp_path / "R.HTML")]) == 0
    page = (tmp_path / "R.HTML").read_text("utf-8")
    assert '<html lang="en">' in page
    assert '<meta charset="utf-8">' in page
    assert "<title>data.csv by plan.yaml</title>" in page
    assert page.count("<h1>") == page.count("<table>") == page.count("</html>") == 1


def test_the_plan_in_the_documentation_can_be_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "analyze.md").read_text("utf-8")
    plan = tmp_path / "plan.yaml"
    plan.write_text(page.split("```yaml\n")[1].split("```")[0], "utf-8")
    assert [metric.name for metric in read_plan(plan).metrics] == ["weekly sales", "complaints"]
