"""Binning and local standardisation, against plain NumPy and SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import convolve, gaussian_filter
from tests.fields import noise_field, particle_field

from cryoglean.preprocess.normalise import bin_by_mean, standardise_in_disc, standardise_locally


@given(height=st.integers(1, 40), width=st.integers(1, 40), factor=st.integers(1, 50))
def test_bins_are_means_of_blocks_complete_or_not(height, width, factor):
    image = noise_field((height, width), seed=height)
    binned = bin_by_mean(torch.from_numpy(image), factor).numpy()
    rows, columns = range(0, height, factor), range(0, width, factor)
    expected = [[image[y : y + factor, x : x + factor].mean() for x in columns] for y in rows]
    np.testing.assert_allclose(binned, expected, atol=1e-5)


def reference(image, sigma):
    def mean(values):
        return gaussian_filter(values, sigma, mode="mirror", truncate=6)

    deviation = image - mean(image)
    return deviation, mean(deviation**2)


@pytest.mark.parametrize("shape", [(200, 220), (151, 233)])
def test_standardised_is_deviation_over_local_deviation(shape):
    image = particle_field(shape, n=20).image.astype(float)
    ours = standardise_locally(torch.from_numpy(image.astype(np.float32)), 8.0, 3.0)
    deviation, variance = reference(image, 8.0)
    np.testing.assert_allclose(ours.image.numpy(), deviation / np.sqrt(variance), atol=0.05)
    near = gaussian_filter(deviation**2, 3.0, mode="mirror", truncate=6)
    np.testing.assert_allclose(ours.contrast.numpy(), 0.5 * np.log(near / np.median(near)), atol=0.05)


def test_mean_and_variance_are_even_under_gradients_of_both():
    rows, columns = np.mgrid[:300, :320] / 300
    image = noise_field((300, 320)) * (1 + 4 * columns) + 1000 + 50 * rows
    level = standardise_locally(torch.from_numpy(image.astype(np.float32)), 12.0, 4.0).image.numpy()
    for part in (level[:100, :100], level[-100:, :100], level[:100, -100:], level[-100:, -100:]):
        assert abs(part.mean()) < 0.1
        assert part.std() == pytest.approx(1, abs=0.1)


def test_contrast_tells_where_the_signal_is_stronger():
    image = noise_field((200, 400))
    image[:, 200:] *= 5
    contrast = standardise_locally(torch.from_numpy(image), 20.0, 6.0).contrast
    assert float(contrast[:, 260:].median() - contrast[:, :140].median()) == pytest.approx(np.log(5), abs=0.15)


@pytest.mark.parametrize("value", [0.0, 1.0, -1 / 3, 1e6, 1e-9, 123.456])
def test_a_flat_image_is_zero_not_rounding_noise(value):
    level, contrast = standardise_locally(torch.full((201, 77), value), 10.0, 3.0)
    assert float(level.abs().max()) == 0
    assert torch.isfinite(contrast).all()


def test_a_flat_part_is_flat_and_finite():
    image = noise_field((200, 220))
    image[:, :110] = 3
    level, contrast = standardise_locally(torch.from_numpy(image), 5.0, 2.0)
    assert float(level[:, 20:60].abs().max()) < 0.1
    assert torch.isfinite(level).all()
    assert torch.isfinite(contrast).all()


@pytest.mark.parametrize(("gain", "offset"), [(1e-3, 0.0), (40.0, 3e4)])
def test_scale_and_offset_cancel(gain, offset):
    image = noise_field((120, 130))
    plain = standardise_locally(torch.from_numpy(image), 8.0, 3.0)
    other = standardise_locally(torch.from_numpy((gain * image + offset).astype(np.float32)), 8.0, 3.0)
    np.testing.assert_allclose(other.image.numpy(), plain.image.numpy(), atol=2e-3)
    np.testing.assert_allclose(other.contrast.numpy(), plain.contrast.numpy(), atol=2e-3)


@pytest.mark.parametrize("diameter", [3.0, 8.0, 15.5])
@pytest.mark.parametrize("shape", [(60, 64), (51, 83)])
def test_in_a_disc_it_is_what_equations_1_and_2_of_the_paper_say(diameter, shape):
    image = 500 + 20 * noise_field(shape).astype(float)
    rows, columns = np.mgrid[-20:21, -20:21]
    disc = (np.hypot(rows, columns) <= diameter / 2).astype(float)
    mean = convolve(image, disc / disc.sum(), mode="mirror")
    variance = convolve(image**2, disc / disc.sum(), mode="mirror") - mean**2
    ours = standardise_in_disc(torch.from_numpy(image.astype(np.float32)), diameter)
    np.testing.assert_allclose(ours.numpy(), (image - mean) / np.sqrt(variance), atol=2e-3)


@pytest.mark.parametrize("value", [0.0, -1 / 3, 1e6, 1e-9])
def test_a_flat_image_is_zero_in_discs_too(value):
    assert float(standardise_in_disc(torch.full((81, 77), value), 10.0).abs().max()) == 0
