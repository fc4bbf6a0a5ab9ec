"""Number of processors that this process may use, and a limit on the threads of every library."""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TIFFFILE_NUM_THREADS",
)
"""Environment variables from which libraries that are loaded later, and child processes, take their thread counts."""

_CGROUP_NAMES = Path("/proc/self/cgroup")
_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CPU_FOLDERS_V1 = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


def available_cpus() -> int:
    """Return the number of processors that this process may use, 1 or more.

    That is the smallest of: the processors it may run on (taskset, cpuset), the CPU quota of its control group (as
    containers have it; a part of a processor counts as a whole one), and what Slurm granted to the task.
    """
    limits = [float(_affinity()), *_slurm(os.environ), *_cgroup_quotas(_CGROUP_NAMES, _CGROUP_ROOT)]
    return max(1, math.ceil(min(limits)))


def limit_threads(threads: int) -> None:
    """Limit the threads of every library of this process, and of the processes that it starts.

    Covers torch, OpenCV, tifffile, and the BLAS and OpenMP libraries under numpy and scipy, loaded or not yet.

    Args:
        threads: 1 or more.

    Raises:
        ValueError: if `threads` is below 1.
    """
    if threads < 1:
        raise ValueError(f"threads must be 1 or more, got {threads}")
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))

    import cv2
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    torch.set_num_threads(threads)
    with suppress(RuntimeError):  # torch refuses it once operators have run side by side, and nothing here does that
        torch.set_num_interop_threads(threads)
    cv2.setNumThreads(threads)
    threadpool_limits(threads)
    _limit_tifffile(threads)


def _limit_tifffile(threads: int) -> None:
    """Set what tifffile has read from the environment when it was imported, if it was."""
    module = sys.modules.get("tifffile")
    if module is not None:
        module.TIFF.MAXWORKERS = threads


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _slurm(environment: Mapping[str, str]) -> Iterator[float]:
    given = environment.get("SLURM_CPUS_PER_TASK", "")
    if given.isdigit() and int(given) > 0:
        yield float(given)


def _cgroup_quotas(names: Path, root: Path) -> Iterator[float]:
    """Yield the CPU quotas, in processors, of a process's control groups and of all groups above them.

    Args:
        names: a file as `/proc/self/cgroup`, with lines `number:controllers:path`.
        root: mount point of control groups, of version 1 or 2.
    """
    try:
        lines = names.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _quotas_upwards(root, path)
        elif "cpu" in controllers.split(","):
            for folder in _CPU_FOLDERS_V1:
                yield from _quotas_upwards(root / folder, path)


def _quotas_upwards(root: Path, path: str) -> Iterator[float]:
    folder = root / path.lstrip("/")
    for group in (folder, *folder.parents):
        if not group.is_relative_to(root):
            return
        with suppress(OSError, ValueError):  # no such limit, or one that says "max"
            quota, period = _quota_and_period(group)
            if quota > 0 and period > 0:
                yield quota / period


def _quota_and_period(group: Path) -> tuple[float, float]:
    """Read `cpu.max` (version 2) or `cpu.cfs_quota_us` and `cpu.cfs_period_us` (version 1), in microseconds."""
    both = group / "cpu.max"
    if both.exists():
        quota, period = both.read_text(encoding="utf-8").split()
        return float(quota), float(period)
    quota, period = ((group / f"cpu.cfs_{what}_us").read_text(encoding="utf-8") for what in ("quota", "period"))
    return float(quota), float(period)
