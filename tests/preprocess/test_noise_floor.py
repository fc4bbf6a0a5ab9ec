"""Noise at high frequencies tells whether a micrograph was filtered before, whatever its grey values and scale."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.fields import particle_field

from cryoglean.preprocess.noise_floor import MIN_NOISE_FLOOR, Filtering, SetFiltering, noise_floor
from perturbations import jittered

pytestmark = pytest.mark.numerical

DIAMETER = 40.0


def field(noise=1.0, seed=0, shape=(700, 640)):
    return jittered(particle_field(shape, n=60, noise=noise, seed=seed, diameter=DIAMETER).image)


def low_passed(image, cycles=3.0):
    """Half of the amplitude is left at so many cycles per diameter."""
    return gaussian_filter(image, np.sqrt(2 * np.log(2)) / (2 * np.pi) * DIAMETER / cycles)


def told(*images, diameter=DIAMETER):
    return SetFiltering.of(noise_floor(image, diameter) for image in images)


@pytest.mark.parametrize("noise", [0.5, 1.0, 4.0])
def test_a_micrograph_as_recorded_is_not_filtered_and_a_low_passed_one_is(noise):
    image = field(noise)
    assert told(image).filtering is Filtering.unfiltered
    assert told(low_passed(image)).filtering is Filtering.filtered
    assert noise_floor(low_passed(image), DIAMETER) < MIN_NOISE_FLOOR / 2
    assert noise_floor(image, DIAMETER) > 5 * MIN_NOISE_FLOOR


def test_white_noise_has_the_same_power_everywhere():
    noise = np.random.default_rng(0).standard_normal((900, 900)).astype(np.float32)
    assert noise_floor(noise, DIAMETER) == pytest.approx(1, abs=0.15)


def test_a_low_pass_beyond_what_a_network_sees_is_none():
    assert told(low_passed(field(), 20.0)).filtering is Filtering.unfiltered


@pytest.mark.parametrize("filtered", [False, True])
def test_grey_values_do_not_matter(filtered):
    image = low_passed(field()) if filtered else field()
    assert noise_floor(1000 + 7 * image, DIAMETER) == pytest.approx(noise_floor(image, DIAMETER), rel=0.05)
    assert noise_floor(-image, DIAMETER) == pytest.approx(noise_floor(image, DIAMETER), rel=1e-4)


def test_eight_bits_and_jpeg_filter_nothing():
    image = field()
    grey = np.clip(128 + 30 * (image - image.mean()) / image.std(), 0, 255).astype(np.uint8)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", grey)[1], cv2.IMREAD_GRAYSCALE)
    assert told(jpeg.astype(np.float32)).filtering is Filtering.unfiltered


@pytest.mark.parametrize("filtered", [False, True])
def test_padded_stripes_at_the_edges_tell_nothing(filtered):
    image = low_passed(field()) if filtered else field()
    assert told(np.pad(image, 90, mode="edge")).filtering is told(image).filtering


def test_a_few_dirty_places_do_not_hide_what_was_done():
    image = low_passed(field())
    image[100:180, 100:180] += 20 * np.random.default_rng(1).standard_normal((80, 80))
    assert told(image).filtering is Filtering.filtered


def test_the_median_of_a_set_counts_in_any_order():
    images = [low_passed(field(seed=seed)) for seed in range(3)] + [field(seed=9), field(seed=8)]
    assert told(*images).filtering is Filtering.filtered
    assert told(*images[::-1]) == told(*images)
    assert told(*images, np.zeros((700, 640), np.float32)) == told(*images), "a flat one tells nothing"


@pytest.mark.parametrize("image", [np.zeros((300, 300), np.float32), np.full((200, 90), 7.0, np.float32)])
def test_a_flat_micrograph_tells_nothing(image):
    assert noise_floor(image, DIAMETER) is None
    assert told(image).filtering is Filtering.unknown


def test_pixels_too_coarse_to_tell_are_told():
    assert noise_floor(field(), 11.0) is None
    assert noise_floor(field(), 16.0) is not None


@pytest.mark.parametrize("shape", [(60, 500), (33, 41)])
def test_a_micrograph_smaller_than_a_tile_tells_as_much_as_it_has(shape):
    assert told(field()[: shape[0], : shape[1]]).filtering is Filtering.unfiltered


def test_the_finding_is_told_with_its_figure_and_limit():
    assert "(noise floor 0.5, limit 0.0035)" in SetFiltering.of([0.5]).message
    assert {each.message for each in Filtering} == {SetFiltering(filtering=each).message for each in Filtering}
