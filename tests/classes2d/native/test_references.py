"""The maximisation step, and what it says of an average's resolution."""

import math

import pytest
import torch

from cryoglean.classes2d.native.polar import PolarGrid
from cryoglean.classes2d.native.references import Sums, maximise, residual_noise
from cryoglean.classes2d.native.results import resolutions
from cryoglean.classes2d.native.schedule import Geometry
from cryoglean.classes2d.settings import ClassifySettings

POLAR = PolarGrid(32, 12, 11.0, 3.0, torch.device("cpu"))
NOISE = torch.full((POLAR.rings,), 2.0)
GEOMETRY = Geometry.of(64, 2.0, ClassifySettings(diameter_angstrom=80))


def sums_of(signal, images, seed=0):
    """Return the sums over noisy images of one class, half of them in each half set; CTF 1.

    Args:
        signal: (rings, harmonics).
        images: how many.
        seed: of the noise.
    """
    random, sums = torch.Generator().manual_seed(seed), Sums.empty(1, POLAR)
    # Harmonics above 0 stand for two, so a ring's variance is shared by twice as many as there are.
    each = math.sqrt(float(NOISE[0]) / float(POLAR.twice.sum()))
    for half in (0, 1):
        drawn = torch.randn(images // 2, *signal.shape, 2, generator=random) * (each / math.sqrt(2))
        sums.numerator[half, 0] = (signal + torch.view_as_complex(drawn)).sum(0)
    sums.denominator[:], sums.mass[:] = images // 2, images // 2
    return sums


def wave(height):
    """Return the harmonics of a signal of the same power on all rings."""
    harmonics = torch.zeros(POLAR.rings, POLAR.harmonics_count, dtype=torch.complex64)
    harmonics[:, 2] = height / math.sqrt(2)
    return harmonics


@pytest.mark.numerical
@pytest.mark.parametrize("images", [40, 200, 1000])
def test_what_noise_leaves_in_an_average_is_no_signal(images):
    found = [maximise(POLAR, sums_of(wave(0.0), images, seed), NOISE, 2.0) for seed in range(20)]
    assert torch.stack([each.signal_to_noise for each in found]).mean() < 0.2
    assert torch.stack([each.filtered.abs().square().sum() for each in found]).mean() < 1 / images


@pytest.mark.numerical
@pytest.mark.parametrize("images", [40, 200, 1000])
@pytest.mark.parametrize("height", [0.5, 1.0])
def test_signal_to_noise_is_the_signal_over_what_the_noise_of_so_many_images_leaves(images, height):
    found = maximise(POLAR, sums_of(wave(height), images), NOISE, 2.0).signal_to_noise
    assert float(found.mean()) == pytest.approx(height**2 * images / float(NOISE[0]), rel=0.15, abs=0.3)


def test_regularisation_trusts_the_signal_more():
    sums = sums_of(wave(0.2), 40)
    power = [float(maximise(POLAR, sums, NOISE, t).filtered.abs().square().sum()) for t in (0.5, 1.0, 2.0, 8.0)]
    assert power == sorted(power)
    assert power[-1] > 1.5 * power[0]


@pytest.mark.numerical
def test_an_average_is_of_both_halves_and_how_they_agree_of_each():
    """Halves that show the opposite cancel, and their correlation says so."""
    sums = sums_of(wave(1.0), 400)
    sums.numerator[1] *= -1
    found = maximise(POLAR, sums, NOISE, 2.0)
    assert (found.ring_correlation < -0.9).all()
    assert float(found.signal_to_noise.mean()) < 3


@pytest.mark.numerical
def test_noise_is_what_averages_do_not_explain():
    signal, images = wave(1.0), 1000
    sums = sums_of(signal, images)
    averages = maximise(POLAR, sums, NOISE, 2.0)
    sums.power, sums.count = (NOISE + 1.0) * images, images
    found = residual_noise(POLAR, sums, averages)
    torch.testing.assert_close(found, NOISE, rtol=0.03, atol=0)


def ratio(*rings):
    """Return signal-to-noise ratios of 2 on so many rings from the first, and of a half beyond."""
    return torch.where(torch.arange(1, 29) <= torch.tensor(rings)[:, None], 2.0, 0.5)


def test_the_resolution_is_the_last_ring_before_the_noise_is_stronger():
    first = GEOMETRY.first_rings
    found = resolutions(ratio(first + 1, 12, 28), GEOMETRY, 2.0)
    torch.testing.assert_close(found, 128.0 / torch.tensor([first + 1.0, 12, 28]))


def test_a_ring_beyond_a_gap_does_not_count():
    gap = ratio(28)
    gap[0, 11] = 0.9
    assert float(resolutions(gap, GEOMETRY, 2.0)) == pytest.approx(128.0 / 11)


def test_what_stands_out_no_further_than_aligned_noise_has_no_resolution():
    assert torch.isinf(resolutions(ratio(0, 1, GEOMETRY.first_rings), GEOMETRY, 2.0)).all()
