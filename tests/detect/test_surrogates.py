"""Surrogates keep the spectrum and lose the particles; peaks of particles lie above theirs, those of noise do not."""

import numpy as np
import pytest
import torch
from tests.fields import noise_field

from cryoglean.detect.responses import FilteredMicrograph, standardised_response
from cryoglean.detect.surrogates import peak_deviations, phase_randomised
from cryoglean.pickers.localpicker.template_search import Template
from cryoglean.preprocess.working import working_image
from examples import with_slow
from perturbations import jittered
from shells import ShellField

pytestmark = pytest.mark.numerical

DIAMETER = 112.5


def response(image, pixel_size=3.0):
    working = working_image(jittered(np.asarray(image, np.float32)), DIAMETER / pixel_size)
    found = standardised_response(FilteredMicrograph.of(working), Template(1.1, None))
    return found, working.diameter_px


def field(signal_to_noise, seed=0):
    size = {"height_px": 600, "width_px": 620, "particles": 150, "diameter_angstrom": DIAMETER}
    return ShellField(**size, pixel_size_angstrom=3.0, signal_to_noise=signal_to_noise, seed=seed).render()[0].image


def test_a_surrogate_has_the_spectrum_and_other_phases():
    real, _ = response(field(0.05))
    one, other = (phase_randomised(real, seed) for seed in (0, 1))
    power = [torch.fft.rfft2(each)[1:, 1:].abs() for each in (real, one, other)]
    scale = float(power[1].norm() / power[0].norm())
    torch.testing.assert_close(power[1], scale * power[0], rtol=1e-2, atol=1e-2 * float(power[1].mean()))
    correlation = float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])
    assert abs(correlation) < 0.2
    assert abs(float(one.median())) < 1e-3


@pytest.mark.parametrize("seed", with_slow(0, slow=[1, 2]))
def test_peaks_of_noise_are_those_of_noise(seed):
    found, diameter = response(noise_field((600, 620), seed))
    assert abs(peak_deviations(found, diameter / 2)) < 4


@pytest.mark.parametrize("seed", with_slow(0, slow=[1, 2]))
def test_peaks_of_particles_lie_above_and_the_more_the_clearer_they_are(seed):
    deviations = []
    for signal_to_noise in (0.02, 0.1):
        found, diameter = response(field(signal_to_noise, seed))
        deviations.append(peak_deviations(found, diameter / 2))
    assert 5 < deviations[0] < deviations[1]


def test_a_flat_response_says_nothing():
    assert peak_deviations(torch.zeros(64, 64), 5.0) == 0.0


def test_a_single_drop_of_ice_does_not_pass_for_particles():
    image = noise_field((600, 620), 5)
    rows, columns = np.mgrid[:600, :620]
    image = image - 30 * np.exp(-((rows - 300) ** 2 + (columns - 310) ** 2) / (2 * 12**2))
    found, diameter = response(image)
    assert peak_deviations(found, diameter / 2) < 4
