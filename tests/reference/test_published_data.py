"""Published experiments with known answers, through ``pilot analyze`` itself.

The numbers are those that the publishers of the data, or plain regressions on them, give; the data lie beside the
project and the tests are skipped where they are absent.
"""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pilot.cli.entry import run
from tests.reference.oracles import reference

Analyze = Any


@pytest.fixture
def analyze(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Analyze:
    """Run ``pilot analyze --json`` on a plan (as a mapping) and a file; the document that stands alone on stdout."""

    def do(plan: dict[str, Any], data: Path) -> dict[str, Any]:
        written = tmp_path / "plan.yaml"
        written.write_text(json.dumps(plan), "utf-8")  # JSON is YAML
        assert run(["analyze", str(written), str(data), "--json"]) == 0
        out = capsys.readouterr()
        assert out.err == ""
        document: dict[str, Any] = json.loads(out.out)
        return document

    return do


def row(report: dict[str, Any], metric: str, variant: str, segment: str | None = None) -> dict[str, Any]:
    found = [r for r in report["rows"] if (r["metric"], r["variant"], r["segment"]) == (metric, variant, segment)]
    assert len(found) == 1
    assert found[0]["refusal"] is None
    return dict(found[0])


def beside(found: dict[str, Any], method: str) -> dict[str, Any]:
    (alternative,) = [a for a in found["alternatives"] if a["method"] == method]
    return dict(alternative)


def fastfood(**data: Any) -> dict[str, Any]:
    return {
        "data": {"unit": "LocationID", "variant": "Promotion", "control": "1", **data},
        "assignment": "stratified" if data else "complete",
        "metrics": [{"name": "sales", "kind": "mean", "value": "SalesInThousands", "role": "primary"}],
        "seed": 1,
    }


def test_a_promotion_in_137_stores_is_tested_on_stores_never_on_rows(analyze: Analyze) -> None:
    report = analyze(fastfood(), reference("fastfood_promo/WA_Marketing-Campaign.csv"))
    second, third = row(report, "sales", "2"), row(report, "sales", "3")
    assert second["effect"] == pytest.approx(-10.770, abs=5e-4)
    assert third["effect"] == pytest.approx(-2.735, abs=5e-4)
    assert 0.0005 <= second["p_value"] <= 0.003
    assert 0.35 <= third["p_value"] <= 0.50
    assert {second["method"], third["method"]} == {"permutation_studentised"}
    assert beside(second, "welch")["p_value"] == pytest.approx(0.00128, abs=5e-6)
    assert beside(third, "welch")["p_value"] == pytest.approx(0.426, abs=5e-4)
    (omnibus,) = report["omnibus"]
    assert omnibus["statistic"] == pytest.approx(5.846, abs=5e-4)
    assert omnibus["p"] == pytest.approx(0.00368, abs=5e-6)
    assert omnibus["df"] == [2, 134]
    assert (second["n_units"], second["n_rows"]) == (90, 360)
    assert second["p_value_adjusted"] >= second["p_value"]


def test_the_same_stores_with_their_markets_as_blocks(analyze: Analyze) -> None:
    report = analyze(fastfood(block="MarketID"), reference("fastfood_promo/WA_Marketing-Campaign.csv"))
    second, third = row(report, "sales", "2"), row(report, "sales", "3")
    assert second["effect"] == pytest.approx(-9.718, abs=5e-4)
    assert third["effect"] == pytest.approx(-4.925, abs=5e-4)
    assert max(second["p_value"], third["p_value"]) < 0.001
    assert beside(second, "cr2")["std_error"] == pytest.approx(0.529, abs=5e-4)
    assert beside(third, "cr2")["std_error"] == pytest.approx(0.559, abs=5e-4)
    assert any("10 blocks" in warning for warning in report["warnings"])
    assert any("blocks without one of 2 and 1" in w and w.endswith(": 2") for w in report["warnings"])


def test_an_e_mail_campaign_to_64000_customers(analyze: Analyze) -> None:
    plan = {
        "data": {"unit": None, "variant": "segment", "control": "No E-Mail"},
        "assignment": "complete",
        "shares": {"No E-Mail": 1, "Mens E-Mail": 1, "Womens E-Mail": 1},
        "metrics": [
            {"name": "visit", "kind": "proportion", "value": "visit", "role": "primary"},
            {"name": "conversion", "kind": "proportion", "value": "conversion", "role": "secondary"},
            {"name": "spend", "kind": "mean", "value": "spend", "role": "secondary"},
        ],
        "segments": ["womens"],
    }
    report = analyze(plan, reference("hillstrom/hillstrom.csv.gz"))
    expected = {
        ("visit", "Mens E-Mail"): (0.076590, 0.003386),
        ("conversion", "Mens E-Mail"): (0.006805, 0.000921),
        ("spend", "Mens E-Mail"): (0.769827, 0.145247),
        ("visit", "Womens E-Mail"): (0.045233, 0.003234),
        ("conversion", "Womens E-Mail"): (0.003111, 0.000823),
        ("spend", "Womens E-Mail"): (0.424412, 0.130333),
    }
    for (metric, variant), (effect, error) in expected.items():
        found = row(report, metric, variant)
        assert found["effect"] == pytest.approx(effect, abs=1e-6)
        assert found["std_error"] == pytest.approx(error, abs=1e-6)
    assert row(report, "conversion", "Womens E-Mail")["p_value"] == pytest.approx(0.00016, abs=5e-6)
    spend = row(report, "spend", "Womens E-Mail")
    assert spend["p_value"] == pytest.approx(0.0011, abs=5e-5)
    assert spend["interval"] == pytest.approx([0.16896, 0.67986], abs=2e-5)
    buyers, others = (row(report, "visit", "Womens E-Mail", f"womens={label}") for label in (1, 0))
    assert buyers["effect"] == pytest.approx(0.0731, abs=5e-5)
    assert others["effect"] == pytest.approx(0.0111, abs=5e-5)
    assert buyers["extra"]["interaction_p"] < 1e-12
    (ratio,) = [d for d in report["diagnostics"] if d["check"] == "sample_ratio"]
    assert ratio["value"] == pytest.approx(0.904, abs=5e-4)
    assert ratio["status"] == "ok"
    primary = [row(report, "visit", variant) for variant in ("Mens E-Mail", "Womens E-Mail")]
    assert {found["adjusted_by"] for found in primary} == {"dunnett"}
    assert spend["p_value_adjusted"] is None


@pytest.mark.parametrize("assignment", ["complete", "observational"])
def test_two_cities_of_forty(analyze: Analyze, tmp_path: Path, assignment: str) -> None:
    """The demeaned synthetic control of the published walkthrough; never the headline of a randomised plan."""
    data = tmp_path / "geolift.csv"
    with gzip.open(reference("geolift/GeoLift_Test.csv.gz"), "rt") as file:
        rows = list(csv.DictReader(file))
    days = {day: number for number, day in enumerate(sorted({found["date"] for found in rows}), start=1)}
    with data.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["location", "day", "sales", "first"])
        for found in rows:
            treated = found["location"] in ("chicago", "portland")
            writer.writerow([found["location"], days[found["date"]], found["Y"], 91 if treated else ""])
    plan = {
        "data": {"unit": "location", "period": "day", "treated_from": "first"},
        "assignment": assignment,
        "metrics": [{"name": "sales", "kind": "mean", "value": "sales", "role": "primary"}],
    }
    found = row(analyze(plan, data), "sales", "treated")
    control = beside(found, "synthetic_control_demeaned")
    assert control["effect"] == pytest.approx(155.556, abs=1e-2)
    assert control["l2_imbalance"] == pytest.approx(909.49, abs=1e-2)
    assert beside(found, "difference_in_differences")["effect"] == pytest.approx(255.08, abs=5e-3)
    assert found["method"] == ("synthetic_did" if assignment == "observational" else "permutation")
    assert (found["randomization_p"] is None) == (assignment == "observational")


