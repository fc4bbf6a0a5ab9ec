"""`--mask` as a user meets it."""

import mrcfile
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import tiny_loop
from cryoglean.cli.main import app
from cryoglean.io.coordinates import read_picks
from shells import ShellField

BASE = ("--diameter", "120", "--preset", "paper", "--bin", "2", "--cpus", "1")


def cryoglean(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for seed in range(2):
        micrograph, _ = ShellField(height_px=220, width_px=260, particles=10, pixel_size_angstrom=4, seed=seed).render()
        with mrcfile.new(tmp_path / f"images/m{seed}.mrc", micrograph.image) as file:
            file.voxel_size = 4.0
    mask = np.zeros((110, 130), np.uint8)
    mask[:, :40] = 1
    Image.fromarray(mask).save(tmp_path / "masks/m1_mask.png")
    return tmp_path / "images"


def test_masks_are_counted_and_nothing_is_picked_in_them(images, tmp_path):
    said = cryoglean("pick", images, *BASE, "--mask", tmp_path / "masks", "--out", tmp_path / "out")
    assert said.exit_code == 0, said.stderr
    assert f"masks of 1 of 2 micrographs: {tmp_path}/masks; 1 micrograph without one, picked whole" in said.stderr
    picks = [read_picks(tmp_path / f"out/picks/m{i}_autopick.star") for i in range(2)]
    assert picks[0].x.min() < 79.5 <= picks[1].x.min()
    again = cryoglean("pick", images, *BASE, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "by another mask" in again.stderr


@pytest.mark.parametrize("command", ["pick", "fit", "run"])
def test_a_mask_of_another_name_is_refused_before_any_work(images, tmp_path, command):
    base = BASE if command != "run" else ("--diameter", "120")
    said = cryoglean(command, images, *base, "--mask", images.parent, "--out", tmp_path / "out")
    assert said.exit_code == 2
    assert "no mask of any of 2 micrographs; that of m0.mrc would be called m0.png or m0_mask.png" in said.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_run_picks_in_no_mask_and_is_resumed_with_the_same_ones_alone(tmp_path):
    images, mask = tiny_loop.grow(tmp_path), np.zeros((200, 215), np.uint8)
    mask[:, 107:] = 255
    (tmp_path / "masks").mkdir()
    for name in ("m0", "m1"):
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.png")
    words = ("--rounds", "0", "--mask", tmp_path / "masks")
    assert tiny_loop.run(images, tmp_path / "RUN", *words).exit_code in (0, 5)
    for stage in ("", "rounds/00/candidates", "rounds/00/selected"):
        picks = [read_picks(tmp_path / f"RUN/{stage}/picks/m{i}_autopick.star") for i in range(3)]
        assert max(picks[0].x.max(), picks[1].x.max()) < 106.5 < picks[2].x.max()
    assert f"--mask {tmp_path}/masks" in (tmp_path / "RUN/report.html").read_text()
    again = tiny_loop.run(images, tmp_path / "RUN", "--rounds", "0")
    assert (again.exit_code, "by another mask" in again.stderr) == (2, True)
