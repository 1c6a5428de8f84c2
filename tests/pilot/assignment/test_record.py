"""The record of a draw: alone, in another process, it gives the same ledger; anything else is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.design.mechanisms import (
    Candidate,
    Mechanism,
    Share,
    bernoulli_hash,
    complete,
    matched_pairs,
    stratified,
)
from pilot.assignment.errors import RecordUnreadable
from pilot.assignment.record import homes_hash, make_record, replay

SHARES = [Share("control", 1), Share("points", 1)]
ROOT = Path(__file__).parents[3]


def candidates(n: int = 9) -> list[Candidate]:
    return [Candidate(f"S{i:02d}", "NORTH" if i < 5 else "SOUTH", {"spend": i * i}) for i in range(n)]


def a_record(mechanism: Mechanism, *, seed: str = "ab" * 32, is_specimen: bool = False) -> str:
    return make_record(
        pilot="points-1",
        stage=1,
        plan_hash="c" * 64,
        seed=seed,
        is_specimen=is_specimen,
        unit="store",
        mechanism=mechanism,
        left_out=[("S99", "closed")],
        stores={c.code: [c.code] for c in mechanism.candidates},
        lake_version=7,
        periods={"covariates": ["2026-01-01", "2026-03-01"], "homes": ["2026-01-01", "2026-03-01"]},
        homes={1: "S00", 2: "S01"},
    )


MECHANISMS = {
    "complete": complete(candidates(), SHARES),
    "stratified": stratified(candidates(), SHARES),
    "matched_pairs": matched_pairs(candidates(), SHARES, on=["spend"]),
    "bernoulli_hash": bernoulli_hash(SHARES, "ab" * 32),
}


@pytest.mark.parametrize("kind", MECHANISMS)
def test_a_record_gives_the_same_ledger_in_a_fresh_process_without_a_database(kind: str) -> None:
    record = a_record(MECHANISMS[kind])
    here = replay(record)
    code = (
        "import sys; from pilot.assignment.record import replay; r = replay(sys.stdin.read());"
        "print(r.ledger_hash, len(r.rows), 'sqlalchemy' in sys.modules, 'pilot.database' in sys.modules)"
    )
    there = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], input=record, capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert there.stdout.split() == [here.ledger_hash, str(len(here.rows)), "False", "False"]


def test_rows_are_in_the_order_of_codes_and_name_their_pair() -> None:
    rows = replay(a_record(MECHANISMS["matched_pairs"])).rows
    assert [row.unit for row in rows] == sorted(row.unit for row in rows)
    for row in rows:
        assert row.block is not None
        assert row.unit in row.block.split(" + ")
    pairs = {row.block: {r.variant for r in rows if r.block == row.block} for row in rows}
    assert all(variants == {"control", "points"} for variants in pairs.values())


def test_strata_have_their_own_names_and_one_list_has_none() -> None:
    assert {row.block for row in replay(a_record(MECHANISMS["stratified"])).rows} == {"NORTH", "SOUTH"}
    assert {row.block for row in replay(a_record(MECHANISMS["complete"])).rows} == {None}


def test_who_was_left_out_is_named_by_the_plan_and_by_the_mechanism() -> None:
    left_out = dict(replay(a_record(MECHANISMS["matched_pairs"])).left_out)
    assert left_out.pop("S99") == "closed"
    assert list(left_out.values()) == ["no_partner"]


def test_an_open_list_has_no_rows_but_a_hash_of_its_own() -> None:
    replayed = replay(a_record(MECHANISMS["bernoulli_hash"]))
    assert replayed.rows == ()
    assert replayed.ledger_hash != replay(a_record(MECHANISMS["complete"])).ledger_hash


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_another_seed_is_another_ledger_and_the_same_seed_the_same(one: int, other: int) -> None:
    first, second = (replay(a_record(MECHANISMS["complete"], seed=f"{seed:064x}")) for seed in (one, other))
    assert (first.ledger_hash == second.ledger_hash) == (one == other)


def test_a_specimen_never_has_the_hash_of_a_binding_draw() -> None:
    binding, shown = (replay(a_record(MECHANISMS["complete"], is_specimen=s)) for s in (False, True))
    assert binding.rows == shown.rows
    assert binding.ledger_hash != shown.ledger_hash
    assert shown.is_specimen


def test_the_order_of_keys_in_the_record_does_not_matter() -> None:
    record = a_record(MECHANISMS["stratified"])
    shuffled = json.dumps(dict(reversed(json.loads(record).items())), indent=2)
    assert replay(shuffled) == replay(record)


@pytest.mark.parametrize("change", ["seed", "candidate", "covariate", "homes", "lake_version"])
def test_whatever_is_changed_in_a_record_changes_its_hash(change: str) -> None:
    record = json.loads(a_record(MECHANISMS["complete"]))
    before = replay(json.dumps(record)).ledger_hash
    match change:
        case "seed":
            record["seed"] = "cd" * 32
        case "candidate":
            record["mechanism"]["candidates"][0]["stratum"] = "EAST"
        case "covariate":
            record["mechanism"]["candidates"][0]["covariates"]["spend"] += 1
        case "homes":
            record["homes"]["count"] += 1
        case _:
            record["lake_version"] += 1
    assert replay(json.dumps(record)).ledger_hash != before


@pytest.mark.parametrize(
    "text",
    ["", "not JSON", "[]", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "mechanism": {}, "seed": "xyz"}'],
)
def test_what_is_no_record_is_refused_by_name(text: str) -> None:
    with pytest.raises(RecordUnreadable):
        replay(text)


def test_a_mechanism_that_contradicts_itself_is_refused() -> None:
    record = json.loads(a_record(MECHANISMS["complete"]))
    record["mechanism"]["candidates"].append(record["mechanism"]["candidates"][0])
    with pytest.raises(RecordUnreadable, match="appears twice"):
        replay(json.dumps(record))


def test_the_home_list_has_one_hash_whatever_its_order() -> None:
    assert homes_hash({1: "S00", 2: "S01"}) == homes_hash({2: "S01", 1: "S00"}) != homes_hash({1: "S01", 2: "S00"})
