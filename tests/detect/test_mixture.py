"""The mixture of heights and the threshold: known parameters come back, and no threshold is better."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoglean.detect.mixture import (
    JAMMING_COVERAGE,
    MIN_HEIGHTS,
    HeightMixture,
    best_threshold,
    fit_height_mixture,
    max_particles,
)
from examples import some


def heights_of(n, share, background, particle, seed=0):
    rng, particles = np.random.default_rng(seed), int(n * share)
    return np.concatenate([rng.normal(*background, n - particles), rng.normal(*particle, particles)])


@pytest.mark.parametrize(
    ("share", "background", "particle"),
    [(0.3, (1.7, 0.6), (7.1, 1.2)), (0.05, (2.0, 0.8), (8.0, 1.0)), (0.5, (0.0, 1.0), (5.0, 0.5))],
)
def test_known_parameters_come_back(share, background, particle):
    fit = fit_height_mixture(heights_of(20_000, share, background, particle), 20_000)
    np.testing.assert_allclose(fit, (share, *background, *particle), atol=0.1)


@given(capacity=st.floats(0.1, 500), seed=st.integers(0, 99))
@settings(max_examples=some(30))
def test_there_are_never_more_particles_than_there_is_room_for(capacity, seed):
    heights = heights_of(400, 0.4, (2.0, 0.8), (3.0, 1.0), seed)
    fit = fit_height_mixture(heights, capacity)
    assert 0 < fit.particle_share <= max(capacity, 1) / 400 + 1e-12
    assert np.isfinite(fit).all()
    assert fit.particle_mean > fit.background_mean


@given(heights=st.lists(st.floats(-5, 20), min_size=MIN_HEIGHTS, max_size=12), capacity=st.floats(0.01, 30))
def test_any_few_heights_are_fitted_with_finite_numbers(heights, capacity):
    values = np.array(heights)
    fit = fit_height_mixture(values, capacity)
    posterior = fit.posterior(values)
    assert np.isfinite(fit).all()
    assert ((posterior >= 0) & (posterior <= 1)).all()
    assert (values >= best_threshold(values, posterior)).any()


def test_the_posterior_is_nothing_low_and_certain_high():
    fit = HeightMixture(0.3, 2.0, 3.0, 6.0, 0.5)  # a background wider than the particles
    np.testing.assert_array_equal(fit.posterior(np.array([-50.0, 2.0, 7.5, 50.0])), [0, 0, 1, 1])
    assert fit.posterior(np.array([6.0]))[0] > 0.5


@given(
    data=st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 1)), min_size=1, max_size=30, unique_by=lambda pair: pair[0])
)
def test_no_threshold_expects_a_better_f1(data):
    heights, posterior = np.array(data).T

    def expected_f1(kept):
        return 2 * posterior[kept].sum() / (kept.sum() + posterior.sum())

    threshold = best_threshold(heights, posterior)
    best = max(expected_f1(heights >= h) for h in heights)
    assert expected_f1(heights >= threshold) == pytest.approx(best)


def test_the_threshold_lies_between_heights():
    assert best_threshold(np.array([5.0, 4.0, 1.0, 0.5]), np.array([1.0, 1.0, 0.0, 0.0])) == 2.5


def test_discs_at_random_cover_no_more_than_the_jamming_limit():
    assert max_particles(1e6, 20.0) * np.pi * 10**2 == pytest.approx(JAMMING_COVERAGE * 1e6)
