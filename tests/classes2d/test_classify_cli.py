"""`cryoglean classify` as a user meets it: in one line, with a table, and with which status it leaves."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cryoglean.classes2d.classification import Assignments, Classes, Classification
from cryoglean.classes2d.folder import read_classification
from cryoglean.classes2d.progress import Iteration
from cryoglean.cli.classify import classify
from cryoglean.cli.doctor import doctor
from cryoglean.cli.main import guarded
from cryoglean.jobs import checkpoint_file
from cryoglean.jobs.output_folder import OutputFolder
from particle_stacks import particles, write_project

IMAGES, SHAPE = particles(40)

app = typer.Typer()
for command in (classify, doctor):
    app.command()(guarded(command))

needs_relion = pytest.mark.skipif(
    shutil.which("relion_refine") is None, reason="relion_refine is not on PATH (Debian package relion)"
)


def cryoglean(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder as `cryoglean extract` leaves it."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, IMAGES)
    (tmp_path / "settings.json").write_text('{"job": "extract", "settings": {"diameter_angstrom": 80}}')
    return tmp_path


class StandIn:
    """An engine that finds made-up classes at once."""

    def __init__(self):
        self.settings = []

    def __call__(self, star, settings, options, folder, on_iteration, table):
        self.settings.append(settings)
        n, k = len(table.particles), settings.classes_for(len(table.particles))
        for number in range(1, settings.iterations + 1):
            more = 4 if number < 3 else None
            on_iteration(Iteration(number, settings.iterations, 20.0, 1 / number, 0, classes=more))
        rng, index = np.random.default_rng(0), np.arange(n) % k
        placed = Assignments(index, np.zeros(n), np.zeros((n, 2)), np.ones(n), np.linspace(0, 1, n))
        averages = rng.normal(size=(k, 24, 24)).astype(np.float32)
        resolution, curve = np.linspace(10, 40, k), np.ones((k, 13))
        resolution[0] = np.inf
        classes = Classes(averages, averages, np.bincount(index, minlength=k), resolution, curve / 2, curve)
        return Classification(classes, placed, 4.0, ("made up",))


@pytest.fixture
def engine(monkeypatch):
    engine = StandIn()
    monkeypatch.setattr("cryoglean.jobs.classify.relion.classify", engine)
    monkeypatch.setattr("cryoglean.jobs.classify.installed_relion", lambda options: None)
    return engine


def run(*words, out="out", source="."):
    return cryoglean("classify", source, "--out", out, "--engine", "relion", "--cpus", 1, *words)


def complaint(result):
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    return line


def test_a_folder_of_particles_and_its_diameter_are_enough(project, engine):
    result = run()
    assert result.exit_code == 0
    assert engine.settings[0].diameter_angstrom == 80
    assert "[2/25] still 4 classes, 20.0 A, 50.0 % changed class" in result.stderr
    assert "[25/25] 20.0 A, 4.0 % changed class" in result.stderr
    assert "phases stay as they are" in result.stderr
    assert "made up" in result.stderr
    assert "40 particles in 2 classes: out/gallery.png" in result.stdout
    found, table = read_classification(project / "out")
    assert len(table.particles) == 40
    assert found.notes == ("no CTF: phases stay as they are, low resolution only", "made up")
    assert (project / "out" / "gallery.png").stat().st_size > 1000
    assert (project / "out" / "rejected.csv").read_text() == "image,micrograph,reason\n"
    recorded = json.loads((project / "out" / "settings.json").read_text())
    assert recorded["job"] == "classify"
    assert recorded["settings"]["engine"] == "relion"


def test_the_best_class_comes_first(project, engine):
    said = json.loads(run("--classes", 5, "--json").stdout)
    ratios = [row["percent_per_resolution"] for row in said["classes"]]
    assert ratios == sorted(ratios, reverse=True)
    assert said["classes"][-1] == {
        "class": 1, "particles": 8, "share_percent": 20.0, "resolution_angstrom": None, "percent_per_resolution": 0.0
    }  # fmt: skip
    table = [line.split() for line in run("--classes", 5).stdout.splitlines()]
    assert [row[0] for row in table[1:6]] == [str(row["class"]) for row in said["classes"]]
    assert sum(row["particles"] for row in said["classes"]) == said["particles"] == 40


def test_the_same_again_does_nothing_and_says_so(project, engine):
    run()
    before = {path: path.stat().st_mtime_ns for path in (project / "out").glob("*.*rcs")}
    again = run()
    assert again.exit_code == 0
    assert "is complete already" in again.stderr
    assert "40 particles in 2 classes" in again.stdout
    assert len(engine.settings) == 1
    assert {path: path.stat().st_mtime_ns for path in (project / "out").glob("*.*rcs")} == before
    assert run("--force").exit_code == 0
    assert len(engine.settings) == 2


def test_other_settings_and_other_images_are_refused_unless_forced(project, engine):
    run()
    other = run("--classes", 3)
    assert other.exit_code == 2
    assert "classes None, now 3" in complaint(other)
    write_project(project, IMAGES[::-1].copy())
    assert "content '40 particles" in complaint(run())
    assert run("--classes", 3, "--force").exit_code == 0
    assert len(read_classification(project / "out")[0].classes) == 3


def test_bad_particles_are_named_and_the_rest_goes_on(project, engine):
    spoiled = IMAGES.copy()
    spoiled[3, 0, 0], spoiled[9] = np.nan, 0
    write_project(project, spoiled)
    result = run()
    assert result.exit_code == 3
    assert "2 of 40 particles rejected (000004@Extract/a.mrcs: NaN or infinite values)" in result.stderr
    with (project / "out" / "rejected.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"][:6] for row in rows] == ["000004", "000010"]
    assert len(read_classification(project / "out")[1].particles) == 38


def test_nothing_but_bad_particles_is_an_end_of_its_own(project, engine):
    write_project(project, np.zeros_like(IMAGES))
    result = run()
    assert result.exit_code == 4
    assert "no particle can be used" in result.stderr
    assert not engine.settings
    assert (project / "out" / "rejected.csv").read_text().count("alike") == 40


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--diameter", "300"], "--diameter 300: the boxes of particles.star are 96 A wide (24 px at 4 A/px)"),
        (["--diameter", "0"], "--diameter must be"),
        (["--diameter", "nan"], "--diameter must be"),
        (["--classes", "21"], "40 particles are too few for 21 classes: --classes 20 at most"),
        (["--classes", "0"], "--classes must be"),
        (["--iterations", "0"], "--iterations must be"),
        (["--max-shift", "0.7"], "--max-shift must be"),
        (["--resolution-limit", "-1"], "--resolution-limit must be"),
        (["--regularisation", "0"], "--regularisation must be"),
        (["--mpi", "1"], "--mpi must be"),
        (["--relion-args", "'"], "--relion-args '"),
        (["--device", "cpu"], "--device cpu: has no effect with --engine relion"),
        (["--engine", "native", "--mpi", "3"], "--mpi 3: has no effect without --engine relion"),
        (["--engine", "native", "--grad"], "--grad: has no effect without --engine relion"),
        (["--engine", "native", "--device", "abacus"], "--device abacus"),
        (["--out", "."], "would be written over"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_before_any_work(project, engine, words, said):
    result = run(*words)
    assert result.exit_code == 2
    assert said in complaint(result)
    assert not (project / "out").exists()
    assert not engine.settings


def test_without_a_diameter_it_is_asked_for(project, engine):
    (project / "settings.json").unlink()
    assert "give --diameter" in complaint(run())


def test_what_is_not_there_is_named(project, engine):
    assert "none.star: no such file or folder" in complaint(run(source="none.star"))
    assert "none: no such file or folder" in complaint(run(source="none"))
    (project / "empty").mkdir()
    assert "empty holds no particles.star" in complaint(run(source="empty"))


def test_a_folder_of_another_command_is_not_written_into(project, engine):
    OutputFolder(project / "boxes", "extract", ()).claim({}, [], force=False)
    assert "holds results of cryoglean extract" in complaint(run(out="boxes"))


def test_gradient_driven_runs_have_their_own_number_of_iterations(project, engine):
    assert run("--grad").exit_code == 0
    assert engine.settings[0].iterations == 200
    assert run("--grad", "--iterations", 7, "--force").exit_code == 0
    assert engine.settings[1].iterations == 7


def test_doctor_tells_of_relion():
    assert "relion_refine" in cryoglean("doctor").stdout


@pytest.mark.numerical
def test_the_native_engine_tells_the_shapes_apart(project):
    pytest.importorskip("cryoglean.classes2d.native")
    result = cryoglean("classify", ".", "--out", "out", "--classes", 2, "--iterations", 8, "--cpus", 1)
    assert result.exit_code == 0
    found = read_classification(project / "out")[0].particles.class_index
    agree = (found == SHAPE).mean()
    assert max(agree, 1 - agree) > 0.9


@needs_relion
def test_relion_from_end_to_end_and_a_second_time(project):
    words = ["--classes", 2, "--iterations", 3, "--seed", 1]
    result = run(*words)
    assert result.exit_code == 0, result.stderr
    assert "[3/3]" in result.stderr
    agree = (read_classification(project / "out")[0].particles.class_index == SHAPE).mean()
    assert max(agree, 1 - agree) > 0.9
    assert "is complete already" in run(*words).stderr


@needs_relion
def test_gradient_driven_classification_is_refused_where_relion_is_too_old(project):
    version = subprocess.run(["relion_refine", "--version"], capture_output=True, text=True, check=False).stdout
    if "version: 3." not in version:
        pytest.skip("this RELION can do it")
    assert "--grad needs RELION 4" in complaint(run("--grad"))
    assert not (project / "out").exists()


@pytest.mark.slow
@needs_relion
def test_a_run_that_is_ended_goes_on_where_it_was(project):
    write_project(project, particles(400)[0])
    words = [
        "classify",
        ".",
        "--out",
        "out",
        "--engine",
        "relion",
        "--classes",
        "4",
        "--iterations",
        "6",
        "--cpus",
        "1",
    ]
    command = [sys.executable, "-m", "cryoglean.cli", *words]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    wait_for(project / "out" / "relion" / "run_it002_optimiser.star")
    os.kill(first.pid, signal.SIGTERM)
    assert first.wait(30) == 130
    assert "give the same command again" in first.stderr.read()
    first.stderr.close()
    again = run("--classes", 4, "--iterations", 6)
    assert again.exit_code == 0
    assert "--continue out/relion/run_it00" in (project / "out" / "relion" / "run.log").read_text()
    assert [line[:2] for line in (project / "out" / "iterations.csv").read_text().splitlines()[1:]] == [
        f"{n}," for n in range(1, 7)
    ]


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_the_native_engine_goes_on_where_it_was_killed(project):
    """Killed without a chance to say goodbye, it ends with the files of a run that nobody disturbed."""
    write_project(project, particles(400)[0])
    words = ["--classes", "4", "--iterations", "40", "--engine", "native"]
    command = (
        "import cryoglean.jobs.checkpoint_file as f; f._EVERY_SECONDS = 0.0; import cryoglean.cli.main as m; m.main()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", command, "classify", ".", "--out", "out", *words], stderr=subprocess.DEVNULL
    )
    wait_for(project / "out" / "progress.safetensors")
    first.kill()
    first.wait(30)
    assert not (project / "out" / "model.star").exists()
    again, whole = run(*words), run(*words, out="whole")
    assert again.exit_code == whole.exit_code == 0
    assert "going on after iteration" in again.stderr
    assert not (project / "out" / "progress.safetensors").exists()
    for name in ("particles.star", "classes.mrcs", "classes.csv", "iterations.csv"):
        assert (project / "out" / name).read_bytes() == (project / "whole" / name).read_bytes(), name


def test_a_broken_checkpoint_is_told_and_all_is_done_anew(project):
    words = ["--classes", "2", "--iterations", "3", "--engine", "native"]
    assert run(*words).exit_code == 0
    (project / "out" / "model.star").unlink()
    (project / "out" / "progress.safetensors").write_bytes(b"\x10" * 100)
    again = run(*words)
    assert again.exit_code == 0
    assert "is broken, so all is done anew" in again.stderr
    assert not (project / "out" / "progress.safetensors").exists()


def test_a_disk_that_fills_ends_it_in_one_line_and_it_goes_on_where_it_was(project, monkeypatch):
    words = ["--classes", "2", "--iterations", "5", "--engine", "native"]
    monkeypatch.setattr("cryoglean.jobs.checkpoint_file._EVERY_SECONDS", 0.0)
    write, left = checkpoint_file.write_atomic_bytes, [3]

    def full_after_three(path, content):
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        left[0] -= 1
        write(path, content)

    monkeypatch.setattr(checkpoint_file, "write_atomic_bytes", full_after_three)
    stopped = run(*words)
    assert stopped.exit_code not in (0, 3)
    assert "No space left on device" in complaint(stopped)
    monkeypatch.setattr(checkpoint_file, "write_atomic_bytes", write)
    again, whole = run(*words), run(*words, out="whole")
    assert again.exit_code == whole.exit_code == 0
    assert "going on after iteration 3" in again.stderr
    for name in ("particles.star", "classes.mrcs", "iterations.csv"):
        assert (project / "out" / name).read_bytes() == (project / "whole" / name).read_bytes(), name
