"""A program that runs for long ends when we do, and is followed line by line."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cryoglean.classes2d.child_process import run_followed
from cryoglean.errors import CryogleanError

SCRIPT = """
import signal, sys
signal.signal(signal.SIGTERM, signal.default_int_handler)
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it, and that is inherited
from pathlib import Path
from cryoglean.classes2d.child_process import run_followed
run_followed(["sh", "-c", sys.argv[1]], Path(), Path("log"), print)
"""


def run(folder, script):
    lines = []
    run_followed(["sh", "-c", script], folder, folder / "log", lines.append)
    return lines


def test_lines_come_without_bars_and_control_characters(tmp_path):
    said = run(tmp_path, "printf 'one\\r\\n000/??? sec ~~(,_,\\r  1/ 2 min ...~~\\rtw\\033o\\nlast'")
    assert said == ["one", "tw o", "last"]
    assert (tmp_path / "log").read_text().splitlines()[-3:] == said


def test_lines_come_as_they_are_said_and_not_at_the_end(tmp_path):
    seen = []

    def on_line(line):
        (tmp_path / "go").touch()
        seen.append(line)

    script = "echo first; until [ -e go ]; do sleep 0.01; done; echo second"
    run_followed(["sh", "-c", script], tmp_path, tmp_path / "log", on_line)
    assert seen == ["first", "second"]


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo why >&2; exit 3", "status 3"), ("kill -9 $$", "killed by signal 9"), ("exit 1", "it said nothing")],
)
def test_a_failure_is_told(tmp_path, script, said):
    with pytest.raises(CryogleanError, match=said):
        run(tmp_path, script)


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CryogleanError, match="no-such-program cannot be started"):
        run_followed(["no-such-program"], tmp_path, tmp_path / "log", print)


def test_whoever_listens_and_fails_ends_the_program(tmp_path):
    def on_line(line):
        raise RuntimeError(line)

    with pytest.raises(RuntimeError):
        run_followed(["sh", "-c", "echo $$ > pid; echo hello; sleep 1000"], tmp_path, tmp_path / "log", on_line)
    assert not is_running(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_we_are_ended_it_is_too_and_all_that_it_has_started(tmp_path, number):
    script = "sleep 1000 & echo $! > grandchild; echo $$ > child; wait"
    with parent_of(script, tmp_path) as parent:
        pids = [wait_for(tmp_path / name) for name in ("grandchild", "child")]
        os.kill(parent.pid, number)
        assert parent.wait(20) != 0
        deadline = time.monotonic() + 60
        while any(is_running(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@contextmanager
def parent_of(script, folder):
    """Start a program that runs another, and leave neither behind, so that a failure stays alone."""
    with subprocess.Popen([sys.executable, "-c", SCRIPT, script], stderr=subprocess.DEVNULL, cwd=folder) as parent:
        try:
            yield parent
        finally:
            parent.kill()
            if (folder / "child").exists():
                with suppress(ProcessLookupError):
                    os.killpg(int((folder / "child").read_text()), signal.SIGKILL)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int(path.read_text())


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
