"""The benchmark of the gates runs as it says, and its page holds what the full run printed."""

import re
from pathlib import Path

import pytest

from benchmarks import gate_policy

PAGE = Path(__file__).parents[2] / "docs" / "gate_policy.md"


def test_a_few_pilots_play_through_every_stage_and_every_gate(capsys: pytest.CaptureFixture[str]) -> None:
    assert gate_policy.main(["--quick"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n| ") == 1 + len(gate_policy.PROGRAMS)
    assert f"of {gate_policy.QUICK} worlds" in printed


def test_the_page_holds_the_full_run() -> None:
    text = PAGE.read_text("utf-8")
    measured = text.split(gate_policy.BEGIN)[1].split(gate_policy.END)[0]
    assert f"{gate_policy.PILOTS:,} pilots a row" in measured
    assert [line.split("|")[1].strip() for line in measured.splitlines() if re.match(r"\| \w", line)][1:] == [
        program.name for program in gate_policy.PROGRAMS
    ]
    assert f"of {gate_policy.WORLDS} worlds" in measured
