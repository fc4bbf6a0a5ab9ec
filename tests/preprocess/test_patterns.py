"""What comes again all over an image is a pattern, with some noise or none; noise, particles and edges are none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.fields import disc, particle_field

from cryoglean.preprocess.patterns import is_pattern

SHAPE = (500, 560)
ROWS, COLUMNS = np.indices(SHAPE)
NOISE = np.random.default_rng(0).normal(size=SHAPE)
CHECKED = (-1.0) ** (ROWS + COLUMNS)
PATTERNS = {
    "pixels": CHECKED,
    "squares": (-1.0) ** (ROWS // 9 + COLUMNS // 11),
    "wide squares": (-1.0) ** (ROWS // 20 + COLUMNS // 20),
    "rows": (-1.0) ** ROWS,
    "every third column": COLUMNS % 3 == 0,
    "a mosaic": np.array([[0, 1, 2], [5, 3, 1], [2, 2, 4]])[ROWS % 3, COLUMNS % 3],
    "dots": (ROWS % 16 == 0) & (COLUMNS % 12 == 0),
    "a wave": np.sin(0.37 * ROWS + 0.21 * COLUMNS),
}


def told(image):
    return is_pattern(np.asarray(image, np.float32))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("noise", [0, 1e-6, 1e-3, 0.05])
def test_a_pattern_is_told_far_above_its_noise_whatever_its_grey_values(name, noise):
    pattern = PATTERNS[name] / np.std(PATTERNS[name])
    assert told(pattern + noise * NOISE)
    assert told(1000 - 20 * (pattern + noise * NOISE))


def test_a_ramp_in_whole_numbers_is_a_pattern_of_steps():
    assert told(np.round(0.037 * ROWS + 0.11 * COLUMNS))


def test_squares_wider_than_a_particle_are_told_where_there_is_room():
    rows, columns = np.indices((1024, 1100))
    assert told((-1.0) ** (rows // 64 + columns // 64))


def test_hot_pixels_hide_no_pattern():
    image = CHECKED + 1e-3 * NOISE
    image[np.random.default_rng(1).integers(0, 500, 60), np.random.default_rng(2).integers(0, 500, 60)] = 1e5
    assert told(image)


@pytest.mark.parametrize("amplitude", [0.1, 0.5, 1.0])
def test_a_pattern_as_faint_as_noise_is_no_reason_to_reject(amplitude):
    assert not told(NOISE + amplitude * CHECKED)


@pytest.mark.parametrize("blur", [0, 1, 3, 10])
def test_noise_is_no_pattern_however_smooth(blur):
    assert not told(gaussian_filter(NOISE, blur))


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_particles_are_no_pattern_however_clear(noise):
    assert not told(particle_field(SHAPE, n=150, profile=disc, noise=noise, distance=1.0).image)


@pytest.mark.parametrize("off", [COLUMNS - 280, ROWS - 250, COLUMNS + 0.3 * ROWS - 350, COLUMNS - ROWS])
def test_an_edge_is_no_pattern_though_it_goes_on(off):
    assert not told(NOISE + 60 * (off > 0))


def test_what_is_too_small_to_tell_is_no_pattern():
    assert not told(CHECKED[:100, :100])
