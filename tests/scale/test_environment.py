"""What is found of a machine: packages, engines, memory and places, there or missing."""

import json
import os
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from cryoglean.scale import environment, machine
from cryoglean.scale.engines import Engine, probe_engines
from cryoglean.scale.environment import REQUIRED_PACKAGES, probe_environment
from cryoglean.scale.machine import Place, memory_bytes, probe_place

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    return probe_environment(tmp_path_factory.mktemp("here"))


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_required_packages_are_those_of_the_project():
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    assert [d.split(">=")[0] for d in declared] == list(REQUIRED_PACKAGES)


def test_here_everything_required_is_found_with_its_version(probed):
    assert probed.problems == ()
    versions = {p.name: p.version for p in probed.required}
    assert versions["numpy"] == metadata.version("numpy")
    assert set(versions) == {"cryoglean", *REQUIRED_PACKAGES}
    assert all(p.remedy for p in (*probed.optional, *probed.engines))


def test_devices_and_threads_are_told(probed):
    assert probed.devices[0].name == "cpu"
    assert 1 <= probed.available_cpus <= probed.machine_cpus
    assert {"torch", "opencv"} <= set(probed.threads)
    assert probed.memory_bytes is None or probed.memory_bytes > 2**27


def test_all_of_it_is_json(probed):
    assert json.loads(json.dumps(probed.as_dict()))["problems"] == []


def test_a_missing_package_is_a_problem_with_its_remedy(monkeypatch):
    monkeypatch.setattr(environment, "REQUIRED_PACKAGES", {"no-such-package-of-ours": "nothing"})
    assert probe_environment().problems == ("no-such-package-of-ours is missing: pip install no-such-package-of-ours",)


@pytest.mark.parametrize("error", [ImportError("libGL.so.1 is missing"), OSError("libGL.so.1 is missing")])
def test_an_installed_package_that_does_not_load_is_a_problem(monkeypatch, error):
    def fail(_):
        raise error

    monkeypatch.setattr(environment, "REQUIRED_PACKAGES", {"numpy": "numpy"})
    monkeypatch.setattr(environment, "import_module", fail)
    (problem,) = probe_environment().problems
    assert problem.startswith("numpy does not load (libGL.so.1 is missing)")


@pytest.mark.parametrize(("extras", "remedy"), [(["dask>=1; extra == 'scale'"], "'cryoglean[scale]'"), ([], "dask")])
def test_an_extra_is_recommended_only_where_it_exists(monkeypatch, extras, remedy):
    monkeypatch.setattr(environment.metadata, "requires", lambda _: ["numpy>=1", *extras])
    (dask,) = [p for p in probe_environment().optional if p.name == "dask"]
    assert dask.remedy == f"pip install {remedy}"


def test_engines_on_the_path_are_asked_for_their_version(tmp_path, monkeypatch):
    talker = program(tmp_path, "talker", "echo 'TALKER version: 3.1.3-commit-ab'; exit 1")
    program(tmp_path, "mute", "exit 0")
    broken = tmp_path / "broken"
    broken.write_text("no program")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    names = ("talker", "mute", "broken", "absent-engine-of-ours")
    found = {e.name: e for e in probe_engines(tuple(Engine(n, "tests", "get it") for n in names))}
    assert (found["talker"].path, found["talker"].version) == (str(talker), "3.1.3-commit-ab")
    assert found["mute"].path is not None
    assert found["mute"].version is None
    assert found["broken"].version is None
    assert found["absent-engine-of-ours"].path is None


def test_memory_is_the_least_of_the_machine_and_its_control_group(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:        2048 kB\nMemFree:  1 kB\n")
    assert memory_bytes(meminfo, tmp_path) == 2048 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_bytes(meminfo, tmp_path) == 2048 * 1024
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory_bytes(meminfo, tmp_path) == 1000
    assert memory_bytes(tmp_path / "none", tmp_path / "none") is None


def test_a_folder_that_is_not_there_cannot_be_written_and_one_that_is_stays_empty(tmp_path):
    here, gone = probe_place(tmp_path), probe_place(tmp_path / "gone")
    assert here.writable
    assert here.free_bytes > 0
    assert list(tmp_path.iterdir()) == []
    assert (gone.writable, gone.free_bytes) == (False, 0)


def test_no_room_for_temporary_files_is_a_problem_but_here_only_a_remark(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "probe_place", lambda folder: Place(str(folder), True, 10))
    probed = probe_environment(tmp_path)
    assert "TMPDIR" in probed.problems[0]
    assert "--out" in probed.remarks[0]


def test_the_processor_is_named_without_its_file(tmp_path):
    assert machine._processor_name(tmp_path / "none")
