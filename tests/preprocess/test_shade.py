"""A shade that outweighs all noise is taken away before noise is looked at, and ordinary micrographs are left alone."""

import numpy as np
import pytest
import torch
from tests.fields import noise_field, particle_field

from cryoglean.preprocess.shade import is_overwhelmed, without_shade
from cryoglean.preprocess.working import exposed_image, standardised_image, working_image

DIAMETER = 40.0
SHAPE = (480, 530)
ROWS, COLUMNS = np.indices(SHAPE)
SHADES = {
    "ramp": 0.37 * ROWS + 1.1 * COLUMNS,
    "steep ramp": 10 * COLUMNS - 9.0 * ROWS,
    "two constants": np.where(COLUMNS < 260, 0.0, 6.0),
    "bowl": ((ROWS - 200) ** 2 + (COLUMNS - 300) ** 2) / 300,
}


def prepared(image):
    return working_image(image.astype(np.float32), DIAMETER)


@pytest.mark.parametrize("name", SHADES)
def test_noise_beside_a_shade_is_noise_and_nothing_else(name):
    working = prepared(1000 + SHADES[name] + 0.1 * noise_field(SHAPE))
    assert not is_overwhelmed(working.image, working.diameter_px, working.exposed)


@pytest.mark.parametrize("name", ["ramp", "steep ramp"])
def test_particles_beside_a_shade_look_as_without_it(name):
    field = particle_field(SHAPE, diameter=DIAMETER, seed=1).image
    inner = np.s_[40:-40, 40:-40]
    alone, beside = (prepared(image).image.numpy()[inner] for image in (field, field + 30 * SHADES[name]))
    assert np.corrcoef(alone.ravel(), beside.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("slope", [0, 1e-3, 0.02])
def test_a_micrograph_with_a_faint_shade_is_as_it_was(slope):
    field = (particle_field(SHAPE, diameter=DIAMETER, seed=1).image + slope * COLUMNS).astype(np.float32)
    exposed = exposed_image(field, DIAMETER)
    twice = [standardised_image(exposed, DIAMETER).image for _ in range(2)]
    assert torch.equal(*twice)
    assert not is_overwhelmed(twice[0], DIAMETER / exposed.bin_factor)


def test_a_pattern_that_stays_shows_nothing():
    image = (-1.0) ** (ROWS + COLUMNS) + 0.01 * noise_field(SHAPE)
    assert not prepared(image).image.any()


@pytest.mark.parametrize("shape", [(3, 4), (1, 50), (61, 47)])
def test_small_images_of_any_shape_lose_a_ramp(shape):
    rows, columns = torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij")
    assert without_shade(rows + 3 * columns, DIAMETER).shape == shape
    assert isinstance(is_overwhelmed(rows, DIAMETER), bool)
