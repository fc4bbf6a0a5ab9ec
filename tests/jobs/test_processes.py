"""Worker processes give what one process gives."""

import os
import pickle
import signal
import subprocess
import sys

import psutil
import pytest

from cryoglean.errors import CryogleanError, MicrographError
from cryoglean.jobs.processes import map_processes
from examples import with_slow


def square(number):
    return number * number


def fail_at_three(number):
    if number == 3:
        raise MicrographError("a.mrc", "it is three")
    return number


def die_at_three(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_is_worked_on_once_and_taken_only_as_workers_become_free(workers):
    taken = []

    def items():
        for n in range(50):
            taken.append(n)
            yield n

    results = map_processes(square, items(), workers)
    first = next(results)
    assert len(taken) < 10
    assert sorted([first, *results]) == [n * n for n in range(50)]


@pytest.mark.parametrize("workers", with_slow(1, slow=[2]))
def test_an_error_comes_back_as_it_was(workers):
    with pytest.raises(MicrographError, match=r"a\.mrc: it is three") as caught:
        list(map_processes(fail_at_three, range(10), workers))
    assert caught.value.reason == "it is three"


def test_an_error_is_the_same_after_its_way_from_a_worker():
    error = MicrographError("a.mrc", "it is three", by_settings=True)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.slow
def test_a_killed_worker_is_told_with_the_remedy():
    with pytest.raises(CryogleanError, match="--cpus"):
        list(map_processes(die_at_three, range(10), 2))


def test_where_there_is_no_shared_memory_one_process_works_and_says_so(monkeypatch):
    def fail(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", fail)
    said = []
    assert list(map_processes(square, range(5), 2, said.append)) == [0, 1, 4, 9, 16]
    assert len(said) == 1
    assert said[0].startswith("one process instead of 2: no shared memory here")


@pytest.mark.slow
@pytest.mark.parametrize("how", with_slow(signal.SIGKILL, slow=[signal.SIGTERM]))
def test_workers_do_not_outlive_their_parent(how, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\nfrom cryoglean.jobs.processes import map_processes\n"
        "if __name__ == '__main__':\n    for n in map_processes(time.sleep, [0.1] * 1000, 2):\n"
        "        print(n, flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    parent.stdout.readline()
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) >= 2
    parent.send_signal(how)
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
