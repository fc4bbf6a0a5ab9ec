"""Radial templates: exact discs, true means, and plain correlation."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.signal import correlate as scipy_correlate
from tests.fields import noise_field, paint, ring

from cryoglean.detect.peaks import Peaks
from cryoglean.pickers.localpicker.profiles import correlate, disc_minus_ring, mean_radial_profile, profile_kernel
from cryoglean.preprocess.fourier import filtered, padded_spectrum


def painted_disc(diameter, radius, finer=9):
    """Share of each pixel inside a disc, by counting finer points."""
    side = (2 * radius + 1) * finer
    axis = (np.arange(side) + 0.5) / finer - 0.5 - radius
    inside = np.hypot(axis[:, None], axis) <= diameter / 2
    share = inside.reshape(2 * radius + 1, finer, 2 * radius + 1, finer).mean((1, 3))
    return share / share.sum()


@pytest.mark.parametrize("diameter", [9.0, 14.3, 25.0])
def test_a_disc_minus_ring_is_the_painted_one(diameter):
    image, radius, ratio = gaussian_filter(noise_field((130, 141)), 1.5), 25, 1.5
    disc, both = painted_disc(diameter, radius), painted_disc(ratio * diameter, radius)
    template = disc - (ratio**2 * both - disc) / (ratio**2 - 1)
    ours = filtered(padded_spectrum(torch.from_numpy(image), radius), disc_minus_ring(diameter, ratio)).numpy()
    theirs = scipy_correlate(np.pad(image, radius, mode="reflect"), template, mode="valid")
    np.testing.assert_allclose(ours, theirs, atol=0.08 * theirs.std())


def test_a_disc_minus_ring_does_not_see_a_constant():
    source = padded_spectrum(torch.full((60, 70), 3.0), 20)
    assert float(filtered(source, disc_minus_ring(12.0)).abs().max()) < 1e-5


def test_the_mean_radial_profile_is_the_particles():
    centres = [(40.0, 50.0), (100.0, 60.0), (60.0, 120.0)]
    image = paint((170, 150), centres, ring, 30.0).astype(np.float32)
    x, y = np.array(centres).T
    profile = mean_radial_profile(torch.from_numpy(image), Peaks(x, y, np.ones(3)), 22.0)
    expected = ring(np.arange(23.0), 30.0)
    far_from_steps = [0, 3, 6, 11, 12, 13, 16, 17, 20, 22]
    np.testing.assert_allclose(profile[far_from_steps], expected[far_from_steps], atol=0.06)


def test_windows_that_leave_the_image_are_left_out():
    image = torch.ones(60, 60)
    image[:, :10] = 100
    x, y = np.array([30.0, 2.0]), np.array([30.0, 30.0])
    np.testing.assert_allclose(mean_radial_profile(image, Peaks(x, y, np.ones(2)), 8.0), 1)
    nothing = mean_radial_profile(image, Peaks(x[1:], y[1:], np.ones(1)), 8.0)
    np.testing.assert_array_equal(nothing, np.zeros(9))


@pytest.mark.parametrize(("reach", "step"), [(5.0, 1.0), (7.4, 0.5), (12.0, 0.75)])
def test_a_kernel_has_zero_mean_unit_norm_and_all_symmetries(reach, step):
    kernel = profile_kernel(np.cos(np.arange(40) / 4), reach, step).numpy()
    assert kernel.sum() == pytest.approx(0, abs=1e-5)
    assert np.linalg.norm(kernel) == pytest.approx(1, abs=1e-5)
    for same in (kernel.T, kernel[::-1], kernel[:, ::-1]):
        np.testing.assert_allclose(kernel, same, atol=1e-7)
    r = np.hypot(*np.mgrid[: len(kernel), : len(kernel)] - len(kernel) // 2)
    assert (kernel[r > reach] == 0).all()


@pytest.mark.parametrize("shape", [(60, 70), (61, 73)])
def test_correlation_is_scipys(shape):
    image = noise_field(shape)
    kernel = profile_kernel(np.exp(-np.arange(12) / 3), 9.0)
    ours = correlate(padded_spectrum(torch.from_numpy(image), 9), kernel).numpy()
    theirs = scipy_correlate(np.pad(image, 9, mode="reflect"), kernel.numpy(), mode="valid")
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
