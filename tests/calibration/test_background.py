"""Background without its particles: the spectrum of the noise comes back, and decoys are what noise has for peaks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from tests.fields import disc, paint, scattered

from cryoglean.calibration.background import background_amplitudes, near_places, noise_spectrum
from cryoglean.detect.peaks import find_peaks
from cryoglean.preprocess.fourier import filtered, gaussian_transfer, padded_spectrum
from examples import some

SHAPE = (360, 400)
DIAMETER = 24.0


def coloured(seed, shape=SHAPE):
    white = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    noise = filtered(padded_spectrum(white, 10), gaussian_transfer(2.0))
    return noise / noise.std()


def with_particles(noise, height=3.0, seed=0):
    xy = scattered(np.random.default_rng(seed), SHAPE, 1.2 * DIAMETER, 60, DIAMETER)
    return noise - torch.from_numpy(height * paint(SHAPE, xy, disc, DIAMETER)).float(), xy


@given(
    xy=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 29)), max_size=5),
    radius=st.floats(0, 12),
)
@settings(max_examples=some(30))
def test_places_are_near_within_the_radius(xy, radius):
    places = np.array(xy, float).reshape(-1, 2)
    y, x = np.mgrid[:30, :40]
    apart = np.hypot(x[..., None] - places[:, 0], y[..., None] - places[:, 1]).min(-1, initial=np.inf)
    np.testing.assert_array_equal(near_places((30, 40), places, radius), apart <= radius)


@pytest.mark.numerical
def test_power_is_that_of_the_noise_where_particles_are_left_out():
    noise = coloured(1)
    image, xy = with_particles(noise)
    nothing = torch.zeros(SHAPE, dtype=torch.bool)
    covered = torch.from_numpy(near_places(SHAPE, xy, DIAMETER / 2))
    alone, all_of_it, rest = (
        float(background_amplitudes(i, c).square().sum())
        for i, c in ((noise, nothing), (image, nothing), (image, covered))
    )
    assert all_of_it > 1.3 * alone
    assert rest == pytest.approx(alone, rel=0.1)


def test_where_nothing_is_free_the_whole_image_tells():
    image = coloured(2)
    whole, most = (torch.full(SHAPE, covered) for covered in (False, True))
    torch.testing.assert_close(background_amplitudes(image, most), background_amplitudes(image, whole))


def test_noise_has_the_amplitudes_that_it_is_given_and_each_seed_others_phases():
    amplitudes = background_amplitudes(coloured(3), torch.zeros(SHAPE, dtype=torch.bool))
    one, again, other = (noise_spectrum(amplitudes, SHAPE, seed) for seed in (1, 1, 2))
    torch.testing.assert_close(one.spectrum, again.spectrum)
    torch.testing.assert_close(one.spectrum.abs(), amplitudes, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(one.spectrum, other.spectrum, rtol=0.1)


@pytest.mark.numerical
def test_decoys_of_noise_are_as_high_as_its_peaks():
    image = coloured(4, (900, 900))
    amplitudes = background_amplitudes(image, torch.zeros(image.shape, dtype=torch.bool))
    spectrum = noise_spectrum(amplitudes, (900, 900), 5)
    decoys = find_peaks(filtered(spectrum, lambda k: torch.ones_like(k)), 8.0)
    peaks = find_peaks(image, 8.0)
    assert len(decoys.height) == pytest.approx(len(peaks.height), rel=0.05)
    assert ks_2samp(decoys.height, peaks.height).statistic < 0.04
