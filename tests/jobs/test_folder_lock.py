"""One writer per output folder, whoever comes, however the last one went; readers see no lock at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryoglean.errors import CryogleanError, SettingsError
from cryoglean.jobs.folder_lock import NAME, FolderLock, locks_output, only_writer, refuse_if_lost
from cryoglean.jobs.lock_holder import Life, holder_from, this_process
from cryoglean.jobs.pick import run_pick_job

BARE = """
import sys, time
from pathlib import Path
from cryoglean.errors import SettingsError
from cryoglean.jobs.folder_lock import only_writer
from cryoglean.cli.main import guarded
import typer
@guarded
def work():
    with only_writer(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
try:
    work()
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


def start(out):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", BARE, str(out)], text=True, **pipes)


@contextmanager
def holder(out):
    """A process that holds the lock until the end of the block."""
    process = start(out)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def lock_of_another_machine(out, host="elsewhere"):
    out.mkdir(exist_ok=True)
    other = this_process(out).model_copy(update={"host": host, "machine": "another", "token": "aa"})
    (out / NAME).write_text(other.model_dump_json())
    return out / NAME


def test_a_second_process_is_refused_by_name_and_changes_nothing(tmp_path):
    with holder(tmp_path) as first:
        second = start(tmp_path)
        out, said = second.communicate(timeout=60)
        assert (second.returncode, out) == (2, "")
        assert f"process {first.pid} on {this_process(tmp_path).host}" in said
        assert str(tmp_path) in said
        assert "wait for its end, or name another --out" in said
        assert said.count("\n") == 1
        assert holder_from((tmp_path / NAME).read_bytes()).pid == first.pid
        first.communicate("\n", timeout=60)
        assert first.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_lock_of_a_process_that_was_ended_is_free_at_once(tmp_path, sent):
    with holder(tmp_path) as first:
        first.send_signal(sent)
        first.wait(60)
        with only_writer(tmp_path):
            assert holder_from((tmp_path / NAME).read_bytes()).pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_find_a_dead_holder_one_takes_over(tmp_path):
    """Threads are as good as processes: each has its own lock."""
    for number in range(10):
        with subprocess.Popen([sys.executable, "-c", ""]) as gone:
            gone.wait()
        dead = this_process(tmp_path).model_copy(update={"pid": gone.pid, "token": f"dead{number}"})
        (tmp_path / NAME).write_text(dead.model_dump_json())
        locks, refused, ready = [FolderLock(tmp_path) for _ in range(8)], [], threading.Barrier(8)

        def take(lock, ready=ready, refused=refused):
            ready.wait()
            try:
                lock.acquire()
            except SettingsError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=take, args=(lock,)) for lock in locks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 7, refused
        assert sum(lock.is_ours() for lock in locks) == 1
        for lock in locks:
            lock.release()
        assert list(tmp_path.iterdir()) == []


def test_a_taker_that_was_killed_while_taking_over_is_no_obstacle(tmp_path):
    dead = this_process(tmp_path).model_copy(update={"started": "0", "token": "dead"})
    (tmp_path / NAME).write_text(dead.model_dump_json())
    (tmp_path / f"{NAME}.dead").write_text(dead.model_copy(update={"token": "taker"}).model_dump_json())
    with only_writer(tmp_path):
        assert [each.name for each in tmp_path.iterdir()] == [NAME]


def test_a_holder_elsewhere_that_gives_no_sign_of_life_is_taken_over_whatever_its_clock_says(tmp_path):
    path, said = lock_of_another_machine(tmp_path), []
    os.utime(path, (2e9, 2e9))
    lock = FolderLock(tmp_path, said.append, beat_s=0.02)
    lock.acquire()
    assert lock.is_ours()
    assert "locked by process" in said[0]
    assert "elsewhere" in said[0]
    lock.release()


def test_a_holder_elsewhere_that_gives_signs_of_life_is_not(tmp_path):
    path, ended = lock_of_another_machine(tmp_path), threading.Event()

    def beat():
        while not ended.wait(0.05):
            os.utime(path, (1e9, 1e9 + time.monotonic()))

    beating = threading.Thread(target=beat)
    beating.start()
    with pytest.raises(SettingsError, match=r"in use by process \d+ on elsewhere"):
        FolderLock(tmp_path, beat_s=1.0).acquire()
    ended.set()
    beating.join()


def test_a_lock_renews_itself(tmp_path):
    lock = FolderLock(tmp_path, beat_s=0.01)
    lock.acquire()
    os.utime(lock.path, (1, 1))
    while lock.path.stat().st_mtime == 1:
        time.sleep(0.01)
    lock.release()


