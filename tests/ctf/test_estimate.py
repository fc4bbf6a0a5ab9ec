"""Estimation: known CTFs come back, turned images turn the angle, and where there is nothing nothing is found."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cryoglean.ctf.estimate import estimate_ctf, ring_profile
from cryoglean.ctf.model import Ctf, Microscope
from cryoglean.ctf.spectrum import power_spectrum, rings_of
from examples import with_slow
from synthetic_ctf import micrograph

CASES = with_slow(
    # u, v, angle, pixel size, signal to noise, B factor
    (15000, 15000, 0, 1.5, 0.2, 60),
    (30500, 29500, 80, 1.5, 0.1, 100),
    (20500, 20000, -30, 0.65, 0.2, 40),
    (18000, 17000, 45, 3.0, 0.2, 60),
    slow=[(15600, 14400, 25, 1.5, 0.1, 60), (8000, 7500, -60, 1.5, 0.2, 60)],
)


def estimate(image, pixel=1.5, microscope=Microscope(), **more):  # noqa: B008 (frozen)
    return estimate_ctf(torch.from_numpy(image), pixel, microscope, **more)


def apart(one, other):
    """Angle between two directions, in degrees."""
    return abs((one - other + 90) % 180 - 90)


@pytest.mark.parametrize(("u", "v", "angle", "pixel", "snr", "b_factor"), CASES)
def test_a_known_ctf_comes_back(u, v, angle, pixel, snr, b_factor):
    found = estimate(micrograph(u, v, angle, pixel, snr=snr, b_factor=b_factor), pixel)
    assert found.doubt is None
    assert found.fit.ctf.defocus_u_angstrom == pytest.approx(u, rel=0.01)
    assert found.fit.ctf.defocus_v_angstrom == pytest.approx(v, rel=0.01)
    if u - v > 300:
        assert apart(found.fit.ctf.defocus_angle_degrees, angle) < 5
    assert found.profile.fit_resolution_angstrom < max(6, 2.2 * pixel)


def test_another_microscope():
    microscope = Microscope(200, 1.4, 0.07)
    image = micrograph(12000, 11400, 15, 1.2, voltage=200, cs=1.4, amplitude=0.07)
    found = estimate(image, 1.2, microscope)
    assert found.fit.ctf.defocus_u_angstrom == pytest.approx(12000, rel=0.01)
    assert apart(found.fit.ctf.defocus_angle_degrees, 15) < 5


@pytest.mark.slow
def test_a_turned_image_turns_the_angle_and_nothing_else():
    image = micrograph(16000, 14800, 25)
    upright, turned, mirrored = (
        estimate(np.ascontiguousarray(i)).fit.ctf for i in (image, np.rot90(image), image[::-1])
    )
    for other, angle in ((turned, upright.defocus_angle_degrees + 90), (mirrored, -upright.defocus_angle_degrees)):
        assert other.defocus_u_angstrom == pytest.approx(upright.defocus_u_angstrom, abs=30)
        assert apart(other.defocus_angle_degrees, angle) < 1


def test_grey_scale_and_sign_do_not_matter():
    image = micrograph(15600, 14400, 25)
    one, other = estimate(image).fit.ctf, estimate(-700 * image + 20000).fit.ctf
    assert other.defocus_angstrom == pytest.approx(one.defocus_angstrom, abs=5)


def test_a_weaker_envelope_lets_the_fit_reach_farther():
    near, far = (estimate(micrograph(15000, 14500, 0, b_factor=b, snr=0.05)).profile for b in (400, 40))
    assert far.fit_resolution_angstrom < near.fit_resolution_angstrom - 1


def test_a_wrong_ctf_agrees_with_nothing():
    rings = rings_of(power_spectrum(torch.from_numpy(micrograph(15000, 15000, 0)), 1.5))
    right, wrong = (ring_profile(rings, Ctf(d, d, 0)) for d in (15000, 12000))
    assert right.rings > 10
    assert wrong.rings < 4


@pytest.mark.parametrize("seed", with_slow(0, slow=[1, 2]))
def test_in_noise_no_rings_are_found(seed):
    found = estimate(np.random.default_rng(seed).standard_normal((900, 1000)).astype(np.float32))
    assert "no Thon rings found" in found.doubt


@pytest.mark.parametrize(
    ("sigma_px", "floor"), with_slow((1.0, 1e-4), (2.5, 1e-2), (4.0, 1e-3), slow=[(1.7, 1e-3), (2.5, 1e-4)])
)
def test_in_a_denoised_image_no_rings_are_found(sigma_px, floor):
    random = np.random.default_rng(0)
    image = gaussian_filter(random.standard_normal((900, 1000)), sigma_px) + floor * random.standard_normal((900, 1000))
    assert "no Thon rings found" in estimate(image.astype(np.float32)).doubt


def test_a_defocus_out_of_range_is_not_invented():
    found = estimate(micrograph(15000, 15000, 0), defocus_range_angstrom=(20000, 40000))
    assert found.doubt is not None


def test_an_image_too_small_is_named():
    with pytest.raises(ValueError, match="too small"):
        estimate(micrograph(15000, 15000, 0, shape=(100, 300)))


def test_fine_pixels_are_sampled_down_and_coarse_ones_are_not():
    image = torch.from_numpy(np.random.default_rng(0).standard_normal((1500, 1600)).astype(np.float32))
    fine, coarse = power_spectrum(image, 0.7), power_spectrum(image, 2.0)
    assert fine.power.shape == coarse.power.shape == (512, 257)
    assert fine.pixel_size_angstrom == pytest.approx(1.4, rel=0.01)
    assert coarse.pixel_size_angstrom == 2.0


def test_the_power_of_a_wave_is_where_its_frequency_is():
    y, x = np.mgrid[:600, :700]
    wave = np.cos(2 * np.pi * (x * 40 / 512 - y * 90 / 512)).astype(np.float32)
    power = power_spectrum(torch.from_numpy(wave), 1.5).power
    assert np.unravel_index(int(power.argmax()), power.shape) == (512 - 90, 40)
