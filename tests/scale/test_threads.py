"""Processors that may be used, and the number of threads that every library keeps to."""

import json
import os
import subprocess
import sys

import pytest

from cryoglean.scale.threads import (
    THREAD_VARIABLES,
    _cgroup_quotas,
    _slurm,
    available_cpus,
    limit_threads,
)
from examples import with_slow

REPORT = """
import json, subprocess, sys
import numpy, scipy.linalg, tifffile
from cryoglean.scale.threads import limit_threads
limit_threads({limit})
CHILD = "import os, json; print(json.dumps(dict(os.environ)))"
import cv2, torch
from threadpoolctl import threadpool_info
numpy.ones((200, 200)) @ numpy.ones((200, 200))
scipy.linalg.lu_factor(numpy.eye(200))
torch.fft.rfft2(torch.ones(200, 200)) @ torch.ones(101, 200).to(torch.complex64)
print(json.dumps({{
    "torch": torch.get_num_threads(),
    "torch between operators": torch.get_num_interop_threads(),
    "opencv": cv2.getNumThreads(),
    "tifffile": tifffile.TIFF.MAXWORKERS,
    "pools": [(pool["internal_api"], pool["num_threads"]) for pool in threadpool_info()],
    "child": json.loads(subprocess.check_output([sys.executable, "-c", CHILD])),
}}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", with_slow(2, slow=[1]))
def test_every_library_reports_the_limit_and_passes_it_on(limit):
    inherited = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "7")}
    said = subprocess.run(
        [sys.executable, "-c", REPORT.format(limit=limit)], env=inherited, capture_output=True, check=True
    )
    report = json.loads(said.stdout)
    for library in ("torch", "torch between operators", "opencv", "tifffile"):
        assert report[library] == limit, library
    assert {"openblas", "mkl"} & {api for api, _ in report["pools"]}
    assert {threads for _, threads in report["pools"]} == {limit}
    assert {report["child"][name] for name in THREAD_VARIABLES} == {str(limit)}


def test_a_limit_may_be_set_again_and_again():
    limit_threads(1)
    limit_threads(1)


@pytest.mark.parametrize("threads", [0, -1])
def test_a_limit_below_one_is_refused(threads):
    with pytest.raises(ValueError, match=str(threads)):
        limit_threads(threads)


def test_available_processors_are_those_of_the_machine_or_fewer(monkeypatch):
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert available_cpus() == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to a processor")
def test_binding_to_one_processor_leaves_one():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("given", "limits"), [({}, []), ({"SLURM_CPUS_PER_TASK": "6"}, [6.0])])
def test_slurm_counts_where_it_says_a_number(given, limits):
    assert list(_slurm(given)) == limits
    assert list(_slurm({"SLURM_CPUS_PER_TASK": "many"})) == []
    assert list(_slurm({"SLURM_CPUS_PER_TASK": "0"})) == []


def control_groups(tmp_path, lines, files):
    names = tmp_path / "cgroup"
    names.write_text("\n".join(lines) + "\n")
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return sorted(_cgroup_quotas(names, tmp_path / "fs"))


def test_quotas_of_version_2_hold_for_a_group_and_all_above(tmp_path):
    files = {"a/b/cpu.max": "150000 100000\n", "a/cpu.max": "max 100000\n", "cpu.max": "400000 100000\n"}
    assert control_groups(tmp_path, ["0::/a/b"], files) == [1.5, 4.0]


def test_quotas_of_version_1_are_found_where_a_container_sees_only_its_own_group(tmp_path):
    files = {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert control_groups(tmp_path, ["3:cpu,cpuacct:/docker/abc", "2:memory:/docker/abc"], files) == [2.0]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
        {"cpu/cpu.cfs_quota_us": "100\n"},
        {"cpu.max": "max 100000\n"},
        {"cpu.max": "nonsense"},
    ],
)
def test_no_quota_is_no_limit(tmp_path, files):
    assert control_groups(tmp_path, ["3:cpu,cpuacct:/", "0::/"], files) == []


def test_systems_without_control_groups_have_no_quota(tmp_path):
    assert list(_cgroup_quotas(tmp_path / "none", tmp_path)) == []
