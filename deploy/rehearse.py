"""Carry out the Containerfile without a container engine: every instruction in a chroot, then the image's own command.

    sudo python deploy/rehearse.py [--keep]

Base images are made by debootstrap (`debian:bookworm-slim` is Debian's minimal system); RUN, COPY, ENV, USER, WORKDIR,
HEALTHCHECK, ENTRYPOINT and CMD are carried out as a builder would. Layers, namespaces and limits are not.
"""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
BASE = "debian:bookworm-slim"
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "/etc/rehearsal.pem"  # of this machine, for the time of the build


@dataclass(slots=True)
class Stage:
    """One stage: its root, and what the instructions have set so far."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SEARCHED})
    user: str = "root"
    directory: str = "/"
    start: dict[str, list[str]] = field(default_factory=dict)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """``arguments`` as the stage's user, inside its root, with nothing of this machine's environment."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        inside = f"cd {shlex.quote(self.directory)} && exec {shlex.join(arguments)}"
        inside_root = ["chroot", f"--userspec={self.user}", str(self.root), "/usr/bin/env", "-i", *settings]
        return [*inside_root, "/bin/sh", "-c", inside]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """(name, rest) of each instruction; comments are left out, continued lines joined."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


def build(folder: Path) -> Stage:
    """The last stage, every instruction carried out."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, rest in instructions(CONTAINERFILE.read_text("utf-8")):
        print(f"{name} {rest[:110]}", flush=True)
        if name == "FROM":
            image, _, alias = rest.partition(" AS ")
            stage = stages[alias or "last"] = Stage(_base(image, folder / (alias or "last"), folder))
            continue
        if stage is None:
            raise SystemExit("the first instruction is FROM")
        _carry_out(stage, name, rest, stages)
    if stage is None:
        raise SystemExit("the Containerfile is empty")
    return stage


def _carry_out(stage: Stage, name: str, rest: str, stages: dict[str, Stage]) -> None:
    if name == "RUN":
        with _devices(stage.root):
            subprocess.run(
                stage.command(["/usr/bin/env", f"PIP_CERT={CERTIFICATES}", "/bin/sh", "-c", rest]), check=True
            )
    elif name == "COPY":
        _copy(stage, shlex.split(rest), stages)
    elif name == "ENV":
        stage.environment.update(setting.split("=", 1) for setting in shlex.split(rest))
    elif name == "USER":
        stage.user = rest
    elif name == "WORKDIR":
        stage.directory = rest
        (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif name in ("ENTRYPOINT", "CMD"):
        stage.start[name] = json.loads(rest)
    elif name == "HEALTHCHECK":
        stage.start[name] = json.loads(rest[rest.index("CMD") + 3 :])
    elif name not in ("VOLUME", "EXPOSE"):
        raise SystemExit(f"{name} is not rehearsed; teach it here")


def _base(image: str, root: Path, folder: Path) -> Path:
    if image != BASE:
        raise SystemExit(f"{image}: only {BASE} can be made here")
    made = folder / "base"
    if not made.exists():
        subprocess.run(
            ["debootstrap", "--variant=minbase", "bookworm", str(made)], check=True, stdout=subprocess.DEVNULL
        )
        # As this machine reaches its registries: names and certificates, nothing else.
        for file in ("etc/resolv.conf", "etc/hosts"):
            shutil.copy(Path("/") / file, made / file)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", made / CERTIFICATES.lstrip("/"))
    subprocess.run(["cp", "-a", "--reflink=auto", str(made), str(root)], check=True)
    return root


def _copy(stage: Stage, words: list[str], stages: dict[str, Stage]) -> None:
    source = ROOT
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
    *things, target = words
    into = stage.root / target.lstrip("/")
    for thing in things:
        found = source / thing.lstrip("/")
        place = into / found.name if target.endswith("/") else into
        place.parent.mkdir(parents=True, exist_ok=True)
        if found.is_dir():
            shutil.copytree(
                found, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
            )
        else:
            shutil.copy2(found, place)


@contextlib.contextmanager
def _devices(root: Path) -> Iterator[None]:
    """/proc and /dev while something runs inside."""
    mounts = (root / "proc", root / "dev")
    subprocess.run(["mount", "-t", "proc", "proc", str(mounts[0])], check=True)
    subprocess.run(["mount", "--rbind", "/dev", str(mounts[1])], check=True)
    subprocess.run(["mount", "--make-rslave", str(mounts[1])], check=True)
    try:
        yield
    finally:
        for mount in mounts:
            subprocess.run(["umount", "-l", str(mount)], check=True)


def start(image: Stage) -> None:
    """Make an installation in the image, start its command, ask its health check, and end it with SIGTERM."""
    first = ["pilot", "init", "--name", "Rehearsal", "--currency", "EUR", "--timezone", "Europe/Helsinki"]
    with _devices(image.root):
        subprocess.run(image.command([*first, "--admin", "admin@example.org"]), check=True)
        server = subprocess.Popen(image.command([*image.start["ENTRYPOINT"], *image.start["CMD"]]))
        try:
            for _attempt in range(60):
                if subprocess.run(image.command(image.start["HEALTHCHECK"]), stderr=subprocess.DEVNULL).returncode == 0:
                    print("HEALTHCHECK passed", flush=True)
                    break
                time.sleep(0.5)
            else:
                raise SystemExit("the health check never passed")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)
    print(f"the command ended on SIGTERM with exit code {server.returncode}")


def main() -> int:
    """Build and start; the folder goes afterwards unless ``--keep``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave the built roots where they are, and say where")
    keep = parser.parse_args().keep
    if os.geteuid() != 0:
        raise SystemExit("chroot needs root")
    folder = Path(tempfile.mkdtemp(prefix="pilot-image-"))
    try:
        start(build(folder))
    finally:
        if keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
