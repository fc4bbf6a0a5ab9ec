"""Filtering by transfer functions: the same as filtering in real space, at every size."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter
from scipy.signal import correlate2d
from tests.fields import noise_field

from cryoglean.preprocess.fourier import (
    filtered,
    gaussian_transfer,
    kernel_transfer,
    padded_spectrum,
    radial_frequency,
    resampled,
)

SIZES = [(64, 64), (63, 101), (120, 37), (97, 98)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("sigma", [1.5, 2.5, 6.0])
def test_a_gaussian_is_scipys(shape, sigma):
    image = noise_field(shape)
    ours = filtered(padded_spectrum(torch.from_numpy(image), 5 * sigma), gaussian_transfer(sigma))
    theirs = gaussian_filter(image.astype(float), sigma, mode="mirror", truncate=6)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-4)


@pytest.mark.parametrize("shape", [*SIZES, (1, 1), (2, 9), (16, 500)])
@pytest.mark.parametrize("margin", [0, 3.7, 1000])
def test_passing_everything_changes_nothing(shape, margin):
    image = torch.from_numpy(noise_field(shape))
    same = filtered(padded_spectrum(image, margin), torch.ones_like)
    np.testing.assert_allclose(same.numpy(), image.numpy(), atol=1e-5)
    assert same.shape == image.shape


def test_nothing_wraps_round():
    image = torch.zeros(80, 90)
    image[:, :3] = 1
    smooth = filtered(padded_spectrum(image, 30), gaussian_transfer(6))
    assert float(smooth[:, -3:].abs().max()) < 1e-5
    assert float(smooth[:, :3].min()) > 0.3


@pytest.mark.parametrize("shape", SIZES)
def test_the_padded_size_is_told(shape):
    source = padded_spectrum(torch.zeros(shape), 20)
    height, width = source.padded_shape
    assert source.spectrum.shape == (height, width // 2 + 1)
    assert height >= shape[0] + 2 * min(21, shape[0] - 1)
    assert source.shape == shape


@pytest.mark.parametrize("shape", SIZES)
def test_frequencies_are_numpys(shape):
    expected = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    np.testing.assert_allclose(radial_frequency(shape, torch.device("cpu")).numpy(), expected, atol=1e-7)


def test_values_on_the_grid_do_as_a_function_of_frequency():
    image = torch.from_numpy(noise_field((50, 61)))
    source = padded_spectrum(image, 10)
    on_grid = gaussian_transfer(2)(radial_frequency(source.padded_shape, torch.device("cpu")))
    torch.testing.assert_close(filtered(source, on_grid), filtered(source, gaussian_transfer(2)))


def test_a_kernels_spectrum_is_a_convolution():
    image, kernel = noise_field((40, 45)), np.zeros((40, 45))
    kernel[:3, :3] = [[1, 2, 3], [4, 5, 6], [7, 8, 10]]
    source = padded_spectrum(torch.from_numpy(image), 4)
    canvas = torch.zeros(source.padded_shape)
    canvas[:3, :3] = torch.from_numpy(kernel[:3, :3])
    ours = filtered(source, torch.fft.rfft2(canvas).conj()).numpy()[:-2, :-2]
    np.testing.assert_allclose(ours, correlate2d(image, kernel[:3, :3], mode="valid"), atol=1e-3)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("side", [1, 3, 9])
def test_a_kernel_about_its_middle_is_scipys_convolution(shape, side):
    image, kernel = noise_field(shape), noise_field((side, side), 1)
    source = padded_spectrum(torch.from_numpy(image), side)
    ours = filtered(source, kernel_transfer(source, torch.from_numpy(kernel)))
    np.testing.assert_allclose(ours.numpy(), convolve(image.astype(float), kernel, mode="mirror"), atol=1e-4)


@pytest.mark.parametrize(("shape", "other"), [((40, 60), (24, 36)), ((41, 61), (20, 31)), ((40, 45), (40, 45))])
def test_a_coarse_image_is_the_fine_one_at_every_so_many_pixels(shape, other):
    def wave(size):
        y, x = (torch.arange(n, dtype=torch.float64) / n for n in size)
        return torch.cos(2 * torch.pi * (3 * y[:, None] + 5 * x)) + 0.5 * torch.sin(2 * torch.pi * 2 * y)[:, None] + 0.1

    for one, two in ((shape, other), (other, shape)):
        found = torch.fft.irfft2(resampled(torch.fft.rfft2(wave(one)), one, two), s=two)
        torch.testing.assert_close(found, wave(two), atol=1e-12, rtol=0)
