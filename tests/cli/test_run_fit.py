"""`cryoglean run --fit`: candidates by what was learned before."""

import json
import shutil

import mrcfile
import numpy as np
import pytest
from typer.testing import CliRunner

from cryoglean.cli.main import app
from cryoglean.io.particles import write_stack
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.jobs.given_fit import open_fit
from cryoglean.loop.run_report import gather
from cryoglean.pickers.kpicker.training import KpickerTraining
from cryoglean.pickers.localpicker import preparation as localpicker_stage
from tiny_loop import DIAMETER, final, grow, run, shrink, state


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("loop"), count=2)


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch):
    shrink(monkeypatch.setattr)
    yield
    monkeypatch.undo()
    KpickerTraining.model_rebuild(force=True)


@pytest.fixture(scope="module")
def fit(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("fit") / "FIT"
    how = ("--method", "localpicker", "--diameter", DIAMETER, "--min-distance", "80", "--cpus", "1")
    words = ["fit", images, *how, "--out", out]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    return out


def run_by(fit, images, out, *words):
    base = ["run", images, "--fit", fit, "--out", out, "--cpus", "1", "--rounds", "0"]
    return CliRunner().invoke(app, [str(word) for word in (*base, *words)])


@pytest.mark.slow
def test_a_run_takes_its_candidates_from_a_fit_learns_none_and_is_resumed_with_it(images, fit, tmp_path, monkeypatch):
    def learn(*_, **__):
        raise AssertionError("learned anew")

    monkeypatch.setattr(localpicker_stage, "fit_localpicker", learn)
    out, moved = tmp_path / "run", tmp_path / "FIT"
    result = run_by(fit, images, out)
    assert result.exit_code == 0, result.output
    digest = json.loads((fit / "fit.json").read_text())["digest"]
    said = state(out)
    made_with = {name: said["settings"][name] for name in ("fit", "contrast", "min_distance_angstrom")}
    assert made_with == {"fit": digest, "contrast": "dark", "min_distance_angstrom": 80}
    assert said["settings"]["diameter_angstrom"] == float(DIAMETER)
    assert said["provenance"]["fit"] == str(fit.resolve())
    candidates = out / "rounds/00/candidates"
    assert json.loads((candidates / "settings.json").read_text())["settings"]["fit"] == "given"
    assert {picks.fit for picks in read_picks_folder(candidates).values()} == {digest}
    before = final(out)
    shutil.copytree(fit, moved)
    assert run_by(moved, images, out).exit_code == 0  # a fit is known by its content
    assert final(out) == before
    without = run(images, out, "--rounds", "0", "--min-distance", "80", "--contrast", "dark")
    assert without.exit_code == 2
    assert f"fit '{digest}', now None" in without.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--diameter", "150"), "--diameter 150: --fit FIT was made with --diameter 120"),
        (("--contrast", "bright"), "--contrast bright: --fit FIT was made with --contrast dark"),
        (("--pixel-size", "3"), "--pixel-size 3: --fit FIT was made without --pixel-size"),
        (("--candidates", "emmae"), "--candidates emmae: --fit FIT was made with --method localpicker"),
        (("--start-from", "picks"), "--start-from picks: has no effect with --fit"),
        (("--fit", "nowhere"), "--fit nowhere: no fit.json there: cryoglean fit MICROGRAPHS"),
    ],
)
def test_what_a_fit_does_not_hold_is_refused_in_one_line_before_any_work(images, fit, tmp_path, words, said):
    result = run_by(fit, images, tmp_path / "run", *words)
    assert result.exit_code == 2
    (complaint,) = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    assert said in complaint.replace(str(fit), "FIT")
    assert not (tmp_path / "run").exists()


def test_without_a_fit_the_diameter_is_asked_for(images, tmp_path):
    result = CliRunner().invoke(app, ["run", str(images), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "give --diameter, or --fit" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_matchers_fit_gives_candidates_and_is_not_taken_for_one_of_their_classes(images, tmp_path):
    write_stack(tmp_path / "templates.mrcs", [shell_average()[None]], 8.0)
    words = ["fit", images, "--diameter", DIAMETER, "--method", "matcher", "--templates", tmp_path / "templates.mrcs"]
    made = CliRunner().invoke(app, [str(word) for word in (*words, "--out", tmp_path / "FIT", "--cpus", "1")])
    assert made.exit_code == 0, made.output
    result = run_by(tmp_path / "FIT", images, tmp_path / "run")
    assert result.exit_code == 0, result.output
    first, again = (tmp_path / "run/rounds/00" / name / "matcher.json" for name in ("candidates", "matched"))
    assert first.read_bytes() == (tmp_path / "FIT/matcher.json").read_bytes() != again.read_bytes()


def shell_average():
    """A shell as large as the particles, in a box, protein bright."""
    y, x = np.mgrid[-12:12, -12:12] + 0.5
    radius = np.hypot(x, y)
    return np.exp(-(((radius - 6) / 1.5) ** 2)).astype(np.float32)


@pytest.mark.slow
def test_a_run_tells_that_its_micrographs_contradict_the_fit(images, fit, tmp_path):
    (tmp_path / "bright").mkdir()
    for path in images.iterdir():
        with mrcfile.new(tmp_path / "bright" / path.name, -mrcfile.read(path)) as file:
            file.voxel_size = 8.0
    result = run_by(fit, tmp_path / "bright", tmp_path / "run", "--json")
    said = {each["topic"]: each for each in json.loads(result.stdout)["verdict"]}["contrast"]
    assert (said["level"], "show bright ones" in said["text"]) == ("alarm", True)
    assert said["command"].startswith("cryoglean fit ")
    assert "--contrast bright" in said["command"]
    assert "show bright ones" in (tmp_path / "run/report.html").read_text()


@pytest.mark.slow
def test_the_survey_of_a_run_by_a_fit_is_its_own_and_its_report_picks_again_by_the_fit(images, fit, tmp_path):
    fewer = tmp_path / "images"
    fewer.mkdir()
    shutil.copy(images / "m1.mrc", fewer)
    result = run_by(fit, fewer, tmp_path / "run", "--preset", "paper")
    assert result.exit_code == 0, result.output
    assert read_names(tmp_path / "run/survey.json") != read_names(fit / "survey.json")
    assert f"--fit {fit}" in gather(tmp_path / "run").pick_command
    assert {picks.fit for picks in read_picks_folder(tmp_path / "run").values()} == {open_fit(fit).record.digest}


def read_names(survey):
    return json.loads(survey.read_text())["micrographs"]
