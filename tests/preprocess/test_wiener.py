"""The Wiener filter: the formula in Fourier space, and its two limits."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from tests.fields import noise_field

from cryoglean.preprocess.wiener import gaussian_kernel, wiener_filter

SIZES = [(64, 70), (51, 83)]


def mirrored(image):
    """One period of the image and its mirror image, in both directions."""
    return np.pad(image, [(0, n - 2) for n in image.shape], mode="reflect")


def reference(image, kernel, noise_to_signal):
    period = mirrored(image)
    canvas = np.zeros(period.shape)
    canvas[: len(kernel), : len(kernel)] = kernel
    spread = np.fft.fft2(np.roll(canvas, -(len(kernel) // 2), (0, 1)))
    transfer = np.conj(spread) / (np.abs(spread) ** 2 + noise_to_signal)
    whole = np.fft.ifft2(np.fft.fft2(period) * transfer).real * (1 + noise_to_signal)
    return whole[: image.shape[0], : image.shape[1]]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("noise_to_signal", [1.0, 30.0])
def test_it_is_the_formula(shape, noise_to_signal):
    image, kernel = noise_field(shape), gaussian_kernel(3.0, 9)
    ours = wiener_filter(torch.from_numpy(image), kernel, noise_to_signal)
    np.testing.assert_allclose(ours.numpy(), reference(image, kernel.numpy(), noise_to_signal), atol=0.01)


@pytest.mark.parametrize("shape", SIZES)
def test_in_much_noise_it_is_the_blur(shape):
    image, kernel = noise_field(shape), gaussian_kernel(3.0, 9)
    blurred = convolve(image.astype(float), kernel.numpy(), mode="mirror")
    np.testing.assert_allclose(wiener_filter(torch.from_numpy(image), kernel, 1e5).numpy(), blurred, atol=1e-4)


def test_without_noise_it_undoes_the_blur():
    image, kernel = noise_field((64, 70)), gaussian_kernel(0.7, 5)
    blurred = torch.from_numpy(convolve(image, kernel.numpy(), mode="mirror"))
    inside = (slice(12, -12), slice(12, -12))
    np.testing.assert_allclose(wiener_filter(blurred, kernel, 1e-6).numpy()[inside], image[inside], atol=0.01)


@pytest.mark.parametrize("noise_to_signal", [0.0, 1.0, 30.0])
def test_levels_are_kept(noise_to_signal):
    even = torch.full((40, 31), 7.0)
    torch.testing.assert_close(wiener_filter(even, gaussian_kernel(3.0, 9), noise_to_signal), even)


@pytest.mark.parametrize(("sigma", "side"), [(3.0, 9), (0.5, 1), (1.0, 21)])
def test_the_kernel_has_unit_sum_and_its_middle_in_the_middle(sigma, side):
    kernel = gaussian_kernel(sigma, side)
    assert float(kernel.sum()) == pytest.approx(1)
    assert float(kernel.max()) == float(kernel[side // 2, side // 2])
    torch.testing.assert_close(kernel, kernel.flip(0, 1))
