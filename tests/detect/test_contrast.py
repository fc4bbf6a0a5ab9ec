"""What contrast particles of a height have, and what has another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.detect.contrast import ParticleContrast


def particles(n=4000, per_height=0.004, deviation=0.05, heights=(4.0, 9.0), seed=0):
    """Contrasts and heights of particles, by the law itself."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(*heights, n)
    return 0.5 * np.log(1 + per_height * height**2) + deviation * rng.standard_normal(n), height


def test_it_learns_the_law_that_particles_were_made_by_though_a_tenth_is_something_else():
    contrast, height = particles()
    assert ParticleContrast.of(contrast, height) == pytest.approx((0.004, 0.05), rel=0.05)
    contrast[::10] += 2
    assert ParticleContrast.of(contrast, height) == pytest.approx((0.004, 0.05), rel=0.25)


def test_particles_of_a_sharper_micrograph_are_alike_and_an_edge_of_the_same_contrast_is_not():
    known = ParticleContrast.of(*particles())
    contrast, height = particles(heights=(20.0, 25.0))
    assert known.matches_particle_contrast(contrast, height).mean() > 0.999
    assert known.matches_particle_contrast(contrast, np.full(len(contrast), 5.0)).mean() < 0.001


def test_where_heights_are_all_alike_it_plays_no_part_what_they_are():
    contrast, height = particles(heights=(6.0, 6.0))
    with_heights, without = ParticleContrast.of(contrast, height), ParticleContrast.of(contrast)
    assert without.deviation == pytest.approx(with_heights.deviation)
    probes = np.linspace(-0.5, 0.7, 200)
    alike = without.matches_particle_contrast(probes)
    assert alike.tolist() == with_heights.matches_particle_contrast(probes, np.full(200, 6.0)).tolist()
    assert 0 < alike.sum() < 200


def test_noise_has_neither_contrast_nor_law():
    known = ParticleContrast.of(*particles(per_height=-0.001, deviation=0.01))
    assert known.per_height == 0
    assert known.matches_particle_contrast(np.zeros(3), np.array([1.0, 10.0, 100.0])).all()


@pytest.mark.slow
@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(1, 50)), min_size=1, max_size=20), st.randoms())
def test_half_of_what_it_was_learned_from_is_alike_in_any_order(values, random):
    contrast, height = np.array(values).T
    known = ParticleContrast.of(contrast, height)
    assert known.matches_particle_contrast(contrast, height).mean() >= 0.5
    random.shuffle(values)
    assert ParticleContrast.of(*np.array(values).T) == known
