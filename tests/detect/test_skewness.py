"""Skewness of responses: SciPy's, in tiles; and errors that noise alone keeps to."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import skew
from tests.fields import noise_field

from cryoglean.detect.skewness import FieldSkewness, Skewness, field_skewness, noise_error, tile_skewness

pytestmark = pytest.mark.numerical


def response(shape=(200, 210), sigma=3.0, seed=0):
    return torch.from_numpy(gaussian_filter(noise_field(shape, seed), sigma, mode="wrap"))


def test_each_tiles_skewness_is_scipys():
    image = torch.exp(3 * response((163, 245)))
    ours = tile_skewness(image, 10.0)
    tall, wide = 163 // 2, 245 // 3
    tiles = [image[y * tall : (y + 1) * tall, x * wide : (x + 1) * wide] for y in range(2) for x in range(3)]
    np.testing.assert_allclose(ours, [skew(tile.double().numpy().ravel()) for tile in tiles], rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (30, 30), (161, 79)])
def test_there_is_at_least_one_tile_and_flat_ones_are_not_skewed(shape):
    tiles = tile_skewness(torch.full(shape, 2.5), 10.0)
    assert len(tiles) >= 1
    np.testing.assert_array_equal(tiles, 0)
    assert noise_error(torch.full(shape, 2.5)) == 0


def test_a_mirrored_distribution_is_skewed_as_much_the_other_way():
    image = torch.exp(response())
    np.testing.assert_allclose(tile_skewness(-image, 10.0), -tile_skewness(image, 10.0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_the_noise_error_is_the_scatter_of_noises_skewness(sigma):
    images = [response(sigma=sigma, seed=seed) for seed in range(60)]
    scatter = np.std([skew(image.numpy().ravel()) for image in images])
    assert np.mean([noise_error(image) for image in images]) == pytest.approx(scatter, rel=0.3)


def test_a_set_of_micrographs_has_the_error_of_all_their_tiles():
    fields = [FieldSkewness(np.array([1.0, 2.0]), 0.2), FieldSkewness(np.array([3.0, 4.0]), 0.2)]
    both = Skewness.of(fields)
    assert both.typical == 2.0  # without the 4
    assert both.noise_error == pytest.approx(0.2 / np.sqrt(2))
    assert both.error == pytest.approx(np.std([1, 2, 3, 4], ddof=1) / 2)
    assert both.at_least == pytest.approx(both.typical - 2 * both.error)


def test_tiles_that_agree_by_chance_do_not_hide_the_noise():
    agreeing = Skewness.of([FieldSkewness(np.array([0.3, 0.3, 0.3]), 0.2)])
    assert agreeing.error == agreeing.noise_error == pytest.approx(0.2)


def test_a_single_tile_counts_for_what_noise_leaves_of_it():
    alone = Skewness.of([FieldSkewness(np.array([1.5]), 0.1)])
    assert (alone.typical, alone.error) == (1.5, pytest.approx(0.1))


def test_one_dirty_tile_is_not_typical():
    dirty = Skewness.of([FieldSkewness(np.array([0.0, 0.0, 0.0, 9.0]), 0.1)])
    assert dirty.typical == 0
    assert dirty.at_least < 0


def test_noise_is_not_skewed_beyond_its_error():
    many = [field_skewness(response(seed=seed), 20.0) for seed in range(40)]
    z = np.array([field.tiles.mean() / field.noise_error for field in many])
    assert np.abs(z).max() < 4
    assert 0.6 < z.std() < 1.4
