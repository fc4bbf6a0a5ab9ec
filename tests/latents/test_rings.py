"""Means over rings and the response to a template of rings: two roads to one number, and centres below a patch."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.ndimage import gaussian_filter

from cryoglean.detect.peaks import find_peaks
from cryoglean.latents.rings import FINER, RADII, ring_means, ring_response

pytestmark = pytest.mark.numerical

STEP = RADII[1] - RADII[0]


def smooth_latents(shape=(40, 50), c=3, seed=0, sigma=2.0):
    noise = np.random.default_rng(seed).standard_normal((*shape, c))
    return torch.from_numpy(gaussian_filter(noise, (sigma, sigma, 0))).float()


def places(n=60, shape=(40, 50), seed=1, margin=0.0):
    rng = np.random.default_rng(seed)
    high = np.array(shape)[::-1, None] - 1 - margin
    x, y = torch.from_numpy(rng.uniform(margin, high, (2, n))).float()
    return x, y


def integral(profile, radius):
    """Mean of a radial profile over a ring in the plane, in diameters, by quadrature."""

    def weight(r):
        return max(0.0, 1 - abs(r - radius) / STEP) * r

    reach = max(0.0, radius - STEP), radius + STEP
    total = [quad(f, *reach, points=[radius])[0] for f in (lambda r: weight(r) * profile(r), weight)]
    return total[0] / total[1]


@pytest.mark.parametrize("diameter", [2.5, 6.0, 13.7])
def test_constant_latents_have_constant_means_everywhere(diameter):
    value = torch.tensor([1.5, -2.0])
    x, y = places(shape=(12, 9))
    found = ring_means(value.expand(12, 9, 2), x, y, diameter)
    assert found.shape == (len(x), len(RADII), 2)
    torch.testing.assert_close(found, value.expand(found.shape))


@pytest.mark.parametrize("profile", [lambda r: r, lambda r: math.cos(3 * r), lambda r: math.exp(-8 * r * r)])
@pytest.mark.parametrize(("x", "y"), [(60.0, 55.0), (58.3, 61.8)])
def test_of_a_radial_function_the_means_are_its_integrals_over_rings(profile, x, y):
    diameter = 50.0
    rows, columns = np.mgrid[:120, :124]
    off = np.hypot(rows - y, columns - x) / diameter
    latents = torch.from_numpy(np.vectorize(profile)(off))[:, :, None]
    found = ring_means(latents, torch.tensor([x]), torch.tensor([y]), diameter)[0, :, 0]
    np.testing.assert_allclose(found, [integral(profile, radius) for radius in RADII], atol=2e-3)


@pytest.mark.parametrize("diameter", [4.0, 6.0, 9.3])
def test_a_quarter_turn_changes_nothing(diameter):
    latents = smooth_latents()
    x, y = places()
    turned = ring_means(torch.rot90(latents, 1, (0, 1)), y, latents.shape[1] - 1 - x, diameter)
    torch.testing.assert_close(turned, ring_means(latents, x, y, diameter), atol=1e-5, rtol=0)


def test_edges_go_on_as_at_the_edge():
    latents, reach = smooth_latents(), 8
    wide = np.pad(latents.numpy(), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    x, y = places()
    inside = ring_means(torch.from_numpy(wide), x + reach, y + reach, 6.0)
    torch.testing.assert_close(ring_means(latents, x, y, 6.0), inside, atol=1e-5, rtol=0)


def test_many_places_are_as_each_alone_and_none_are_none():
    latents = smooth_latents(c=1)
    x, y = places(1100)
    together = ring_means(latents, x, y, 6.0)
    for k in (0, 511, 512, 1099):
        torch.testing.assert_close(ring_means(latents, x[k : k + 1], y[k : k + 1], 6.0)[0], together[k])
    assert ring_means(latents, x[:0], y[:0], 6.0).shape == (0, len(RADII), 1)


@pytest.mark.parametrize("diameter", [6.0, 11.0])
def test_the_response_is_the_template_times_the_means_over_rings(diameter):
    latents, template = smooth_latents(), torch.randn(len(RADII), 3, generator=torch.Generator().manual_seed(0))
    response = ring_response(latents, template, diameter)
    height, width, _ = latents.shape
    assert response.shape == (FINER * height, FINER * width)
    y, x = (v.flatten().float() for v in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    direct = (ring_means(latents, x, y, diameter) * template).sum(dim=(1, 2)).view(height, width)
    around = response.view(height, FINER, width, FINER).mean(dim=(1, 3))
    middle = slice(3, -3)
    error = (around - direct)[middle, middle]
    assert error.square().mean().sqrt() < 0.05 * direct.std()


def test_a_response_to_latents_that_do_not_change_does_not_change():
    template = torch.randn(len(RADII), 2, generator=torch.Generator().manual_seed(0))
    value = torch.tensor([0.7, -1.2])
    response = ring_response(value.expand(9, 12, 2), template, 5.0)
    torch.testing.assert_close(response, (template @ value).sum().expand(response.shape), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("x", "y"), [(20.0, 20.0), (20.5, 19.5), (18.25, 21.6), (22.9, 17.3)])
@pytest.mark.parametrize("diameter", [5.0, 6.0, 9.0])
def test_the_peak_of_the_response_lies_at_a_blobs_place_between_patches(x, y, diameter):
    fine = 8
    rows, columns = ((np.mgrid[: 40 * fine, : 42 * fine] + 0.5) / fine) - 0.5
    blob = np.hypot(rows - y, columns - x) < 0.4 * diameter
    latents = torch.from_numpy(blob.reshape(40, fine, 42, fine).mean((1, 3))).float()[:, :, None]
    template = torch.tensor([1.0, 1.0, 0.0, -2.0])[:, None]
    peaks = find_peaks(ring_response(latents, template, diameter), FINER * diameter)
    found = [(v[0] + 0.5) / FINER - 0.5 for v in (peaks.x, peaks.y)]
    assert math.dist(found, (x, y)) < 0.1 * diameter
