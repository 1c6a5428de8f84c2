"""The manifest itself: every oracle has a test, no tolerance was widened, and no expected value is our own."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.reference.manifest import LEFT_OUT, ORACLES, Cited, FromR, Within
from tests.reference.oracles import ROOT

TESTS = ROOT / "tests"
# The tolerances that were agreed on before anything was computed. None: a range, or exact.
AGREED: dict[str, float] = {
    "O1": 1e-8, "O2": 1e-8, "O3": 1e-8, "O4": 1e-8, "O5": 1e-8, "O6": 1e-12, "O7": 1e-3, "O8": 1e-6, "O9": 1e-4,
    "O10": 1e-4, "O11": 0.0, "O12": 1e-8, "O13": 1e-6, "O14": 1e-6, "O15": 1e-5, "O16": 1e-6, "O17": 1e-7,
    "O18": 1e-2, "O19": 1e-6, "O20": 1e-7, "O21": 1e-3, "O22": 5e-4, "O23": 5e-4, "O24": 1e-4, "O25": 1e-9,
    "O26": 1e-12, "O27": 1e-3, "O28": 1e-3, "O29": 1e-4, "O30": 0.03, "O31": 1e-12, "O32": 1e-4, "O33": 1e-4,
}  # fmt: skip
# Values that are printed more coarsely than the tolerance of their oracle: half the last digit.
COARSE = {("O20", "log_rank"): 0.005, ("O27", "log_likelihood"): 0.05}


def test_every_oracle_is_in_the_manifest_or_left_out_with_its_reason() -> None:
    assert sorted([*ORACLES, *LEFT_OUT], key=_number) == [f"O{i}" for i in range(1, 35)]
    assert all(len(reason) > 20 for reason in LEFT_OUT.values())


@pytest.mark.parametrize("oracle", ORACLES)
def test_no_tolerance_is_wider_than_agreed(oracle: str) -> None:
    assert ORACLES[oracle].tolerance <= AGREED[oracle]
    for name in ORACLES[oracle].by_name:
        assert ORACLES[oracle].tolerance_of(name) <= COARSE.get((oracle, name), AGREED[oracle])


@pytest.mark.parametrize("oracle", ORACLES)
def test_every_expected_value_is_printed_by_r_or_cited(oracle: str) -> None:
    assert ORACLES[oracle].values
    for value in ORACLES[oracle].values.values():
        if isinstance(value, FromR):
            assert (Path(__file__).parent / "r" / value.file.replace(".out", ".R")).is_file()
            assert value.read() == value.read()
        else:
            assert isinstance(value, Cited | Within)
            assert len(value.source) > 10


@pytest.mark.parametrize("oracle", ORACLES)
def test_every_oracle_has_a_test_that_compares_each_of_its_values(oracle: str) -> None:
    literal, whole = _compared(oracle)
    assert literal or whole, f"no test asks for {oracle}"
    missing = [] if whole else [name for name in ORACLES[oracle].values if name not in literal]
    assert missing == []


def test_no_test_asks_for_a_value_that_the_manifest_does_not_have() -> None:
    for path, oracle, name in _all_calls():
        assert oracle in ORACLES, f"{path}: {oracle}"
        assert name is None or name in ORACLES[oracle].values, f"{path}: {oracle} {name}"


def test_the_tolerances_are_those_of_the_design_where_it_is_at_hand() -> None:
    design = ROOT.parent / "shared" / "design" / "statistics.md"
    if not design.is_file():
        pytest.skip("the design documents are not beside the project")  # AGREED above holds the same numbers
    rows = re.findall(r"^\| (O\d+) \|.*\|([^|]*)\|$", design.read_text("utf-8"), re.M)
    assert [oracle for oracle, _ in rows] == [f"O{i}" for i in range(1, 35)]
    for oracle, tolerance in rows:
        stated = re.match(r"\d*\.?\d+(?:e-\d+)?", tolerance.strip())
        if stated and oracle in ORACLES:
            assert AGREED[oracle] <= float(stated.group()), oracle


def _number(oracle: str) -> int:
    return int(oracle.removeprefix("O"))


def _compared(oracle: str) -> tuple[set[str], bool]:
    """The names that tests ask for by a literal, and whether some test goes through all names of the oracle."""
    literal = {name for _, found, name in _all_calls() if found == oracle and name is not None}
    return literal, oracle in _all_gone_through()


@cache
def _all_calls() -> tuple[tuple[str, str, str | None], ...]:
    return tuple(_calls())


@cache
def _all_gone_through() -> frozenset[str]:
    return frozenset(_gone_through())


def _gone_through() -> Iterator[str]:
    """Oracles whose ``names`` a test goes through, given by a literal or by the test's own parameters."""
    for path in _files():
        for test in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(test, ast.FunctionDef):
                continue
            for node in ast.walk(test):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "names":
                    given = node.args[0]
                    sources = [given] if isinstance(given, ast.Constant) else test.decorator_list
                    for source in sources:
                        yield from (
                            c.value for c in ast.walk(source) if isinstance(c, ast.Constant) and _is_id(c.value)
                        )


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"O\d+", value) is not None


def _calls() -> Iterator[tuple[str, str, str | None]]:
    """(file, oracle, name) of every call of ``expect`` with a literal oracle; a name made of parts (an f-string) stands
    for all names that it can make, None for one that is computed."""
    for path in _files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "expect"):
                continue
            if len(node.args) != 2:  # the browser's expect(locator)
                continue
            oracle, name = node.args
            if isinstance(oracle, ast.Constant) and isinstance(oracle.value, str):
                for found in _names(oracle.value, name):
                    yield path.name, oracle.value, found


def _names(oracle: str, name: ast.expr) -> list[str | None]:
    if isinstance(name, ast.Constant):
        return [str(name.value)]
    if not isinstance(name, ast.JoinedStr):
        return [None]
    parts = [re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in name.values]
    known = ORACLES[oracle].values if oracle in ORACLES else {}
    return [value for value in known if re.fullmatch("".join(parts), value)]


def _files() -> Iterator[Path]:
    yield from (path for path in sorted(TESTS.rglob("test_*.py")) if path.name != "test_manifest.py")
