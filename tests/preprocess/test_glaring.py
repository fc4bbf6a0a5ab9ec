"""Glaring dirt is left out, and particles are not, however clear they are and however much dirt there is."""

import numpy as np
import pytest
import torch
from tests.fields import disc, noise_field, paint, particle_field

from cryoglean.preprocess.glaring import without_glaring
from cryoglean.preprocess.working import working_image

DIAMETER = 30.0
SHAPE = (480, 540)
DROPS = [(100.0, 120.0), (400.0, 300.0)]


def working(image):
    return working_image(image.astype(np.float32), DIAMETER)


def with_drops(image, drops=DROPS, diameter=1.5 * DIAMETER):
    return image + 40 * paint(SHAPE, drops, disc, diameter)


def test_drops_are_left_out_and_nothing_far_from_them():
    before = working(with_drops(noise_field(SHAPE)))
    after = without_glaring(before)
    x, y = np.transpose(DROPS)
    assert not after.is_exposed(*after.from_stored(np.transpose([x, y])).T).any()
    assert 0.9 < after.exposed_share < 1
    assert (after.image[~after.exposed] == 0).all()
    torch.testing.assert_close(after.image[after.exposed], before.image[after.exposed])


@pytest.mark.parametrize("noise", [0.3, 1.5])
def test_particles_are_left_where_they_are(noise):
    seen = working(particle_field(noise=noise).image)
    assert without_glaring(seen) is seen


def test_what_is_most_of_a_micrograph_is_no_dirt():
    image = noise_field(SHAPE)
    image[:, 200:] *= 0.1  # a grid bar: the rest is the ice
    seen = working(image)
    assert without_glaring(seen) is seen
