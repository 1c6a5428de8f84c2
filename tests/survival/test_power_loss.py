"""What is said to be safe was on the disk before it was said: the order of fsync, as the kernel saw it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.survival.shop import Server, Shop, as_json, free_port, wait_until
from tests.survival.tills import today

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]  # a server on the loopback

_CALL = re.compile(r"^(\d+) +(\w+)\((?:\d+<([^>]*)>)?(.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>")


@dataclass(frozen=True, slots=True)
class Act:
    """A finished system call: its name, the file that it was about, and the rest of its line."""

    call: str
    file: str
    rest: str


def acts(trace: Path) -> list[Act]:
    """The calls of all threads in the order in which they *ended*."""
    begun: dict[str, Act] = {}
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        if resumed := _RESUMED.match(line):
            if resumed[1] in begun:
                found.append(begun.pop(resumed[1]))
        elif call := _CALL.match(line):
            act = Act(call[2], call[3] or "", call[4])
            if "<unfinished" in line:
                begun[call[1]] = act
            else:
                found.append(act)
    return found


def first(found: list[Act], call: str, ending: str, after: int = -1) -> int:
    """Where the first such call after ``after`` is in the list."""
    for place, act in enumerate(found):
        if place > after and act.call in call.split("|") and act.file.endswith(ending):
            return place
    raise AssertionError(f"no {call} of …{ending} after {after}")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    opened = Shop.open(tmp_path / "home", None)
    yield opened
    opened.close()


def send(server: Server, shop: Shop, name: str) -> int:
    row = {"receipt": name, "store": "S1", "at": f"{today()} 00:05", "net": "1.00", "number": name}
    headers = {"Authorization": f"Bearer {shop.secret}", "Content-Type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("POST", "/api/v1/receipts", as_json({"receipts": [row]}), headers)
        answer = connection.getresponse()
        answer.read()
    return answer.status


def traced(shop: Shop, calls: str, command: list[str], trace: Path) -> "subprocess.Popen[bytes]":
    return shop.run_program(["strace", "-f", "-y", "-s", "60", "-e", f"trace={calls}", "-o", str(trace), *command])


def test_the_inbox_is_on_disk_before_the_till_hears_and_the_lake_before_the_inbox_forgets(
    shop: Shop, tmp_path: Path
) -> None:
    port, trace = free_port(), tmp_path / "serve.trace"
    pilot = [sys.executable, "-m", "pilot.cli"]
    command = [*pilot, "serve", "--port", str(port), "--workers", "1", "--threads", "2"]
    server = Server(traced(shop, "fsync,fdatasync,pwrite64,sendto", command, trace), port)
    wait_until(server.answers, "the server")
    assert [send(server, shop, name) for name in ("p1", "p2")] == [202, 202]
    shop.close()
    found = acts(trace)
    said = [place for place, act in enumerate(found) if act.call == "sendto" and "HTTP/1.1 202" in act.rest]
    written = first(found, "pwrite64", "/inbox.db-wal", after=said[0])  # the second call's: the start proves nothing
    assert written < first(found, "fdatasync|fsync", "/inbox.db-wal", after=written) < said[1]

    trace = tmp_path / "drain.trace"
    drained = traced(shop, "fsync,fdatasync,pwrite64,rename,renameat2,linkat,link", [*pilot, "drain"], trace)
    assert drained.wait(120) == 0
    found = acts(trace)
    data = first(found, "fsync", ".parquet")
    folder = first(found, "fsync", f"business_month={today():%Y-%m}", after=data)
    entry = first(found, "fsync", "00001.json", after=folder)
    log = first(found, "fsync", "_delta_log", after=entry)
    quarantined = first(found, "fdatasync|fsync", "/pilot.db-wal", after=log)
    forgot = first(found, "pwrite64", "/inbox.db-wal", after=data)
    claimed = first(found, "pwrite64", "/inbox.db-wal")
    assert claimed < first(found, "fdatasync|fsync", "/inbox.db-wal", after=claimed) < data
    assert data < folder < entry < log < quarantined < forgot
