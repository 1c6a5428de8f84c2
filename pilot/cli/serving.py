"""``pilot serve`` and ``pilot worker``: what runs for long."""

import argparse
import importlib.util
import ipaddress
import os
import shutil
import socket
import sys
from pathlib import Path

import pilot
from pilot.cli.console import phrase
from pilot.cli.context import Context, add_common, at_least_one, whole_number
from pilot.cli.errors import AddressTaken, ForeignWeb, NotLoopback
from pilot.settings import Settings
from pilot.words import N_

HOST, PORT = "127.0.0.1", 8000


def configure(name: str, command: argparse.ArgumentParser) -> None:
    add_common(command, is_json=False)
    threads = phrase(N_("threads of each process"))
    if name == "worker":
        command.add_argument("--threads", type=at_least_one, default=1, metavar="N", help=threads)
        command.set_defaults(do=work)
        return
    add_address(command)
    command.add_argument("--workers", type=at_least_one, default=2, metavar="N", help=phrase(N_("processes")))
    command.add_argument("--threads", type=at_least_one, default=4, metavar="N", help=threads)
    command.set_defaults(do=serve)


def add_address(command: argparse.ArgumentParser) -> None:
    """Where the server listens."""
    command.add_argument("--host", default=HOST, metavar="ADDRESS", help=phrase(N_("default: this machine only")))
    command.add_argument("--port", type=_port, default=PORT, metavar="N")


def _port(text: str) -> int:
    return whole_number(text, 1, 65_535)


def serve(context: Context) -> None:
    """Become gunicorn: this process is replaced, so signals and exit codes are gunicorn's own."""
    options, settings = context.options, context.settings
    require_our_web()
    require_address(settings, options.host, options.port)
    _ = context.database  # refuses here, in words, what would make every worker die
    context.close()
    counters = settings.home / "run" / "prometheus"
    shutil.rmtree(counters, ignore_errors=True)
    counters.mkdir(parents=True)
    environment = {**os.environ, "PILOT_HOME": str(settings.home), "PROMETHEUS_MULTIPROC_DIR": str(counters)}
    memory = Path("/dev/shm")  # noqa: S108 - gunicorn's heartbeat files: on a slow disk workers would seem dead
    command = [
        *(sys.executable, "-m", "gunicorn", "web.app:create_app()"),
        *("--config", "python:web.gunicorn_hooks"),
        *("--bind", f"{options.host}:{options.port}"),
        *("--workers", str(options.workers), "--threads", str(options.threads)),
        *("--worker-tmp-dir", str(memory if memory.is_dir() else settings.home / "run")),
        *("--chdir", str(settings.home)),  # gunicorn puts its directory first on the path: no “web” lies there
        *("--timeout", "120", "--graceful-timeout", "10"),
        *("--no-control-socket", "--log-level", "warning"),
    ]
    context.console.say(N_("Serving on {address}. Ctrl-C ends it."), address=f"http://{options.host}:{options.port}")
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - a fixed list of arguments; no shell is wanted


def work(context: Context) -> None:
    """Take jobs until Ctrl-C or SIGTERM."""
    from pilot.jobs.worker import work as work_until_stopped  # loads the engine: not for --help

    settings = context.database.settings
    context.console.say(N_("Working in {home}. Ctrl-C ends it."), home=settings.home)
    sys.stdout.flush()
    work_until_stopped(settings, threads=context.options.threads)


def require_our_web() -> None:
    """``ForeignWeb`` unless the package ``web`` is the one that came with this ``pilot``."""
    found = importlib.util.find_spec("web")
    place = Path(found.origin).resolve().parent if found and found.origin else None
    ours = Path(str(pilot.__file__)).resolve().parent.with_name("web")
    if place != ours:
        raise ForeignWeb(found=str(place or phrase(N_("missing"))))


def require_address(settings: Settings, host: str, port: int) -> None:
    """A demonstration listens on this machine only; and the port must be free."""
    if settings.demo and not is_loopback(host):
        raise NotLoopback(address=host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AddressTaken(address=f"{host}:{port}", problem=(error.strerror or "").lower()) from None


def is_loopback(host: str) -> bool:
    """Whether ``host`` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
