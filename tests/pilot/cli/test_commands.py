"""The command line: exit codes, sentences that say what to do next, and JSON where a program reads."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pilot.cli import main
from pilot.cli.entry import COMMANDS
from pilot.database import Database
from pilot.settings import Settings

ADMIN = "admin@example.org"
REGIONS = "region,name\nN,North\nS,South\n"
STORES = "store,region,name\nS1,N,First\nS2,S,Second\n"
CUSTOMERS = "customer,home_store,age\nC1,S1,30\nC2,S2,40\n"
RECEIPTS = (
    "receipt,store,at,net,customer\n"
    "R1,S1,2026-01-05 10:00:00,12.50,C1\n"
    "R2,S2,2026-01-05 11:00:00,7.25,\n"
    "R3,S2,2026-02-05 11:00:00,3.00,C2\n"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Types commands at one home."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self._capsys = home, capsys

    def __call__(self, *words: str) -> Outcome:
        self._capsys.readouterr()
        code = main([*words, "--home", str(self.home)])
        captured = self._capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    def file(self, name: str, content: str) -> str:
        path = self.home.parent / name
        path.write_text(content, "utf-8")
        return str(path)


@pytest.fixture
def shell(home: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(home, capsys)


@pytest.fixture
def ready(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An installation with its administrator, in whose name commands act."""
    assert init(shell).code == 0
    monkeypatch.setenv("PILOT_AS", ADMIN)
    return shell


@pytest.fixture
def filled(ready: Shell) -> Shell:
    """The installation with two stores, two customers and three receipts."""
    for kind, content in (("regions", REGIONS), ("stores", STORES), ("customers", CUSTOMERS), ("receipts", RECEIPTS)):
        assert ready("import", kind, ready.file(f"{kind}.csv", content)).code == 0
    return ready


def init(shell: Shell, *more: str, currency: str = "EUR") -> Outcome:
    where = ("--name", "A chain", "--currency", currency, "--timezone", "Europe/Helsinki", "--admin", ADMIN)
    return shell("init", *where, *more)


def test_init_makes_an_installation_and_prints_the_link_once(shell: Shell) -> None:
    made = init(shell)
    assert made.code == 0
    assert "/link/" in made.out
    assert "Next:" in made.out
    again = init(shell)
    assert again.code == 1
    assert "pilot upgrade" in again.err


def test_init_with_a_wrong_currency_leaves_nothing_behind(shell: Shell) -> None:
    refused = init(shell, currency="GOLD")
    assert (refused.code, "currency" in refused.err) == (1, True)
    assert init(shell).code == 0


def test_wrong_usage_is_exit_code_2(shell: Shell) -> None:
    assert shell("init").code == 2
    assert main([]) == 2
    assert main(["nonsense"]) == 2


def test_an_act_without_a_name_is_wrong_usage(shell: Shell) -> None:
    assert init(shell).code == 0
    assert shell("customer", "forget", "C1").code == 2


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_describes_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "usage: pilot" in capsys.readouterr().out


def test_without_an_installation_every_command_says_how_to_make_one(shell: Shell) -> None:
    refused = shell("user", "list")
    assert refused.code == 1
    assert "pilot init" in refused.err
    assert not shell.home.exists()


def test_under_json_a_refusal_is_a_document_too(shell: Shell) -> None:
    refused = shell("user", "list", "--json")
    assert refused.document["error"]["code"] == "no_installation"


def test_a_database_that_is_behind_names_the_upgrade(ready: Shell) -> None:
    with_database(ready, "UPDATE alembic_version SET version_num = '0001'")
    refused = ready("user", "list")
    assert refused.code == 1
    assert "pilot upgrade" in refused.err


def test_people_are_invited_changed_and_ended(ready: Shell) -> None:
    added = ready("user", "add", "analyst@example.org", "--name", "An analyst", "--role", "analyst", "--json")
    assert "/link/" in added.document["link"]
    assert ready("user", "role", "analyst@example.org", "auditor").code == 0
    assert ready("user", "deactivate", "analyst@example.org").code == 0
    listed = {user["email"]: user for user in ready("user", "list", "--json").document}
    assert listed["analyst@example.org"] == {
        "email": "analyst@example.org",
        "name": "An analyst",
        "role": "auditor",
        "is_active": False,
    }
    assert ready("user", "reactivate", "analyst@example.org").code == 0
    assert "/link/" in ready("user", "link", "analyst@example.org").out
    assert "analyst@example.org" in ready("user", "list").out


def test_a_key_is_made_rotated_and_revoked(filled: Shell) -> None:
    made = filled("key", "add", "Till one", "--store", "S1", "--json").document
    assert made["secret"].startswith("till-one.")
    assert made["stores"] == ["S1"]
    assert filled("key", "rotate", "till-one", "--json").document["code"] == "till-one-2"
    assert filled("key", "revoke", "till-one-2").code == 0
    live = {key["code"]: key["is_live"] for key in filled("key", "list", "--json").document}
    assert live == {"till-one": True, "till-one-2": False}
    assert filled("key", "add", "Till two", "--store", "nowhere").code == 1


def test_files_come_in_and_the_same_file_changes_nothing(filled: Shell) -> None:
    again = filled("import", "receipts", str(filled.home.parent / "receipts.csv"))
    assert again.code == 0
    assert "already" in again.out