def test_100_regions_and_what_they_cost(analyze: Analyze, tmp_path: Path) -> None:
    with reference("google_geox/geoassignment.csv").open(newline="") as file:
        groups = {found["geo"]: found["geo.group"] for found in csv.DictReader(file)}
    data = tmp_path / "geox.csv"
    with reference("google_geox/salesandcost.csv").open(newline="") as file, data.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["date", "geo", "group", "sales", "cost"])
        for found in csv.DictReader(file):
            writer.writerow([found["date"], found["geo"], groups[found["geo"]], found["sales"], found["cost"]])
    plan = {
        "data": {"unit": "geo", "variant": "group", "control": "1", "period": "date", "cost": "cost"},
        "windows": {"before": ["2015-01-05", "2015-02-15"], "during": ["2015-02-16", "2015-03-15"]},
        "assignment": "complete",
        "metrics": [{"name": "sales", "kind": "mean", "value": "sales", "role": "primary"}],
        "draws": 999,
    }
    found = row(analyze(plan, data), "sales", "2")
    assert found["method"] == "permutation_studentised"
    total = beside(found, "time_based_regression")
    assert total["effect"] == pytest.approx(147337.1, abs=0.05)
    assert total["std_error"] == pytest.approx(4625.514, abs=5e-3)
    assert total["df"] == 40
    assert total["effect_per_cost"] == pytest.approx(2.946742, abs=1e-6)
    assert total["interval_per_cost"] == pytest.approx([2.759772, 3.133713], abs=1e-5)
    per_cost = beside(found, "geo_regression")
    assert per_cost["effect"] == pytest.approx(3.233443, abs=1e-5)
    assert (per_cost["interval"][1] - per_cost["interval"][0]) / 2 == pytest.approx(0.538598, abs=1e-5)
