"""Whole files or none, whatever happens while they are written."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cryoglean.io import atomic
from cryoglean.io.atomic import atomic_path, clean_leftovers, write_atomic_bytes, write_atomic_text


@pytest.fixture(autouse=True)
def _forced_to_disk(fsync, monkeypatch):
    monkeypatch.setattr(os, "fsync", fsync)


def names(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def leftover(folder, name="a.star", host=None, pid=1, tail="0123abcd"):
    path = folder / f".{name}.{host or atomic._host()}-{pid}-{tail}.tmp"
    path.write_text("half")
    return path


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_is_written_is_what_is_read(tmp_path):
    write_atomic_text(tmp_path / "new" / "deep" / "a.txt", "Å\r\n\n")
    assert (tmp_path / "new" / "deep" / "a.txt").read_bytes() == "Å\r\n\n".encode()
    write_atomic_bytes(str(tmp_path / "b"), b"\0\1")
    assert (tmp_path / "b").read_bytes() == b"\0\1"
    assert names(tmp_path) == ["a.txt", "b"]


def test_files_get_the_permissions_of_ordinary_files(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomic_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_temporary_file_is_a_hidden_sibling_that_no_reader_takes(tmp_path):
    with atomic_path(tmp_path / "a_autopick.star") as one, atomic_path(tmp_path / "a_autopick.star") as two:
        assert one != two
        assert one.parent == tmp_path
        assert one.name.startswith(".")
        assert one.suffix == ".tmp"
        one.write_text("1")
        two.write_text("2")
    assert (tmp_path / "a_autopick.star").read_text() == "1"


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    write_atomic_text(tmp_path / ("é" * 125 + ".star"), "x")
    assert len(names(tmp_path)) == 1


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize("old", [None, "old"])
def test_failure_at_any_step_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, old):
    path = tmp_path / "a.star"
    if old:
        path.write_text(old)

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "write":
        whole = Path.write_bytes
        monkeypatch.setattr(Path, "write_bytes", lambda self, data: (whole(self, data[:2]), fail()))
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match=r"No space left.*a\.star"):
        write_atomic_text(path, "new content")
    assert names(tmp_path) == (["a.star"] if old else [])
    assert old is None or path.read_text() == old


def test_an_exception_or_an_interrupt_in_the_body_leaves_the_old_file(tmp_path):
    write_atomic_text(tmp_path / "a", "old")
    for exception in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(exception), atomic_path(tmp_path / "a") as temporary:  # noqa: PT012
            temporary.write_text("half")
            raise exception
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_body_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path):
    write_atomic_text(tmp_path / "a", "old")
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "old"


def test_the_folder_is_synced_after_the_rename_and_the_file_before(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(Path(f"/proc/self/fd/{fd}").resolve()), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("replace"), replace(a, b)))
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc to see which file is synced")
    write_atomic_text(tmp_path / "a", "x")
    assert steps[0].suffix == ".tmp"
    assert steps[1:] == ["replace", tmp_path.resolve()]


@pytest.mark.parametrize(("number", "is_raised"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_synced_is_borne_but_a_broken_disk_is_not(tmp_path, monkeypatch, number, is_raised):
    fsync, calls = os.fsync, []

    def second_fails(fd):
        calls.append(fd)
        if len(calls) == 2:
            raise OSError(number, os.strerror(number))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", second_fails)
    if is_raised:
        with pytest.raises(OSError, match="a'"):
            write_atomic_text(tmp_path / "a", "whole")
    else:
        write_atomic_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"


WRITE_FOR_EVER = """
import sys, itertools
from cryoglean.io.atomic import write_atomic_text
for i in itertools.count():
    write_atomic_text(f"{sys.argv[1]}/{i % 3}.star", f"{i % 10}" * 400_000)
    if i == 3: print("going", flush=True)
"""


def test_a_killed_writer_leaves_only_whole_files(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(atomic.__file__).parents[2])}
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout.readline() == "going\n"
            time.sleep(0.011 * round_)
            process.send_signal(signal.SIGKILL)
        for path in tmp_path.glob("*.star"):
            text = path.read_text()
            assert text == text[0] * 400_000
    clean_leftovers(tmp_path)
    assert names(tmp_path) == ["0.star", "1.star", "2.star"]


def test_leftovers_of_dead_writers_go_and_those_of_living_ones_stay(tmp_path):
    (tmp_path / "deep").mkdir()
    with atomic_path(tmp_path / "mine.star") as mine:
        mine.write_text("x")
        dead = [leftover(tmp_path / "deep", pid=dead_pid())]
        alive = [
            leftover(tmp_path, pid=os.getppid()),
            leftover(tmp_path, "c", pid=2**70),
            leftover(tmp_path, host="00000000", pid=dead_pid()),
        ]
        others = [tmp_path / ".vim.tmp", tmp_path / "b.tmp", tmp_path / ".a.star.1-2-3.tmp"]
        for path in others:
            path.write_text("not ours")
        removed = clean_leftovers(tmp_path)
        assert removed == [dead[0]]
        assert all(p.exists() for p in [mine, *alive, *others])
    assert (tmp_path / "mine.star").read_text() == "x"


def test_leftovers_older_than_a_day_or_than_this_process_go(tmp_path):
    old = leftover(tmp_path, host="00000000")
    os.utime(old, (time.time() - 90_000,) * 2)
    same_number = leftover(tmp_path, "b", pid=os.getpid())
    os.utime(same_number, (atomic._STARTED - 5,) * 2)
    assert clean_leftovers(tmp_path) == sorted([old, same_number])
    assert clean_leftovers(tmp_path / "absent") == []


def test_a_full_disk_leaves_the_old_file(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}")
    try:
        write_atomic_text(disk / "a.star", "old")
        with pytest.raises(OSError, match="No space left") as error:
            write_atomic_text(disk / "a.star", "x" * 200_000)
        assert error.value.errno == errno.ENOSPC
        assert (disk / "a.star").read_text() == "old"
        assert names(disk) == ["a.star"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
