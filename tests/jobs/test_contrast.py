"""Bright protein is picked, extracted and learned from as dark protein is."""

import json

import mrcfile
import numpy as np
import pytest
from PIL import Image

from cryoglean.errors import SettingsError
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.mrc_stack import read_stack
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.jobs.extract import ExtractJob, run_extract_job
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.micrograph import Contrast
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from listeners import Listener
from perturbations import jittered
from shells import ShellField

DIAMETER, PIXEL = 120.0, 4.0


def render(number):
    kind = {"height_px": 256, "width_px": 288, "particles": 25, "pixel_size_angstrom": PIXEL, "signal_to_noise": 0.1}
    return [jittered(ShellField(**kind, seed=seed).render()[0].image) for seed in range(number)]


@pytest.fixture(scope="module")
def images():
    return render(2)


def folder_of(path, images):
    path.mkdir()
    for number, image in enumerate(images):
        with mrcfile.new(path / f"m{number}.mrc") as file:
            file.set_data(np.asarray(image, np.float32))
            file.voxel_size = PIXEL
    return path


def pick(path, out, **changes):
    listener = Listener()
    job = PickJob(picker=LocalpickerSettings(diameter_angstrom=DIAMETER), **changes)
    return run_pick_job(find_micrographs([path]), job, out, listener), listener


@pytest.fixture
def both(tmp_path, images):
    return folder_of(tmp_path / "dark", images), folder_of(tmp_path / "bright", [-image for image in images])


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_bright_protein_is_picked_as_dark_protein_is(tmp_path, both):
    dark, bright = (pick(path, tmp_path / f"out-{path.name}")[0] for path in both)
    assert dark.survey.contrast is Contrast.dark
    assert bright.survey.contrast is Contrast.bright
    assert dark.total > 20
    assert dark.counts == bright.counts
    ours, theirs = (read_picks_folder(tmp_path / f"out-{path.name}") for path in both)
    for stem, picks in ours.items():
        assert np.allclose(picks.xy, theirs[stem].xy)


@pytest.mark.slow
def test_pictures_show_micrographs_as_they_were_recorded(tmp_path, both):
    middle = []
    for path in both:
        pick(path, out := tmp_path / f"out-{path.name}", plots=True)
        with Image.open(out / "plots" / "m0.png") as picture:
            grey = np.asarray(picture.convert("RGB"), float)[:500]
        is_image = np.ptp(grey, axis=2) == 0  # circles are coloured
        middle.append(np.where(is_image, grey[..., 0], np.nan))
    known = np.isfinite(middle[0]) & np.isfinite(middle[1])
    assert np.corrcoef(middle[0][known], middle[1][known])[0, 1] < -0.9


def test_a_contrast_that_is_given_is_obeyed_and_belongs_to_the_settings(tmp_path, both):
    out = tmp_path / "out"
    summary, _ = pick(both[1], out, contrast=Contrast.bright)
    assert summary.total > 20
    assert json.loads((out / "settings.json").read_text())["settings"]["contrast"] == "bright"
    with pytest.raises(SettingsError, match="contrast"):
        pick(both[1], out, contrast=Contrast.dark)


@pytest.mark.numerical
@pytest.mark.slow
def test_micrographs_that_turn_out_to_be_of_the_other_contrast_are_picked_again(tmp_path):
    mixed = folder_of(tmp_path / "mixed", [np.random.default_rng(0).standard_normal((256, 288))])
    out = tmp_path / "out"
    first, _ = pick(mixed, out)
    assert first.survey.contrast is None
    for number, image in enumerate(render(7), 1):
        with mrcfile.new(mixed / f"m{number}.mrc") as file:
            file.set_data(-image)
            file.voxel_size = PIXEL
    then, listener = pick(mixed, out)
    assert then.survey.contrast is Contrast.bright
    assert any("all are picked anew" in line for line in listener.lines)
    assert then.total > 20


@pytest.mark.numerical
@pytest.mark.slow
@pytest.mark.parametrize("is_ours", [True, False])
def test_boxes_show_bright_protein_whatever_the_contrast(tmp_path, both, is_ours):
    centres = []
    for path in both:
        pick(path, picked := tmp_path / f"out-{path.name}")
        source = picked if is_ours else picked / "picks"
        out = tmp_path / f"boxes-{path.name}"
        job = ExtractJob(diameter_angstrom=DIAMETER, scale_to=32)
        run_extract_job(source, find_micrographs([path]), job, out, Listener())
        boxes = np.concatenate([read_stack(stack) for stack in sorted((out / "particles").glob("*.mrcs"))])
        centres.append(boxes.mean(axis=0))
    assert np.corrcoef(centres[0].ravel(), centres[1].ravel())[0, 1] > 0.99
