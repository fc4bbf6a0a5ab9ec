"""What the masked autoencoder looks at: scale, places, and what the chains promise."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.ndimage import center_of_mass
from tests.fields import disc, noise_field, paint, particle_field
from torch.nn import functional

from cryoglean.preprocess.mae_chain import MaePreprocess, mae_image
from examples import with_slow

CHAINS = ["paper", "default", "none"]
SHAPE = (400, 560)


def prepared(image, diameter=40.0, chain="default", **changes):
    return mae_image(image, diameter, MaePreprocess(chain=chain, **changes))


@pytest.mark.parametrize("chain", CHAINS)
def test_a_particle_is_where_coordinates_say(chain):
    x, y = 401.0, 123.0
    image = 20 * paint(SHAPE, [(x, y)], disc, 40.0) + noise_field(SHAPE)
    found = prepared(image.astype(np.float32), chain=chain)
    level = -found.image.numpy() if chain == "paper" else found.image.numpy()
    column, row = np.rint(found.from_stored(np.array([[x, y]]))[0]).astype(int)
    reach = int(20 * found.scale_y)
    part = level[row - reach : row + reach + 1, column - reach : column + reach + 1]
    down, across = center_of_mass(part >= np.quantile(part, 0.6))
    assert part.mean() > np.median(level)
    assert abs(down - reach) < 1.5
    assert abs(across - reach) < 2.0


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("shape", [SHAPE, (301, 203)])
def test_coordinates_come_back(chain, shape):
    xy = np.array([[0.0, 0.0], [17.25, 190.5], [202.0, 300.0]])
    found = prepared(np.pad(noise_field(shape), ((30, 0), (20, 7))), chain=chain)
    np.testing.assert_allclose(found.to_stored(found.from_stored(xy)), xy, atol=1e-9)


@pytest.mark.parametrize("chain", ["default", "none"])
@pytest.mark.parametrize("diameter", with_slow(9.0, 75.0, slow=[33.3, 130.0]))
def test_every_particle_is_equally_many_pixels_across_and_round(chain, diameter):
    found = prepared(noise_field(SHAPE), diameter, chain, diameter_px=16)
    assert found.scale_x == found.scale_y == pytest.approx(16 / diameter)
    expected = np.array(SHAPE) * 16 / diameter
    assert np.abs(np.array(found.image.shape) - expected).max() <= 2 * max(1, 16 / diameter)


def test_half_the_pixels_show_the_same():
    image = particle_field((480, 560), 40.0, noise=0.5).image
    half = image.reshape(240, 2, 280, 2).mean((1, 3))
    for chain in ("default", "none"):
        fine, coarse = (prepared(i, d, chain).image.flatten() for i, d in ((image, 40.0), (half, 20.0)))
        assert np.corrcoef(fine, coarse)[0, 1] > 0.95


def test_the_published_image_is_a_square_of_whole_grey_values():
    found = prepared(noise_field(SHAPE), chain="paper")
    assert found.image.shape == (1024, 1024)
    assert torch.equal(found.image, found.image.round())
    assert (float(found.image.min()), float(found.image.max())) == (0, 255)
    assert (found.scale_x, found.scale_y) == (1024 / 560, 1024 / 400)


@pytest.mark.parametrize("chain", ["default", "none"])
def test_borders_are_left_out(chain):
    padded = np.pad(noise_field(SHAPE), ((40, 10), (25, 0)))
    found = prepared(padded, chain=chain)
    assert (found.left, found.top) == (25, 40)
    torch.testing.assert_close(found.image, prepared(noise_field(SHAPE), chain=chain).image)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(("gain", "offset"), [(1e-3, 0.0), (40.0, 3e4)])
def test_scale_and_offset_of_the_grey_values_cancel(chain, gain, offset):
    image = particle_field(SHAPE).image
    plain, other = (prepared(i, chain=chain).image for i in (image, (gain * image + offset).astype(np.float32)))
    spread = float(plain.std())
    assert float((other - plain).abs().mean()) < 0.02 * spread


@pytest.mark.parametrize("chain", CHAINS)
def test_a_flat_image_is_flat(chain):
    assert np.ptp(prepared(np.full(SHAPE, 3.7, np.float32), chain=chain).image.numpy()) == 0


def test_filters_lift_particles_out_of_noise():
    field = particle_field((480, 540), 40.0, noise=3.0, n=30, distance=1.5)
    truth = torch.from_numpy(-paint(field.image.shape, field.xy, disc, 40.0))
    expected = functional.interpolate(truth[None, None], scale_factor=24 / 40, mode="bilinear", antialias=True)

    def likeness(chain):
        return np.corrcoef(prepared(field.image, chain=chain).image.flatten(), expected.flatten())[0, 1]

    assert likeness("default") > likeness("none") + 0.05


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("shape", [(16, 16), (16, 401), (31, 17)])
def test_small_micrographs_are_no_exception(chain, shape):
    assert torch.isfinite(prepared(noise_field(shape), 9.0, chain).image).all()


@pytest.mark.parametrize("changes", [{"chain": "other"}, {"diameter_px": 0}, {"epsilon": 0}, {"clip": 0.5}, {"a": 1}])
def test_wrong_settings_are_refused(changes):
    with pytest.raises(ValidationError):
        MaePreprocess(**changes)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_it_is_the_same_on_a_gpu(chain):
    image, how = particle_field(SHAPE).image, MaePreprocess(chain=chain)
    here, there = mae_image(image, 40.0, how).image, mae_image(image, 40.0, how, torch.device("cuda")).image
    assert there.is_cuda
    assert float((there.cpu() - here).abs().mean()) < 0.01 * float(here.std())
