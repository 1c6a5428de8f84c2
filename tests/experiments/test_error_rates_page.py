"""The page of error rates: complete, honest about its misses, and made by a benchmark that can fail."""

import re
from pathlib import Path

import pytest

from benchmarks.error_rates.cell import LEVEL, Cell, Counts, Tally
from benchmarks.error_rates.judging import Kind, judge, upper_bound
from benchmarks.error_rates.registry import cells
from experiments.rows.choice import HEADLINES

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "error_rates.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("| ") and "`" in line]


def _cell(chosen: str = "welch", **changes: object) -> Cell:
    fields = {"section": "s", "name": "n", "chosen": chosen, "run": lambda rng, n, tally: None}
    return Cell(**{**fields, **changes})  # type: ignore[arg-type]  # values by name


def _tally(alarms: int, covered: int = 4_750, found: int = 4_000, method: str = "welch") -> Tally:
    return Tally({method: Counts(5_000, alarms, 5_000, covered, 5_000, found)})


@pytest.mark.parametrize("method", sorted(HEADLINES))
def test_every_method_that_can_be_chosen_is_judged(method: str) -> None:
    assert f"`{method}`" in TEXT
    assert any(row[1] == f"`{method}`" for row in ROWS), f"no cell judges {method}"


def test_the_page_has_every_cell_and_names_those_that_were_not_measured_yet() -> None:
    names = [re.sub(r" \([\d,]+ replications\)$", "", row[0]) for row in ROWS if len(row) > 4]
    listed = TEXT.split("## Not measured yet")[1] if "## Not measured yet" in TEXT else ""
    missing = [cell.name for cell in cells() if f"- {cell.key}\n" in f"{listed}\n"]
    assert sorted([*names, *missing]) == sorted(cell.name for cell in cells())


def test_no_cell_is_outside_the_rules_without_being_named_among_the_misses() -> None:
    misses = TEXT.split("## Misses")[1].split("\n## ")[0]
    outside = [row[0] for row in ROWS if row[-1].startswith("OUTSIDE")]
    assert TEXT.count("| OUTSIDE") == len(outside)
    for name in outside:
        assert re.sub(r" \([\d,]+ replications\)$", "", name) in misses


@pytest.mark.parametrize(
    ("alarms", "kind"), [(250, Kind.INSIDE), (351, Kind.OUTSIDE), (149, Kind.CONSERVATIVE), (150, Kind.INSIDE)]
)
def test_a_cell_is_judged_by_the_rules_that_were_fixed_before(alarms: int, kind: Kind) -> None:
    assert judge(_cell(), _tally(alarms)).kind is kind


def test_few_replications_do_not_make_a_rate_good() -> None:
    tally = Tally({"welch": Counts(200, 12, 200, 188, 200, 150)})
    assert judge(_cell(), tally).kind is Kind.OUTSIDE  # 6 %, but it may be 11 %
    assert upper_bound(12, 200) > 0.08


def test_a_permutation_test_has_the_level_of_its_design() -> None:
    cell = _cell(attainable=2 / 70)
    assert judge(cell, _tally(143)).kind is Kind.DESIGN
    assert judge(cell, _tally(200)).kind is Kind.OUTSIDE
    assert judge(cell, _tally(90)).kind is Kind.OUTSIDE


def test_a_design_that_cannot_reject_is_named_and_must_not_reject() -> None:
    cell = _cell(attainable=0.0)
    assert judge(cell, _tally(0, covered=5_000, found=0)).kind is Kind.UNREACHABLE
    assert judge(cell, _tally(1)).kind is Kind.OUTSIDE


def test_coverage_below_the_rule_is_outside_whatever_the_false_alarms() -> None:
    assert judge(_cell(), _tally(250, covered=4_600)).kind is Kind.OUTSIDE


def test_a_conservative_cell_says_what_power_it_costs() -> None:
    tally = _tally(50, covered=4_950, found=3_000)
    tally.counts["other"] = Counts(5_000, 240, 5_000, 4_760, 5_000, 4_500)
    assert judge(_cell(), tally).says == "conservative; power 60.0 % against 90.0 % of other"


def test_a_seed_belongs_to_the_name_of_its_cell() -> None:
    keys = [cell.key for cell in cells()]
    assert len(set(keys)) == len(keys)


@pytest.mark.slow
def test_two_cells_end_to_end() -> None:
    wanted = {"stores: 10 (5), ICC 0.05, size CV 0.8", "one-start panels: 12 (6), AR(1) 0.6, effects' sd 0"}
    found = [cell for cell in cells() if cell.key in wanted]
    assert len(found) == 2
    for cell in found:
        tally = cell.measure(300)
        assert tally.counts["naive"].alarm_rate > 0.15  # three times the level and more
        chosen = tally.counts[cell.chosen]
        assert (chosen.null, chosen.tried) == (300, 300)
        assert chosen.alarm_rate <= LEVEL + 0.045  # 3.5 Monte-Carlo errors
        assert chosen.coverage >= 0.90
        assert chosen.power > 0.4
        again = cell.measure(300)
        assert again.to_dict() == tally.to_dict()
