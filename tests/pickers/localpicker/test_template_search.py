"""The template search: the right size, the right shape, whatever the pixels."""

import numpy as np
import pytest
import torch
from tests.fields import disc, noise_field, particle_field, ring

from cryoglean.detect.responses import FilteredMicrograph, field_peaks, standardised_response
from cryoglean.pickers.localpicker.template_search import (
    DISC_DIAMETERS,
    Template,
    search_template,
)
from cryoglean.preprocess.working import working_image

DIAMETER = 30.0


def field_of(profile=disc, seed=0, **changes):
    return FilteredMicrograph.of(working_image(particle_field(profile=profile, seed=seed, **changes).image, DIAMETER))


@pytest.mark.numerical
@pytest.mark.parametrize("true_share", [0.6, 0.9, 1.2])
def test_the_discs_size_is_found(true_share):
    def sized(r, diameter):
        return disc(r, true_share / 0.8 * diameter)

    best = search_template([field_of(sized, noise=0.5, distance=1.5, n=40)])
    assert best.template.disc_diameters == pytest.approx(true_share, abs=0.1)


@pytest.mark.numerical
def test_a_learned_profile_is_the_rings():
    profile = search_template([field_of(ring)]).template.profile
    radii = np.arange(len(profile)) / 32
    inside, on_ring, halo = (
        profile[(radii > a) & (radii < b)].mean() for a, b in ((0, 0.2), (0.35, 0.45), (0.52, 0.58))
    )
    assert on_ring > inside > halo


@pytest.mark.numerical
def test_particles_are_clearer_than_noise():
    particles, noise = (
        search_template([field_of()]),
        search_template([FilteredMicrograph.of(working_image(noise_field(), DIAMETER))]),
    )
    assert particles.skewness.typical > 20 * particles.skewness.noise_error
    assert noise.skewness.typical < 5 * noise.skewness.noise_error


@pytest.mark.numerical
def test_a_response_is_in_robust_standard_deviations():
    field = FilteredMicrograph.of(working_image(noise_field(), DIAMETER))
    response = standardised_response(field, Template(1.0))
    assert float(response.median()) == pytest.approx(0, abs=0.05)
    assert float(response.std()) == pytest.approx(1, abs=0.1)


@pytest.mark.numerical
def test_a_disc_and_its_own_profile_see_the_same_particles():
    field = field_of(noise=0.5)
    radii = np.arange(0, 0.75 + 1 / 32, 1 / 32)
    profile = (radii <= 0.4) - (radii > 0.4) * (radii <= 0.6) * 0.8
    one, other = field_peaks(field, Template(0.8)), field_peaks(field, Template(0.8, profile))
    apart = np.hypot(one.x[:50, None] - other.x[None, :60], one.y[:50, None] - other.y[None, :60])
    assert apart.min(1).max() < 1


@pytest.mark.numerical
def test_the_order_of_threads_does_not_matter():
    fields = [field_of(ring, seed=seed, shape=(300, 320), n=30) for seed in range(3)]
    one, two = search_template(fields, threads=1), search_template(fields, threads=2)
    assert one.skewness == two.skewness
    assert one.template.disc_diameters in DISC_DIAMETERS
    np.testing.assert_array_equal(one.template.profile, two.template.profile)


@pytest.mark.numerical
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_finds_the_same():
    image = particle_field(profile=ring).image
    here, there = (FilteredMicrograph.of(working_image(image, DIAMETER, torch.device(d))) for d in ("cpu", "cuda"))
    one, two = search_template([here]), search_template([there])
    assert one.template.disc_diameters == two.template.disc_diameters
    assert two.skewness.mean == pytest.approx(one.skewness.mean, rel=0.02)
