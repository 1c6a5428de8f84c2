"""Operators and tests see what a writer does this moment, and never take a dead one for living."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pilot.outcomes.phases import phase, phases_now
from pilot.settings import Settings

WRITER = """
import sys, time
from pathlib import Path
from pilot.outcomes.phases import phase
from pilot.settings import Settings
with phase(Settings(home=Path(sys.argv[1])), "drain"):
    print("in", flush=True)
    time.sleep(60)
"""


def test_phases_are_told_from_the_outermost_in_and_their_file_goes_with_the_last(settings: Settings) -> None:
    assert phases_now(settings) == {}
    with phase(settings, "drain"):
        with phase(settings, "commit"):
            assert phases_now(settings) == {os.getpid(): ("drain", "commit")}
        assert phases_now(settings) == {os.getpid(): ("drain",)}
    assert phases_now(settings) == {}
    assert list(settings.locks_dir.iterdir()) == []


def test_an_error_ends_the_phase_too(settings: Settings) -> None:
    with pytest.raises(ValueError, match="broken"), phase(settings, "commit"):
        raise ValueError("broken")
    assert phases_now(settings) == {}


def test_threads_are_in_phases_of_their_own(settings: Settings) -> None:
    entered, done = threading.Event(), threading.Event()

    def drain() -> None:
        with phase(settings, "drain"):
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=drain)
    with phase(settings, "accept"):
        thread.start()
        entered.wait(10)
        assert sorted(phases_now(settings)[os.getpid()]) == ["accept", "drain"]
    assert phases_now(settings) == {os.getpid(): ("drain",)}
    done.set()
    thread.join()
    assert phases_now(settings) == {}


def test_a_killed_writer_is_in_no_phase(settings: Settings) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(settings.home)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"in\n"
        assert phases_now(settings) == {writer.pid: ("drain",)}
        writer.send_signal(signal.SIGKILL)
    assert [path.name for path in settings.locks_dir.iterdir()] == [f"phase-{writer.pid}"]
    assert phases_now(settings) == {}


def test_a_process_of_the_same_id_in_another_container_stops_nobody(settings: Settings) -> None:
    """They share the folder, not the numbers of their processes."""
    settings.locks_dir.mkdir(parents=True)
    with (settings.locks_dir / f"phase-{os.getpid()}").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write("publish")
        other.flush()
        with phase(settings, "compaction"):
            assert sorted(phases_now(settings)[os.getpid()]) == ["compaction", "publish"]
        assert phases_now(settings) == {os.getpid(): ("publish",)}
    assert phases_now(settings) == {}


def test_a_forked_child_is_in_no_phase_and_its_parent_stays_in_its_own(settings: Settings) -> None:
    with phase(settings, "drain"):
        child = os.fork()
        if child == 0:  # only what a fork leaves is asked here; the child leaves without running anything of pytest
            seen = phases_now(settings)
            os._exit(0 if list(seen) == [os.getppid()] else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert phases_now(settings) == {os.getpid(): ("drain",)}


def test_a_disk_that_takes_nothing_does_not_stop_the_work(settings: Settings, tmp_path: Path) -> None:
    settings.home.mkdir()
    settings.locks_dir.write_text("a file where the folder should be")
    with phase(settings, "drain"):
        done = True
    assert done
