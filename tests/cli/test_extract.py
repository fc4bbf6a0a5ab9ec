"""`cryoglean extract` as a user meets it: after `cryoglean pick`, in one line, and with which status it leaves."""

import json
import os

import mrcfile
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cryoglean.cli.ctf import ctf
from cryoglean.cli.extract import extract
from cryoglean.cli.main import guarded
from cryoglean.io.particles import read_particles
from cryoglean.io.stored_images import stored_images
from cryoglean.jobs.pick_folder import PickFolder
from examples import with_slow
from shells import ShellField

app = typer.Typer()
for command in (ctf, extract):
    app.command()(guarded(command))


def cryoglean(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def picked(tmp_path_factory):
    """Micrographs and an output folder of picks, as `cryoglean pick` leaves it, with the true centres in it."""
    from cryoglean.io.coordinates import write_picks

    root = tmp_path_factory.mktemp("project")
    (root / "mics").mkdir()
    for seed in range(3):
        image, truth = ShellField(280, 333, 14, pixel_size_angstrom=4, signal_to_noise=0.5, seed=seed).render()
        with mrcfile.new(root / "mics" / f"m{seed}.mrc") as file:
            file.set_data(image.image)
            file.voxel_size = 4.0
        write_picks(PickFolder(root / "out").picks_path(f"m{seed}"), truth, f"m{seed}.mrc")
    (root / "out" / "settings.json").write_text('{"settings": {"diameter_angstrom": 120}}')
    return root


def run(picked, out, *words):
    return cryoglean("extract", picked / "out", "--micrographs", picked / "mics", "--out", out, "--cpus", 1, *words)


@pytest.mark.parametrize(
    ("name", "contrast"),
    with_slow(
        *(("picks.star", "auto"), ("picks.box", "dark")),
        slow=[("picks.csv", "auto"), ("picks.star", "dark"), ("picks.box", "auto"), ("picks.csv", "dark")],
    ),
)
def test_coordinates_that_are_a_pipe_are_refused_in_one_line(picked, tmp_path, name, contrast):
    os.mkfifo(tmp_path / name)
    words = ["--micrographs", picked / "mics", "--contrast", contrast, "--diameter", 120, "--out", tmp_path / "out"]
    result = cryoglean("extract", tmp_path / name, *words)
    assert result.exit_code == 2
    assert "a pipe, not a regular file" in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_diameter_is_that_of_the_picks_and_the_average_is_a_shell(picked, tmp_path):
    result = run(picked, tmp_path / "boxes")
    assert result.exit_code == 0
    star = tmp_path / "boxes" / "particles.star"
    assert str(star) in result.stdout
    table = read_particles(star)
    images = stored_images(table, star)[:]
    assert images.shape[1:] == (64, 64)
    # 1.5 diameters are 45 px, of which an even box makes 44
    assert float(table.optics["rlnImagePixelSize"][0]) == pytest.approx(4 * 44 / 64)
    steps = np.arange(64) - 32
    radius = np.hypot(steps[:, None], steps) * 4 * 44 / 64
    mean = images.mean(axis=0)
    ring, hole, outside = (mean[(radius > a) & (radius < b)].mean() for a, b in ((44, 56), (0, 15), (70, 85)))
    assert ring > hole > outside
    assert "boxes of 44 px are enlarged to 64 px" in result.stderr


def test_json_is_all_there_is_on_standard_output(picked, tmp_path):
    said = json.loads(run(picked, tmp_path / "boxes", "--json").stdout)
    assert said["particles"] == sum(said["extracted"].values()) > 10
    assert said["settings"]["box_diameters"] == 1.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--box-size-px", "4"], "--box-size-px must be"),
        (["--box-size-px", "20"], "smaller than the particle of 120 A"),
        (["--box-diameters", "0.5"], "--box-diameters must be"),
        (["--diameter", "900"], "larger than the micrograph"),
        (["--scale-to", "4"], "--scale-to must be"),
        (["--phase-flip"], "cryoglean ctf"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_before_any_work(picked, tmp_path, words, said):
    result = run(picked, tmp_path / "boxes", *words)
    assert result.exit_code == 2
    (complaint,) = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    assert said in complaint
    assert not (tmp_path / "boxes").exists()


def test_picks_that_are_not_there_are_named(picked, tmp_path):
    result = cryoglean("extract", tmp_path / "none", "--micrographs", picked / "mics", "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "none" in result.stderr


def test_micrographs_without_picks_are_left_out_and_said(picked, tmp_path):
    write = tmp_path / "some" / "picks"
    write.mkdir(parents=True)
    (write / "m1_autopick.star").write_bytes(PickFolder(picked / "out").picks_path("m1").read_bytes())
    words = ["extract", tmp_path / "some", "--micrographs", picked / "mics", "--out", tmp_path / "o", "--cpus", 1]
    result = cryoglean(*words, "--diameter", 120)
    assert result.exit_code == 0
    assert "for 2 of 3 micrographs: left out" in result.stderr