def test_a_bad_row_refuses_the_file_and_is_named(filled: Shell) -> None:
    bad = filled.file("bad.csv", "receipt,store,at,net,customer\nR9,S9,2026-01-05 10:00:00,1.00,\n")
    refused = filled("import", "receipts", bad)
    assert refused.code == 1
    assert "line 2" in refused.out + refused.err
    assert "S9" in refused.err
    findings = filled("import", "receipts", bad, "--json").document["findings"]
    assert findings[0]["line"] == 2
    parked = filled("import", "receipts", bad, "--quarantine", "--json").document
    assert parked["quarantined"] == 1


def test_a_file_that_cannot_be_read_is_refused(ready: Shell) -> None:
    assert ready("import", "stores", "/nowhere/stores.csv").code == 1
    empty = ready("import", "stores", ready.file("empty.csv", ""))
    assert empty.code == 1
    assert "empty" in empty.err


def test_a_mapping_is_guessed_corrected_saved_and_used(ready: Shell) -> None:
    theirs = ready.file("theirs.csv", "code;title\nN;North\n")
    refused = ready("import", "regions", theirs)
    if refused.code == 0:  # the guess knows the word “code”
        pytest.fail("the headers were meant to be unknown")
    guess = ready.home.parent / "mapping.json"
    assert ready("mapping", "guess", "regions", theirs, "--out", str(guess)).code == 0
    corrected = json.loads(guess.read_text("utf-8"))
    corrected["columns"] = {"region": "code", "name": "title"}
    guess.write_text(json.dumps(corrected), "utf-8")
    assert ready("mapping", "save", "ours", "regions", str(guess)).code == 0
    assert ready("import", "regions", theirs, "--mapping", "ours").code == 0
    assert ready("mapping", "show", "ours", "--json").document["columns"] == {"region": "code", "name": "title"}
    assert [saved["name"] for saved in ready("mapping", "list", "--json").document] == ["ours"]
    assert ready("import", "regions", theirs, "--mapping", "other").code == 1


def test_a_mapping_file_that_is_not_json_is_refused(ready: Shell) -> None:
    assert "not JSON" in ready("mapping", "save", "x", "stores", ready.file("x.json", "{")).err
    assert "object" in ready("mapping", "save", "x", "stores", ready.file("x.json", "[]")).err


def test_only_those_who_may_import(ready: Shell) -> None:
    ready("user", "add", "boss@example.org", "--name", "Boss", "--role", "executive")
    refused = ready("import", "regions", ready.file("regions.csv", REGIONS), "--as", "boss@example.org")
    assert refused.code == 1
    assert "executive" in refused.err


def test_a_customer_is_forgotten(filled: Shell) -> None:
    assert filled("customer", "forget", "C1").code == 0
    assert filled("customer", "forget", "C1").code == 1


def test_the_log_verifies_and_tampering_is_exit_code_1(filled: Shell) -> None:
    head = filled("audit", "head").out.strip()
    assert filled("audit", "verify", "--head", head).code == 0
    assert filled("audit", "list", "--limit", "1", "--json").document[0]["verb"] == "import.published"
    with_database(filled, "DROP TRIGGER audit_entry_no_update", "UPDATE audit_entry SET actor = 'x' WHERE seq = 2")
    found = filled("audit", "verify", "--head", head)
    assert found.code == 1
    assert "Entry 2 was changed" in found.out
    assert filled("audit", "verify", "--head", "nonsense").code == 1


def test_upgrading_what_is_at_the_head_only_checks(filled: Shell) -> None:
    done = filled("upgrade", "--json").document
    assert done["before"] == done["after"]
    assert done["backup"] is None


def test_an_upgrade_makes_a_backup_first(filled: Shell) -> None:
    database = Database(Settings(home=filled.home))
    from pilot.upkeep import migrating

    migrating.downgrade(database, "0001")
    database.dispose()
    done = filled("upgrade", "--json").document
    assert done["before"] == "0001"
    assert (Path(done["backup"]) / "manifest.json").is_file()
    assert filled("audit", "verify").code == 0


def test_a_look_up_says_why(filled: Shell) -> None:
    answer = filled("assignment", "look-up", "--store", "S1", "--customer", "C1", "--json").document
    assert answer["variant"] is None
    assert answer["reason"]["text"]
    assert filled("assignment", "look-up", "--store", "S9").code == 1


def test_the_installed_command_is_this_one(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("pilot")
    environment = {**os.environ, "PILOT_HOME": str(tmp_path / "none")}
    done = subprocess.run([script, "user", "list"], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    assert "pilot init" in done.stderr


def with_database(shell: Shell, *statements: str) -> None:
    database = Database(Settings(home=shell.home))
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.dispose()


def test_what_changes_what_others_rely_on_is_done_in_somebodys_name_and_written_down(
    filled: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("days", "drop"), ("days", "rebuild"), ("drain", "--retry")):
        assert filled(*words).code == 0
    with closing(sqlite3.connect(filled.home / "pilot.db")) as connection:
        told = connection.execute("SELECT verb, actor FROM audit_entry ORDER BY seq DESC LIMIT 3").fetchall()
    assert told == [("receipts.tried_again", ADMIN), ("days.rebuilt", ADMIN), ("days.dropped", ADMIN)]
    monkeypatch.delenv("PILOT_AS")
    assert filled("days", "drop").code == 2
    refused = filled("drain", "--retry")
    assert (refused.code, "--as EMAIL" in refused.err) == (1, True)
    assert filled("drain").code == 0


def test_who_may_not_cannot_drop_the_days(filled: Shell) -> None:
    assert filled("user", "add", "manager@example.org", "--name", "A manager", "--role", "manager").code == 0
    refused = filled("days", "drop", "--as", "manager@example.org")
    assert refused.code == 1
    assert "dropped" not in filled("days", "status").out
