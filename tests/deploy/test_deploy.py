"""What lies in deploy/ is carried out as far as a machine without systemd's bus and without containers allows."""

import configparser
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilot.cli.entry import build_parser
from pilot.settings import Settings
from tests.conftest import PostgresServer
from tests.rules.house import ROOT

pytestmark = pytest.mark.enable_socket  # servers on the loopback

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
TIMERS = sorted((ROOT / "deploy" / "systemd").glob("*.timer"))
PILOT = str(Path(sys.executable).with_name("pilot"))
INSTALLED = "/opt/pilot/bin/pilot"
SERVES = ("pilot-web.service", "pilot-worker.service")


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign] # systemd's names keep their case
    parsed.read(ROOT / "deploy" / "systemd" / name)
    return parsed


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
    return found


def by_default(text: str) -> str:
    """``text`` where nobody has set its variables."""
    return re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text)


def settings_in(text: str) -> set[str]:
    return set(re.findall(r"\bPILOT_[A-Z_]+", text))


def known_settings() -> set[str]:
    aliases = {"PILOT_WATCH_AS"} | {
        str(f.validation_alias) for f in Settings.model_fields.values() if f.validation_alias
    }
    return {f"PILOT_{name.upper()}" for name in Settings.model_fields} | aliases


@pytest.fixture
def running() -> Iterator[Callable[[list[str], Mapping[str, str]], subprocess.Popen[bytes]]]:
    """Starts commands; what still runs at the end of the test is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database."""
    url = postgres.new_database(migrated=False)
    yield url
    postgres.drop(url)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(port: int) -> str:
    """What /readyz says once it says yes, or the last thing that it said within 40 seconds."""
    said = ""
    for _ in range(160):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return str(answer.status)
        except urllib.error.HTTPError as refused:
            said = refused.read().decode()
        except OSError as error:
            said = str(error)
        time.sleep(0.25)
    return said


def init(environment: Mapping[str, str]) -> None:
    place = ["--name", "Rehearsal", "--currency", "EUR", "--timezone", "Europe/Helsinki"]
    subprocess.run(
        [PILOT, "init", *place, "--admin", "admin@example.org"],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("path", [*UNITS, *TIMERS], ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_unit(path: Path, tmp_path: Path) -> None:
    for other in (*UNITS, *TIMERS):  # a timer is verified together with its service
        (tmp_path / other.name).write_text(other.read_text("utf-8").replace(INSTALLED, PILOT), "utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert path.name not in found.stderr, found.stderr
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("name", [path.name for path in UNITS])
def test_a_unit_gives_its_process_little(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(ROOT / "deploy" / "systemd" / name)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= 4.5, said


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_the_command_of_a_unit_is_one_of_ours(path: Path) -> None:
    command = unit(path.name)["Service"]["ExecStart"].replace("$$", "$").replace("%%", "%")
    found = re.search(rf"{INSTALLED} (.*?)'?$", command)
    assert found is not None
    arguments = shlex.split(found[1])
    build_parser(arguments).parse_args(arguments)


def test_server_and_worker_start_and_end_as_their_units_say(
    tmp_path: Path, running: Callable[[list[str], Mapping[str, str]], subprocess.Popen[bytes]]
) -> None:
    environment = {"PILOT_HOME": str(tmp_path / "home")}
    init(environment)
    port = free_port()
    processes = []
    for name in SERVES:
        command = shlex.split(unit(name)["Service"]["ExecStart"].replace(INSTALLED, PILOT))
        processes.append(running(command + (["--port", str(port)] if "serve" in command else []), environment))
    assert ready(port) == "200"
    for process, name in zip(processes, SERVES, strict=True):
        process.send_signal(signal.SIGTERM)
        # systemd counts an end by SIGTERM itself as clean.
        assert process.wait(timeout=float(unit(name)["Service"]["TimeoutStopSec"])) in (0, -signal.SIGTERM)


def test_the_services_of_the_compose_file_work_together_on_postgresql(
    tmp_path: Path,
    postgres_url: str,
    running: Callable[[list[str], Mapping[str, str]], subprocess.Popen[bytes]],
) -> None:
    services = compose()["services"]
    environment = {name: by_default(value) for name, value in services["web"]["environment"].items()}
    assert services["web"]["environment"] == services["worker"]["environment"]
    assert services["db"]["environment"]["POSTGRES_USER"] in environment["PILOT_DATABASE_URL"]
    environment |= {"PILOT_HOME": str(tmp_path / "home"), "PILOT_DATABASE_URL": postgres_url}
    init(environment)
    port = free_port()
    for name in ("web", "worker"):
        _, *arguments = services[name]["command"]
        running([PILOT, *arguments, *(["--port", str(port)] if name == "web" else [])], environment)
    assert ready(port) == "200"


def test_the_watched_folder_of_the_compose_file_is_watched_by_a_command_of_ours() -> None:
    _, *arguments = [by_default(word) for word in compose()["services"]["watch"]["command"]]
    assert build_parser(arguments).parse_args(arguments).command == "watch"


def test_every_setting_named_in_deploy_exists() -> None:
    files = [*(ROOT / "deploy").glob("*file"), *(ROOT / "deploy").glob("*.yaml"), *(ROOT / "deploy").glob("systemd/*")]
    named = {name for file in files for name in settings_in(file.read_text("utf-8"))}
    assert sorted(named - known_settings()) == []


def test_the_image_takes_every_package_and_the_locked_requirements() -> None:
    text = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = {line.split(".")[0] for line in setup["options"]["packages"].split()} | {"migrations"}
    copied = {line.split()[1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line}
    assert packages <= copied
    assert "--require-hashes -r /src/requirements-s3.lock" in text
    assert re.search(r"^USER pilot$", text, re.M)
