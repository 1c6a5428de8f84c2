"""A whole pilot at the command line: each role in its turn, from the brief to two executives' decision."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.cli import main
from pilot.database import Database
from tests.pilot.evidence.small_network import START, SmallNetwork, day_at

PILOT = "points"


class Desk:
    """Somebody at the command line of a home, on a day."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._home, self._capsys, self._monkeypatch = home, capsys, monkeypatch

    def on(self, day: date) -> None:
        self._monkeypatch.setenv("PILOT_FIXED_NOW", day_at(day).isoformat())

    def refused(self, *words: str, by: str | None = None) -> str:
        """What is said on stderr when the command is refused."""
        assert self._run(words, by) == 1
        return self._capsys.readouterr().err

    def done(self, *words: str, by: str | None = None) -> str:
        """What is said to a person when the command is done."""
        assert self._run(words, by) == 0, self._capsys.readouterr().err
        return self._capsys.readouterr().out

    def document(self, *words: str, by: str | None = None) -> Any:
        return json.loads(self.done(*words, "--json", by=by))

    def _run(self, words: tuple[str, ...], by: str | None) -> int:
        self._capsys.readouterr()
        acting = ["--as", f"{by}@example.org"] if by else []
        return main([*words, *acting, "--home", str(self._home)])


def test_a_pilot_from_brief_to_decision(
    sqlite_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    network = SmallNetwork(sqlite_database, files).set_up()
    desk = Desk(sqlite_database.settings.home, capsys, monkeypatch)

    desk.on(START - timedelta(days=4))
    brief = files / "brief.json"
    brief.write_text(json.dumps(network.plan_document()), "utf-8")
    where = ("--name", "Points card", "--program", "card", "--document", str(brief))
    desk.done("plan", "new", PILOT, *where, by="manager")
    assert "may not" in desk.refused("plan", "new", "other", *where, by="executive")
    edited = desk.document("plan", "show", PILOT)["plan"]
    edited["hypothesis"] = "A points card brings shoppers back more often."
    brief.write_text(json.dumps(edited), "utf-8")
    desk.done("plan", "edit", PILOT, str(brief), by="manager")
    assert "€" in desk.done("plan", "check", PILOT)
    (visible,) = desk.document("plan", "check", PILOT)
    assert visible["smallest_p"] <= visible["level"]
    assert "SPECIMEN" in desk.done("draw", PILOT, "1", "--specimen", "any words", by="manager")
    assert "may not" in desk.refused("plan", "submit", PILOT, by="analyst")
    desk.done("plan", "submit", PILOT, by="manager")

    desk.done("plan", "send-back", PILOT, "--reason", "Say more about the offer.", by="analyst")
    desk.done("plan", "submit", PILOT, by="manager")
    assert "pilot plan approve" in desk.done("plan", "cosign", PILOT, by="analyst")
    assert "may not" in desk.refused("plan", "approve", PILOT, by="analyst")
    sealed = desk.document("plan", "approve", PILOT, by="executive")
    assert len(sealed["plan_hash"]) == 64
    desk.refused("draw", PILOT, "1", "--specimen", "after the seal", by="manager")

    drawn = desk.document("draw", PILOT, "1", by="manager")
    assert sorted(drawn["rows"].values()) == ["control"] * 8 + ["points"] * 8
    assert "drawn" in desk.refused("draw", PILOT, "1", by="manager")
    record = files / "record.json"
    desk.done("assignment", "record", PILOT, "1", "--out", str(record))
    assert desk.document("assignment", "replay", str(record))["ledger_hash"] == drawn["ledger_hash"]
    assert desk.document("assignment", "replay", str(record), "--expect", drawn["ledger_hash"])["is_expected"]
    assert "pilot report make" in desk.done("plan", "start", PILOT, "1", by="manager")

    treated = next(store for store, variant in drawn["rows"].items() if variant == "points")
    end = START + timedelta(days=27)
    network.run_to(end)
    desk.on(START + timedelta(days=3))
    answer = desk.document("assignment", "look-up", "--store", treated, "--customer", f"{treated}-C1")
    assert answer["variant"] == "points"
    assert "Offer:" in desk.done("assignment", "look-up", "--store", treated, "--customer", f"{treated}-C1")
    desk.refused("report", "make", PILOT, "1", by="analyst")

    desk.on(end + timedelta(days=1))
    assert "pilot decide" in desk.done("report", "make", PILOT, "1", by="analyst")
    (listed,) = desk.document("report", "list", PILOT)
    assert listed["recommendation"] == "advance"
    shown = desk.document("report", "show", listed["report"])
    assert shown["document"]["ledger_hash"] == drawn["ledger_hash"]
    assert "…" in desk.done("report", "show", listed["report"])

    decide = ("decide", listed["report"], "approve", "--reason", "It pays.")
    assert "may not" in desk.refused(*decide, by="manager")
    assert "second executive" in desk.done(*decide, by="executive")
    assert desk.document(*decide, by="second")["takes_effect"]
    assert desk.document("plan", "list")[0]["state"] == "rolled_out"
    desk.done("audit", "verify", "--head", shown["document"]["audit_head"])


def test_an_amendment_waits_for_new_approvals(
    sqlite_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    network = SmallNetwork(sqlite_database, files).set_up()
    network.draft()
    network.submit()
    network.sign()
    desk = Desk(sqlite_database.settings.home, capsys, monkeypatch)
    desk.on(START - timedelta(days=3))
    changed = files / "changed.json"
    plan = desk.document("plan", "show", PILOT)["plan"]
    changed.write_text(json.dumps({**plan, "hypothesis": "Another one."}), "utf-8")
    amend = ("plan", "amend", PILOT, str(changed), "--reason", "The offer changed.")
    assert desk.document(*amend, by="manager")["state"] == "submitted"
    assert "draw" not in desk.done("plan", "list")
    desk.refused("draw", PILOT, "1", by="manager")
