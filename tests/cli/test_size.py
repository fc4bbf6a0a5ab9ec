"""`cryoglean size`: what it tells, by exit status, too, and what `--diameter auto` makes of it."""

import json
import shlex

import mrcfile
import numpy as np
import pytest
from typer.testing import CliRunner

from cryoglean.cli.main import app
from perturbations import jittered
from shells import ShellField

pytestmark = pytest.mark.numerical

FIELD = ShellField(height_px=512, width_px=576, particles=25, signal_to_noise=0.1)


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def folder_of(path, images):
    path.mkdir()
    for number, image in enumerate(images):
        with mrcfile.new(path / f"m{number}.mrc") as file:
            file.set_data(np.asarray(image, np.float32))
            file.voxel_size = 2.0
    return path


@pytest.fixture(scope="module")
def particles(tmp_path_factory):
    images = [jittered(ShellField(**{**vars(FIELD), "seed": seed}).render()[0].image) for seed in range(3)]
    return folder_of(tmp_path_factory.mktemp("size") / "particles", images)


def test_contrast_and_diameter_are_told(particles):
    found = call("size", particles)
    assert found.exit_code == 0, found.output
    assert "contrast: dark" in found.output
    assert "angstrom, longest extent" in found.output


def test_json_holds_what_the_words_say(particles):
    told = json.loads(call("size", particles, "--json").stdout)
    assert told["contrast"] == "dark"
    estimate, least, most, _ = told["size"]
    assert least <= estimate <= most
    assert len(told["micrographs"]) == 3
    words = shlex.split(next(each["command"] for each in told["verdict"] if each["topic"] == "diameter"))
    assert float(words[words.index("--diameter") + 1]) == pytest.approx(estimate, abs=0.5)
    assert words[2] == str(particles)


def test_auto_asks_for_the_length_of_elongated_particles(particles, tmp_path):
    told = json.loads(call("size", particles, "--json").stdout)
    del told["verdict"]
    (tmp_path / "survey.json").write_text(json.dumps(told | {"is_elongated": True}))
    refused = call("pick", particles, "--diameter", "auto", "--out", tmp_path)
    assert refused.exit_code == 2
    assert "undecided, as particles are elongated" in refused.output
    assert "give their length" in refused.output


def test_noise_has_no_size(tmp_path):
    rng = np.random.default_rng(0)
    noise = folder_of(tmp_path / "noise", [rng.normal(size=(512, 512)) for _ in range(2)])
    found = call("size", noise)
    assert found.exit_code == 6
    assert "cannot be told" in found.output
    refused = call("pick", noise, "--diameter", "auto", "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "give a number" in refused.output
    assert not (tmp_path / "out").exists()


def test_micrographs_that_cannot_be_used_have_none(tmp_path):
    constant = folder_of(tmp_path / "flat", [np.ones((256, 256))])
    found = call("size", constant)
    assert found.exit_code == 4
    assert "no micrograph could be used" in found.output


@pytest.mark.slow
def test_auto_is_the_diameter_that_is_told_and_stays(particles, tmp_path):
    told = json.loads(call("size", particles, "--json").stdout)["size"][0]
    for _ in range(2):
        found = call("pick", particles, "--diameter", "auto", "--out", tmp_path / "out")
        assert found.exit_code == 0, found.output
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())["settings"]
    assert settings["diameter_angstrom"] == float(f"{told:.0f}")
