"""Heights of peaks beside those of decoys: known parts come back, and background alone has no particles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoglean.calibration.height_model import HeightModel, fit_height_model
from cryoglean.detect.mixture import HeightMixture
from examples import some

DECOYS = (1.8, 0.75)


def decoys(n, seed=0):
    return np.random.default_rng([1, seed]).normal(*DECOYS, n)


def heights(particles, beside, far, mean=3.8, seed=0):
    rng = np.random.default_rng([2, seed])
    parts = rng.normal(mean, 0.8, particles), rng.normal(1.0, 0.8, beside), rng.normal(*DECOYS, far)
    return np.concatenate(parts)


@pytest.mark.parametrize(("particles", "mean"), [(700, 3.8), (700, 7.0), (100, 5.0), (1500, 3.3)])
def test_known_parts_come_back(particles, mean):
    model = fit_height_model(heights(particles, 1200, 3000, mean), decoys(8000))
    found = model.particles.share * (particles + 4200)
    assert found == pytest.approx(particles, rel=0.25)
    assert model.particles.mean == pytest.approx(mean, abs=0.3)


@pytest.mark.parametrize("seed", range(4))
def test_background_alone_has_no_particle(seed):
    alone = heights(0, 0, 4000, seed=seed)
    assert fit_height_model(alone, decoys(8000, seed)).particles.share == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_field_with_particles_is_told_from_one_without_by_its_heights(seed):
    model = fit_height_model(heights(700, 1200, 3000), decoys(8000))
    full, half, empty = (heights(n, 2 * n, 300 - 3 * n, seed=seed + 50) for n in (50, 25, 0))
    ratios = [model.log_ratio_to_decoys(each) for each in (full, half, empty)]
    assert ratios[0] > ratios[1] > ratios[2]
    assert ratios[0] > 10 > -10 > ratios[2]
    assert model.log_ratio_to_decoys(full[:0]) == 0


def test_one_peak_beyond_all_others_does_not_tell_a_full_field():
    model = fit_height_model(heights(700, 1200, 3000), decoys(8000))
    empty = heights(0, 0, 300, seed=50)
    assert model.log_ratio_to_decoys(np.append(empty, 40.0)) < model.log_ratio_to_decoys(empty) + 15


@given(seed=st.integers(0, 99), particles=st.integers(0, 60), beside=st.integers(0, 60), mean=st.floats(-2, 30))
@settings(max_examples=some(20))
def test_what_is_higher_is_no_less_a_particle(seed, particles, beside, mean):
    seen = heights(particles, beside, 100, mean, seed)
    posterior = fit_height_model(seen, decoys(200, seed)).posterior(np.sort(seen))
    assert (np.diff(posterior) >= 0).all()
    assert ((posterior >= 0) & (posterior <= 1)).all()


@given(
    seen=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8),
    false=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8),
)
@settings(max_examples=some(30))
def test_any_heights_are_fitted_with_finite_numbers(seen, false):
    model = fit_height_model(np.array(seen), np.array(false))
    numbers = [*model.particles, *model.beside, model.lowest, model.background_mean, model.background_deviation]
    assert np.isfinite(numbers).all()
    assert np.isfinite(model.decoys).all()
    assert np.isfinite(model.posterior(np.array(seen))).all()


def test_all_densities_together_are_one():
    model = fit_height_model(heights(300, 500, 1500), decoys(4000))
    height = np.arange(-20, 30, 0.01)
    both = model.particles.density(height) + model.background(height)
    assert both.sum() * 0.01 == pytest.approx(1, abs=0.01)


def test_two_normal_densities_are_such_a_model():
    mixture = HeightMixture(0.3, 1.7, 0.6, 7.1, 1.2)
    model = HeightModel.of_normals(mixture)
    height = np.linspace(-1, 12, 200)
    np.testing.assert_allclose(model.background(height), mixture.background(height), atol=2e-3)
    np.testing.assert_allclose(model.posterior(height), mixture.posterior(height), atol=0.02)
    assert (model.background_mean, model.background_deviation) == pytest.approx((1.7, 0.6), abs=0.01)


@given(seed=st.integers(0, 99), particles=st.integers(0, 60), mean=st.floats(2, 9))
@settings(max_examples=some(20))
def test_scores_are_the_probabilities_and_tell_sure_peaks_apart(seed, particles, mean):
    seen = np.sort(heights(particles, 20, 100, mean, seed))
    model = fit_height_model(seen, decoys(200, seed))
    score = model.score(seen)
    np.testing.assert_allclose(score, model.posterior(seen), atol=1.01e-3)
    assert ((score >= 0) & (score <= 1)).all()
    higher = seen > model.decoy_mean
    assert (np.diff(score[higher]) > 0).all()


@given(seed=st.integers(0, 99), particles=st.integers(5, 60), mean=st.floats(3, 9))
@settings(max_examples=some(20))
def test_no_height_expects_a_better_f1(seed, particles, mean):
    seen = heights(particles, 20, 100, mean, seed)
    model = fit_height_model(seen, decoys(200, seed))
    probable = model.posterior(seen)

    def expected(height):
        kept = seen >= height
        return 2 * probable[kept].sum() / max(kept.sum() + probable.sum(), 1e-9)

    assert expected(model.best_height(seen)) == pytest.approx(max(map(expected, seen)), abs=0.02)


@pytest.mark.parametrize("fdr", [0.01, 0.05, 0.1, 0.3, 0.6])
def test_above_the_height_of_a_rate_that_share_of_the_peaks_is_false(fdr):
    particles, beside, far = 700, 1200, 3000
    model = fit_height_model(heights(particles, beside, far), decoys(8000))
    height = model.height_at_fdr(fdr)
    parts = heights(particles, 0, 0), heights(0, beside, 0), heights(0, 0, far)
    true, *false = ((part >= height).sum() for part in parts)
    assert sum(false) / (true + sum(false)) == pytest.approx(fdr, abs=0.04)


def test_a_smaller_rate_asks_for_higher_peaks_and_noise_reaches_none():
    model = fit_height_model(heights(700, 1200, 3000), decoys(8000))
    asked = [model.height_at_fdr(fdr) for fdr in (0.5, 0.2, 0.1, 0.01, 1e-4)]
    assert (np.diff(asked) > 0).all()
    assert np.isinf(fit_height_model(heights(0, 0, 4000), decoys(8000)).height_at_fdr(0.1))


def test_recall_first_keeps_more_than_the_best_f1_and_no_height_expects_a_better_f2():
    seen = heights(700, 1200, 3000)
    model = fit_height_model(seen, decoys(8000))
    height, probable = model.height_recall_first(), model.posterior(seen)
    assert height < model.best_height(seen)

    def f2(least):
        kept = seen >= least
        return 5 * probable[kept].sum() / (kept.sum() + 4 * probable.sum())

    assert f2(height) == pytest.approx(max(map(f2, np.quantile(seen, np.linspace(0.3, 1, 300)))), abs=0.01)
    assert np.isinf(fit_height_model(heights(0, 0, 4000), decoys(8000)).height_recall_first())
