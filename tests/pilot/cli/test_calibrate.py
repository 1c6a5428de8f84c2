"""``pilot calibrate``: a plan and a panel in, false alarms and power out; no installation, no database."""

import csv
import json
from pathlib import Path

import pytest

from pilot.cli import main
from pilot.database import Database
from tests.experiments.store_panels import panel
from tests.pilot.planning.a_network import a_lake, a_network, a_pilot, a_stage

PLAN = """\
data: {unit: store, variant: arm, control: control, period: week}
windows: {before: [32, 35], during: [36, 39]}
assignment: complete
metrics:
  - {name: sales, kind: mean, value: sales, role: primary, direction: increase}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    plan, data = tmp_path / "plan.yaml", tmp_path / "panel.csv"
    plan.write_text(PLAN, "utf-8")
    columns = panel(8)
    with data.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return str(plan), str(data)


def test_a_person_reads_sentences(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", *files, "--replications", "40"]) == 0
    told = capsys.readouterr().out
    assert "8 windows of 4 periods" in told
    assert "  regression t: " in told
    assert "2.9% by design, whatever the data (all 70 draws are listed)" in told


def test_a_program_reads_one_document_and_the_seed_decides_it(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", *files, "--replications", "40", "--seed", "7", "--lift", "2.5", "--json"]
    documents = []
    for _ in range(2):
        assert main(words) == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0] == documents[1]
    assert (documents[0]["seed"], documents[0]["lift"], documents[0]["n_windows"]) == (7, 0.025, 8)
    assert {row["method"] for row in documents[0]["rows"]} == {"regression_t", "cr2", "permutation_studentised"}


def test_parquet_is_read_like_csv(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    plan, data = files
    parquet = str(Path(data).with_suffix(".parquet"))
    pq.write_table(pa.table(panel(8)), parquet)
    told = []
    for source in (data, parquet):
        assert main(["calibrate", plan, source, "--replications", "40", "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out)["rows"])
    assert [row["false_alarms"] for row in told[0]] == [row["false_alarms"] for row in told[1]]


def test_what_is_wrong_is_named_with_its_place(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    plan, data = files
    Path(plan).write_text(PLAN.replace("unit: store", "unit: shop"), "utf-8")
    assert main(["calibrate", plan, data]) == 1
    assert "shop" in capsys.readouterr().err
    Path(plan).write_text(PLAN.replace("kind: mean", "kind: average"), "utf-8")
    assert main(["calibrate", plan, data]) == 1
    assert "line 5" in capsys.readouterr().err
    Path(plan).write_text(PLAN.replace(", period: week", ""), "utf-8")
    assert main(["calibrate", plan, data]) == 1
    assert "period" in capsys.readouterr().err
    assert main(["calibrate", plan, data, "--lift", "none"]) == 2


def test_files_or_a_pilot_are_named_and_not_both(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], [files[0]], [*files, "--pilot", "points-1"]):
        assert main(["calibrate", *words, "--home", str(tmp_path)]) == 1
        assert "or a pilot" in capsys.readouterr().err


def test_a_stage_of_an_installation_is_replayed_on_its_own_sales(
    sqlite_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite_database.unit_of_work() as session:
        a_network(session)
        a_pilot(session, stages=[a_stage(weeks=4)], windows={"pre_weeks": 4, "home_weeks": 12})
    a_lake(sqlite_database.settings)
    words = ["calibrate", "--pilot", "points-1", "--stage", "1", "--home", str(sqlite_database.settings.home)]
    assert main([*words, "--replications", "40"]) == 0
    told = capsys.readouterr().out
    assert "8 windows of 4 periods" in told
    assert "store_total, points: 6 units against 6 in control" in told
    assert main([*words, "--replications", "40", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["assignment"] == "matched_pairs"
    assert main(["calibrate", "--pilot", "unknown", "--home", str(sqlite_database.settings.home)]) == 1
