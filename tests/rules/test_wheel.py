"""The wheel alone: built from the tree, installed elsewhere with its demonstration, run from another directory."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.house import ROOT

pytestmark = pytest.mark.slow
SOURCES = ("docs/methods", "experiments", "migrations", "pilot", "web")
FILES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """The command's stdout; what it said, where it fails."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PILOT_", "PYTHON"))}
    done = subprocess.run(
        command, cwd=cwd, env={**inherited, **environment}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources: nothing is left behind in the tree, and nothing of the tree helps."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(ROOT / name, source / name)
    uv = Path(sys.executable).with_name("uv")
    build = [uv, "build", "--quiet"] if uv.is_file() else [sys.executable, "-m", "build"]
    run(*build, "--wheel", "--out-dir", folder / "dist", source, cwd=folder)
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty environment with the wheel and its extra ``demo``, at the versions of the lock."""
    place = tmp_path_factory.mktemp("installed")
    environment = place / "environment"
    run(sys.executable, "-m", "venv", environment, cwd=place)
    python = environment / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    target = f"{wheel}[demo]"
    constraints = ("--constraint", constraints_of(place))
    if uv.is_file():
        run(uv, "pip", "install", "--quiet", "--python", python, *constraints, target, cwd=place)
    else:
        run(python, "-m", "pip", "install", "--quiet", *constraints, target, cwd=place)
    yield environment
    shutil.rmtree(place, ignore_errors=True)


def constraints_of(place: Path) -> Path:
    """The lock without its hashes, as constraints: a wheel's own requirements are ranges."""
    pinned = [line.split(" \\")[0] for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines()]
    file = place / "constraints.txt"
    file.write_text("\n".join(line for line in pinned if "==" in line and not line.startswith((" ", "#"))), "utf-8")
    return file


def test_the_wheel_carries_what_the_product_reads(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
        wanted = {
            re.sub("^migrations/", "pilot/dbmigrations/", str(path.relative_to(ROOT))).replace(
                "docs/methods/", "web/method_pages/"
            )
            for name in SOURCES
            for path in (ROOT / name).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".sh"
        }
        assert sorted(wanted - carried) == []
        vendored = "web/static/vendor/vega.min.js"
        assert (
            hashlib.sha256(archive.read(vendored)).digest() == hashlib.sha256((ROOT / vendored).read_bytes()).digest()
        )


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"experiments", "pilot", "web"}


def test_the_demonstration_runs_from_the_wheel_in_another_directory(installed: Path, tmp_path: Path) -> None:
    said = run(installed / "bin" / "pilot", "demo", "--no-serve", "--json", cwd=tmp_path, HOME=str(tmp_path))
    found = json.loads(said)
    assert set(found) == {"pilots", "lake_version", "audit_head"}
    assert len(found["pilots"]) == 4
    assert all(len(pilot["ledger_hash"]) == 64 for pilot in found["pilots"])
    home = tmp_path / ".local" / "share" / "pilot-demo"
    assert (home / "pilot.db").is_file()
    whole = run(installed / "bin" / "pilot", "audit", "verify", "--home", home, "--json", cwd=tmp_path)
    assert json.loads(whole)["ok"]
