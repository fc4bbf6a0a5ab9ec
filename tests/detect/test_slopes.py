"""Steepness is that of noise in noise, turns with the image, and tells an edge from what stands out on all sides."""

import numpy as np
import pytest
import torch
from tests.fields import disc, noise_field, off_a_slanting_line, particle_field, ring

from cryoglean.detect.peaks import distance_to_nearest
from cryoglean.detect.responses import FilteredMicrograph, exposed_peaks, standardised_response
from cryoglean.detect.surrogates import NOISE_HEIGHT
from cryoglean.pickers.localpicker.template_search import Template
from cryoglean.preprocess.working import working_image

pytestmark = pytest.mark.numerical

DIAMETER = 30.0


def field_of(image):
    return FilteredMicrograph.of(working_image(np.asarray(image, np.float32), DIAMETER))


def peaks_of(field):
    return exposed_peaks(field, standardised_response(field, Template(0.8)), 0.5)


def test_noise_has_no_slope():
    field = field_of(noise_field())
    assert float(field.steepness.max()) < NOISE_HEIGHT
    assert not field.on_slope(peaks_of(field)).any()


@pytest.mark.parametrize("profile", [disc, ring])
def test_particles_are_not_on_slopes(profile):
    painted = particle_field(profile=profile, noise=0.5)
    field = field_of(painted.image)
    peaks = peaks_of(field)
    found = field.working.from_stored(painted.xy)
    is_one = distance_to_nearest(peaks.xy, found) < field.working.diameter_px / 4
    assert is_one.sum() > 50
    assert not field.on_slope(peaks)[is_one].any()


def test_what_is_found_on_an_edge_is_on_a_slope():
    image = noise_field()
    off_edge, distance = off_a_slanting_line(image.shape)
    field = field_of(image - 4 * np.clip(0.5 + off_edge / 6, 0, 1))
    peaks = peaks_of(field)
    near = distance(peaks.xy) < DIAMETER / 2
    high = peaks.height > NOISE_HEIGHT
    assert (near & high).sum() > 5
    assert field.on_slope(peaks)[near & high].mean() > 0.8


def test_steepness_turns_with_the_image():
    image = particle_field(shape=(360, 360)).image
    one, turned = (field_of(np.rot90(image, turns).copy()).steepness for turns in (0, 1))
    torch.testing.assert_close(torch.rot90(one), turned, rtol=1e-3, atol=2e-2)


def test_steepness_has_no_unit_of_grey():
    image = particle_field().image
    torch.testing.assert_close(field_of(image).steepness, field_of(7 * image + 100).steepness, rtol=1e-3, atol=1e-3)
