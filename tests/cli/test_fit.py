"""`cryoglean fit` and `pick --fit` as typed: what need not be said again, what is refused, and how each ends."""

import json
import shlex

import mrcfile
import numpy as np
import pytest
from tests.cli.test_pick import cryoglean
from tests.fields import noise_field

from shells import ShellField

ALONE = ("--cpus", "1")
BASE = ("--diameter", "120", *ALONE)


@pytest.fixture(scope="module")
def micrographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("micrographs")
    for seed in range(3):
        micrograph, _ = ShellField(height_px=200, width_px=240, particles=8, pixel_size_angstrom=4, seed=seed).render()
        with mrcfile.new(folder / f"m{seed}.mrc", micrograph.image) as file:
            file.voxel_size = 4.0
    return folder


@pytest.fixture(scope="module")
def fit(micrographs, tmp_path_factory):
    out = tmp_path_factory.mktemp("fit") / "FIT"
    result = cryoglean("fit", micrographs, *BASE, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"cryoglean pick MICROGRAPHS --fit {out} --out OUT" in result.stdout
    assert "particle signal found" in result.stdout
    return out


def test_nothing_of_the_fit_need_be_said_again(micrographs, fit, tmp_path):
    result = cryoglean("pick", micrographs / "m1.mrc", "--fit", fit, *ALONE, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    digest = json.loads((fit / "fit.json").read_text())["digest"]
    assert (said["fit_digest"], said["fits"]) == (digest, {"m1": digest})
    assert said["settings"]["diameter_angstrom"] == 120
    (told,) = [each["text"] for each in said["verdict"] if each["topic"] == "fit"]
    assert told.startswith(f"picked by fit {digest} of {fit}, learned from 3 micrographs only")


@pytest.mark.slow
def test_what_agrees_may_be_said_and_a_threshold_may_be_another(micrographs, fit, tmp_path):
    words = ("--diameter", "120", "--method", "auto", "--preset", "default", "--contrast", "dark")
    counts = []
    for threshold in ("0", "0.9"):
        more = ("--threshold", threshold, "--fit", fit, *ALONE, "--out", tmp_path / threshold, "--json")
        result = cryoglean("pick", micrographs, *words, *more)
        assert result.exit_code == 0, result.output
        counts.append(json.loads(result.stdout)["picks"])
    assert counts[0] > counts[1] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--diameter", "150"), "--diameter 150: --fit FIT was made with --diameter 120"),
        (("--method", "emmae"), "--method emmae: --fit FIT was made with --method auto"),
        (("--preset", "paper"), "--preset paper: --fit FIT was made with --preset default"),
        (("--contrast", "bright"), "--contrast bright: --fit FIT was made with --contrast dark"),
        (("--pixel-size", "3"), "--pixel-size 3: --fit FIT was made without --pixel-size"),
        (("--model", "weights"), "--model weights: has no effect with --method auto --preset default"),
        (("--diameter", "wide"), "--diameter must be a number of angstrom, or auto, got 'wide'"),
        (("--threshold", "7"), "--threshold must be between 0 and 1"),
        (("--fit", "nowhere"), "--fit nowhere: no fit.json there: cryoglean fit MICROGRAPHS"),
    ],
)
def test_what_does_not_agree_is_refused_in_one_line_before_any_work(micrographs, fit, tmp_path, words, said):
    result = cryoglean("pick", micrographs, "--fit", fit, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2
    (complaint,) = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    assert said in complaint.replace(str(fit), "FIT")
    assert not (tmp_path / "out").exists()


def test_a_broken_fit_ends_with_2(micrographs, tmp_path):
    (tmp_path / "FIT").mkdir()
    (tmp_path / "FIT/fit.json").write_text("[" * 100_000)
    result = cryoglean("pick", micrographs, "--fit", tmp_path / "FIT", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "make it again with cryoglean fit" in result.stderr


def test_a_fit_without_particles_ends_with_6_and_picking_with_it_with_2(micrographs, tmp_path):
    with mrcfile.new(tmp_path / "empty.mrc", np.asarray(noise_field((300, 360), 0))) as file:
        file.voxel_size = 4
    result = cryoglean("fit", tmp_path / "empty.mrc", *BASE, "--out", tmp_path / "FIT")
    assert result.exit_code == 6
    assert "no particle signal" in result.stdout
    assert "to pick with it" not in result.stdout
    result = cryoglean("pick", micrographs, "--fit", tmp_path / "FIT", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "no particles were found in the 1 micrograph" in result.stderr


@pytest.mark.parametrize("command", ["fit", "pick"])
def test_no_usable_micrograph_ends_with_4_and_a_verdict_that_says_why(command, tmp_path):
    (tmp_path / "bad.mrc").write_bytes(b"no image")
    words = (command, tmp_path / "bad.mrc", *BASE, "--out", tmp_path / "out")
    plain, as_json = cryoglean(*words), cryoglean(*words, "--json")
    assert (plain.exit_code, as_json.exit_code) == (4, 4)
    assert "verdict:\n!! rejected  no micrograph could be used, most often for: " in plain.stdout
    assert "to pick with it" not in plain.stdout
    said = json.loads(as_json.stdout)
    assert list(said["rejected"]) == [str(tmp_path / "bad.mrc")]
    assert [each["topic"] for each in said["verdict"]] == ["rejected"]


def test_help_has_an_example_for_an_array_of_jobs():
    for command in ("fit", "pick"):
        assert "SLURM_ARRAY_TASK_ID" in cryoglean(command, "--help").stdout


def inverted(micrographs, folder):
    folder.mkdir()
    for path in micrographs.iterdir():
        with mrcfile.new(folder / path.name, -mrcfile.read(path)) as file:
            file.voxel_size = 4.0
    return folder


def verdict_of(*words):
    result = cryoglean(*words, *ALONE, "--json")
    assert result.exit_code in (0, 6), result.output
    return {each["topic"]: each for each in json.loads(result.stdout)["verdict"]}


@pytest.mark.slow
def test_micrographs_that_contradict_the_fit_are_told_with_the_command_that_makes_one_of_them(
    micrographs, fit, tmp_path
):
    bright = inverted(micrographs, tmp_path / "bright")
    said = verdict_of("pick", bright, "--fit", fit, "--out", tmp_path / "out")["contrast"]
    assert said["level"] == "alarm"
    assert said["text"] == "the fit is of dark particles, but these micrographs show bright ones"
    name, *words = shlex.split(said["command"])
    assert (name, words[0]) == ("cryoglean", "fit")
    made = cryoglean(*words, *ALONE)
    assert made.exit_code == 0, made.output
    again = verdict_of("pick", bright, "--fit", words[words.index("--out") + 1], "--out", tmp_path / "again")
    assert again["contrast"]["level"] == "fact"


def test_micrographs_like_those_of_the_fit_agree_and_are_not_looked_at_again(micrographs, fit, tmp_path, monkeypatch):
    words = ("pick", micrographs, "--fit", fit, "--out", tmp_path / "out")
    assert verdict_of(*words)["contrast"]["level"] == "fact"
    monkeypatch.setattr("cryoglean.jobs.survey.survey_micrographs", None)
    said = verdict_of(*words)
    assert said["contrast"]["text"] == "the micrographs show dark particles, as the fit has it"


def test_particles_of_another_size_than_the_fits_are_told(tmp_path, fit):
    field = ShellField(height_px=600, width_px=640, particles=20, diameter_angstrom=360, pixel_size_angstrom=4, seed=1)
    with mrcfile.new(tmp_path / "large.mrc", field.render()[0].image) as file:
        file.voxel_size = 4.0
    said = verdict_of("pick", tmp_path / "large.mrc", "--fit", fit, "--out", tmp_path / "out")["size"]
    assert said["level"] == "alarm"
    words = shlex.split(said["command"])
    assert float(words[words.index("--diameter") + 1]) > 1.5 * 120
