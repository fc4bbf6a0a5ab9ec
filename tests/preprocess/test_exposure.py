"""What was exposed shows noise: nothing else is taken for it, and no noise for nothing."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cryoglean.preprocess.exposure import cover_unexposed, exposed_blocks, spread_blocks

SHAPE = (400, 530)
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=SHAPE)
ROWS, COLUMNS = np.indices(SHAPE)


def changed(image, where, value):
    image = np.array(image, dtype=float)
    image[where] = value
    return image


NOTHING = {
    "a pixel": changed(np.zeros(SHAPE), (200, 300), 1),
    "a few pixels": changed(np.zeros(SHAPE), (RNG.integers(0, 400, 20), RNG.integers(0, 530, 20)), 7),
    "a border of another constant": changed(np.zeros(SHAPE), np.s_[40:-30, 20:-60], 5),
    "a hot column": changed(np.full(SHAPE, 3), np.s_[:, 100], 1e5),
    "a hot row and column": changed(changed(np.zeros(SHAPE), np.s_[:, 100], 9), np.s_[70], 9),
    "a ramp": 0.37 * ROWS + 1.1 * COLUMNS,
    "a ramp far from zero": 1e4 + 1e-3 * COLUMNS - 0.2 * ROWS,
    "a bowl": ((ROWS - 200) ** 2 + (COLUMNS - 265) ** 2) / 1e5,
    "a bowl beside the image, far from zero": 500 + ((ROWS + 300) ** 2 + (COLUMNS - 900) ** 2) / 1e4,
    "the shade of a beam": 900 * np.exp(-((ROWS - 150) ** 2 + (COLUMNS - 300) ** 2) / (2 * 300**2)),
    "amplifiers of other gain": np.where(ROWS < 210, 3.0, 0.0) + np.where(COLUMNS < 260, 7.0, 0.0),
    "waves": np.sin(COLUMNS / 100) + np.cos(ROWS / 70),
    "a ramp in whole numbers": np.round(0.037 * ROWS + 0.11 * COLUMNS),
    "a bowl in bytes": np.round(((ROWS - 150) ** 2 + (COLUMNS - 265) ** 2) / 800) / 255,
    "noise in the last bits": 1000 + 0.37 * ROWS + 1e-3 * NOISE,
    "rows with noise in the last bits": (-1.0) ** ROWS + 3e-7 * NOISE,
    "hardly a count": RNG.poisson(1e-5, SHAPE),
}
NOISES = {
    "small values": 1e-5 * NOISE,
    "far from zero": 1000 + 0.01 * NOISE,
    "few grey values": np.round(128 + 0.4 * NOISE),
    "few grey values between two": np.round(128.5 + 0.5 * NOISE),
    "half a count": RNG.poisson(0.5, SHAPE),
    "a fiftieth of a count": RNG.poisson(0.02, SHAPE),
    "smooth": gaussian_filter(NOISE, 5),
}


@pytest.mark.parametrize("name", NOTHING)
def test_where_there_is_no_noise_nothing_was_exposed(name):
    assert not exposed_blocks(NOTHING[name].astype(np.float32)).any()


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("shape", [SHAPE, (401, 33), (16, 17)])
def test_noise_of_any_scale_was_exposed_everywhere(name, shape):
    assert exposed_blocks(NOISES[name][: shape[0], : shape[1]].astype(np.float32)).all()


@pytest.mark.parametrize("times", [1, 4])
def test_a_disc_of_noise_is_told_from_the_dark_round_it_within_a_block(times):
    radius = np.hypot(ROWS - 200, COLUMNS - 265)
    image = np.where(radius < 150, NOISE, 4.0).repeat(times, 0).repeat(times, 1).astype(np.float32)
    if times > 1:
        image += np.where(image == 4, 0, RNG.normal(size=image.shape)).astype(np.float32)
    exposed = spread_blocks(exposed_blocks(image), image.shape)[::times, ::times]
    assert exposed.shape == SHAPE
    assert exposed[radius < 150 - 50].all()
    assert not exposed[radius > 150 + 50].any()


@pytest.mark.parametrize("name", ["far from zero", "few grey values", "a fiftieth of a count", "smooth"])
@pytest.mark.parametrize("dark", [COLUMNS > 150, ROWS + COLUMNS > 500, np.hypot(ROWS - 170, COLUMNS - 240) > 140])
def test_next_to_nothing_of_the_dark_counts_as_exposed_and_little_of_the_noise_as_dark(name, dark):
    exposed = spread_blocks(exposed_blocks(np.where(dark, -50, NOISES[name]).astype(np.float32)), SHAPE)
    at_border = 0.15 if "count" in name else 1e-4  # of single counts a block tells, and no part of it
    assert (exposed & dark).sum() <= at_border * dark.sum()
    assert (exposed & ~dark).sum() > 0.8 * (~dark).sum()


def test_what_covers_the_unexposed_part_is_as_the_rest_and_always_the_same():
    exposed = torch.from_numpy(COLUMNS < 250)
    image = torch.where(exposed, torch.from_numpy(NOISE), 1e6)
    covered = cover_unexposed(image, exposed)
    assert torch.equal(covered[exposed], image[exposed])
    assert abs(covered[~exposed].std() - image[exposed].std()) < 0.02
    assert torch.equal(covered, cover_unexposed(image, exposed))
