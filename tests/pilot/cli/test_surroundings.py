"""What can be wrong around a command: settings, keys, rights, database, disk: said in words, and exit code 1 or 2."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pilot.cli import main
from pilot.imports import service as imports

ADMIN = "admin@example.org"
NETWORK = ("--name", "A chain", "--currency", "EUR", "--timezone", "Europe/Helsinki", "--admin", ADMIN)


@pytest.fixture
def installed(home: Path) -> Path:
    assert main(["init", *NETWORK, "--home", str(home)]) == 0
    return home


def says(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    """The exit code of a command and what stood on stderr, which is a sentence and never a trace."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return code, said


def test_a_command_without_an_installation_says_how_to_make_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = says(capsys, "audit", "verify", "--home", home)
    assert (code, "pilot init" in said) == (1, True)
    assert not home.exists()


@pytest.mark.parametrize("text", ["{broken", "[1]", '{"session_hours": "many"}', '{"database_url": "mysql://x/y"}'])
def test_settings_that_cannot_be_read_are_refused(
    installed: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (installed / "settings.json").write_text(text, "utf-8")
    code, said = says(capsys, "audit", "verify", "--home", installed)
    assert (code, "settings.json" in said) == (1, True)


def test_a_setting_of_the_environment_that_cannot_be_read_is_refused(
    installed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOT_SESSION_HOURS", "x")
    assert says(capsys, "audit", "verify", "--home", installed)[0] == 1


def key_of(home: Path) -> Path:
    return home / "keys" / "audit.key"


def test_a_missing_key_is_named_and_never_made_anew(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key_of(installed).unlink()
    code, said = says(capsys, "user", "add", "b@example.org", "--name", "B", "--role", "auditor", "--home", installed)
    assert (code, str(key_of(installed)) in said) == (1, True)
    assert not key_of(installed).exists()
    with closing(sqlite3.connect(installed / "pilot.db")) as database:
        assert database.execute("SELECT count(*) FROM app_user").fetchone() == (1,)


@pytest.mark.parametrize("content", ["zzz", "", "00ff", "ключ"])
def test_a_damaged_key_is_refused(installed: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    key_of(installed).write_text(content, "utf-8")
    code, said = says(capsys, "audit", "verify", "--home", installed)
    assert (code, "does not hold a key" in said) == (1, True)


def test_a_key_that_everybody_can_read_is_refused(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key_of(installed).chmod(0o644)
    code, said = says(capsys, "audit", "verify", "--home", installed)
    assert (code, "chmod 600" in said) == (1, True)


@pytest.mark.parametrize(
    ("revision", "advice"), [("0001", "pilot upgrade"), ("9999", "Install a newer version")]
)  # fmt: skip
def test_a_database_of_another_version_is_refused(
    installed: Path, capsys: pytest.CaptureFixture[str], revision: str, advice: str
) -> None:
    with closing(sqlite3.connect(installed / "pilot.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [revision])
        database.commit()
    code, said = says(capsys, "audit", "verify", "--home", installed)
    assert (code, advice in said) == (1, True)
    if revision == "9999":
        assert says(capsys, "upgrade", "--home", installed)[0] == 1
        assert not (installed / "backups").exists()


def test_a_file_that_is_no_database_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    (home / "pilot.db").write_text("hello world, hello world", "utf-8")
    code, said = says(capsys, "audit", "verify", "--home", home)
    assert (code, "file is not a database" in said) == (1, True)


def test_a_database_server_that_does_not_answer_is_named(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PILOT_DATABASE_URL", f"postgresql:///pilot?host={tmp_path}")
    code, said = says(capsys, "init", *NETWORK, "--home", home)
    assert (code, "database cannot be opened" in said) == (1, True)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home").write_text("x", "utf-8")
    code, said = says(capsys, "init", *NETWORK, "--home", tmp_path / "home")
    assert (code, "file exists" in said) == (1, True)


def test_a_full_disk_refuses_an_import_and_leaves_nothing(
    installed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(imports, "check_files", full)
    (tmp_path / "r.csv").write_text("region\nN\n", "utf-8")
    code, said = says(capsys, "import", "regions", tmp_path / "r.csv", "--as", ADMIN, "--home", installed)
    assert (code, "no space left" in said) == (1, True)
    assert list((installed / "staging").iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        [],
        ["import", "regions"],
        ["import", "people", "x.csv", "--as", ADMIN],
        ["serve", "--port", "99999"],
        ["serve", "--workers", "0"],
        ["worker", "--threads", "no"],
        ["audit", "list", "--limit", "-1"],
        ["decide", "x-1-1", "perhaps", "--reason", "r", "--as", ADMIN],
    ],
)
def test_wrong_usage_exits_with_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, said = says(capsys, *words)
    assert (code, "usage: pilot" in said) == (2, True)


@pytest.mark.parametrize("content", [None, "no keys"])
def test_a_restore_with_a_wrong_keys_file_touches_nothing(
    installed: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None
) -> None:
    assert main(["backup", str(tmp_path / "backup"), "--home", str(installed)]) == 0
    if content is not None:
        (tmp_path / "keys").write_text(content, "utf-8")
    words = ("restore", tmp_path / "backup", "--keys", tmp_path / "keys", "--home", tmp_path / "again")
    code, said = says(capsys, *words)
    assert (code, "not a file of keys" in said) == (1, True)
    assert not (tmp_path / "again").exists()