def test_the_same_job_may_enter_again_and_another_thread_may_not(tmp_path):
    with only_writer(tmp_path), only_writer(tmp_path / "." / ".." / tmp_path.name), only_writer(tmp_path / "below"):
        refused = []

        def enter():
            try:
                with only_writer(tmp_path):
                    pass
            except SettingsError as error:
                refused.append(str(error))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert len(refused) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_exception_frees_the_lock_and_what_was_made_for_it(tmp_path):
    @locks_output
    def job(out):
        assert (out / NAME).exists()
        raise ValueError(out)

    with pytest.raises(ValueError, match="deep"):
        job(out=tmp_path / "made" / "deep")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["removed", "replaced", "taken over"])
def test_a_folder_that_was_removed_replaced_or_taken_over_is_told(tmp_path, damage):
    out = tmp_path / "out"

    def lose():
        if damage == "taken over":
            lock_of_another_machine(out)
        else:
            shutil.rmtree(out)
        if damage == "replaced":
            out.mkdir()
        with pytest.raises(CryogleanError, match="removed, replaced or taken over"):
            refuse_if_lost(out)

    with pytest.raises(CryogleanError, match=f"{out} was removed, replaced or taken over"), only_writer(out):
        lose()
    assert (out / NAME).exists() == (damage == "taken over"), "another's lock is left alone"


def test_a_job_that_has_lost_its_folder_is_ended(tmp_path):
    lock = FolderLock(tmp_path, beat_s=0.01)
    lock.acquire()
    lock_of_another_machine(tmp_path / "other")
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 (the signal may come as soon as the lock is another's)
        (tmp_path / "other" / NAME).replace(tmp_path / NAME)
        time.sleep(60)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[" * 100_000, b"\xff", b'{"pid": 1}'])
def test_a_lock_that_cannot_be_read_is_one_without_a_sign_of_life(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    assert holder_from(content).life(tmp_path) is Life.unknown
    lock = FolderLock(tmp_path, beat_s=0.01)
    lock.acquire()
    assert lock.is_ours()
    lock.release()


def test_a_process_of_the_same_number_is_not_the_holder(tmp_path):
    here = this_process(tmp_path)
    assert here.life(tmp_path) is Life.alive
    assert here.model_copy(update={"started": "1"}).life(tmp_path) is Life.gone
    assert here.model_copy(update={"machine": "container"}).life(tmp_path) is Life.unknown


def test_a_copy_of_a_folder_in_use_is_not_in_use(tmp_path):
    with only_writer(tmp_path / "out"):
        shutil.copytree(tmp_path / "out", tmp_path / "copy")
        with only_writer(tmp_path / "copy"):
            pass


def test_where_there_are_no_links_the_lock_is_created_as_new(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    with only_writer(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
        with pytest.raises(SettingsError, match="in use by"):
            FolderLock(tmp_path).acquire()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["/proc/out", "/sys/out", "/dev/null/out"])
def test_a_place_that_holds_no_files_is_refused_with_the_remedy(folder):
    with pytest.raises(SettingsError, match=f"--out {folder} cannot be written: .*: name a folder on"):
        FolderLock(Path(folder)).acquire()


@pytest.mark.parametrize("name", ["a\udcff", "a\nb", "a\x1b[31m"])
def test_a_name_that_no_table_can_hold_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(SettingsError, match="control or undecodable characters in a name"):
        FolderLock(tmp_path / name).acquire()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(20))
def test_of_two_jobs_that_start_in_one_fresh_folder_one_works_and_the_other_names_it(tmp_path, attempt):
    for number in range(12):
        rng = np.random.default_rng(number)
        with mrcfile.new(tmp_path / f"{number}.mrc", rng.normal(size=(300, 300)).astype(np.float32)) as file:
            file.voxel_size = 4
    call = [sys.executable, "-m", "cryoglean.cli", "pick", str(tmp_path), "--diameter", "120", "--cpus", "1"]
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    jobs = [subprocess.Popen([*call, "--out", str(tmp_path / "out")], text=True, **pipes) for _ in range(2)]
    said = [job.communicate(timeout=300)[1] for job in jobs]
    statuses = [job.returncode for job in jobs]
    assert sorted(statuses, key=lambda status: status == 2)[1] == 2, said
    assert {0, 3, 6} & set(statuses), said
    assert f"is in use by process {jobs[1 - statuses.index(2)].pid} on" in said[statuses.index(2)]
    assert len(list((tmp_path / "out" / "picks").glob("*_autopick.star"))) == 12
    assert not (tmp_path / "out" / NAME).exists()


def test_a_job_of_picking_that_is_refused_is_told_how_many_jobs_pick(tmp_path):
    with holder(tmp_path), pytest.raises(SettingsError, match=r"in use by .* cryoglean fit .* --fit FIT, each into"):
        run_pick_job([], None, tmp_path, None)
