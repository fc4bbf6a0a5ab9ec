"""The direction that sets particles apart: scikit-learn's, scaled to unit scatter, wherever the space's axes lie."""

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from cryoglean.latents.discriminant import SHRINKAGE, discriminant

pytestmark = pytest.mark.numerical


def two_kinds(n=80, m=80, d=6, seed=0):
    """Points of unequal spread along mixed axes, and two means."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((d, d)) * np.linspace(0.2, 3, d)
    particles = rng.standard_normal((n, d)) @ mixing + rng.standard_normal(d)
    background = 1.3 * rng.standard_normal((m, d)) @ mixing
    return torch.from_numpy(particles), torch.from_numpy(background)


def scatter(*kinds):
    """Mean covariance with the share of its mean variance added."""
    mean = np.mean([np.cov(points.numpy().T) for points in kinds], axis=0)
    return mean + SHRINKAGE * np.trace(mean) / len(mean) * np.eye(len(mean))


def cosine(a, b):
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("solver", ["lsqr", "eigen"])
@pytest.mark.parametrize(("n", "d"), [(80, 6), (200, 40), (20, 30)])
def test_it_is_scikit_learns_direction(solver, n, d):
    kinds = two_kinds(n, n, d)
    labels = np.repeat([1, 0], n)
    # theirs mixes, (1 - s) S + s I, where ours adds, S + SHRINKAGE I: the same direction
    theirs = LinearDiscriminantAnalysis(solver=solver, shrinkage=SHRINKAGE / (1 + SHRINKAGE))
    wanted = theirs.fit(torch.cat(kinds).numpy(), labels).coef_[0]
    assert cosine(discriminant(*kinds).numpy(), wanted) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(80, 80, 6), (30, 500, 12), (2, 2, 3)])
def test_it_solves_for_the_difference_of_the_means_and_has_unit_scatter(n, m, d):
    kinds = two_kinds(n, m, d)
    found, within = discriminant(*kinds).numpy(), scatter(*kinds)
    apart = (kinds[0].mean(0) - kinds[1].mean(0)).numpy()
    assert cosine(within @ found, apart) == pytest.approx(1, abs=1e-9)
    assert found @ within @ found == pytest.approx(1)
    assert found @ apart > 0


def test_a_shift_of_all_points_changes_nothing():
    particles, background = two_kinds()
    shifted = discriminant(particles + 37.5, background + 37.5)
    torch.testing.assert_close(shifted, discriminant(particles, background))


def test_the_direction_turns_with_the_space():
    particles, background = two_kinds()
    turn = torch.from_numpy(ortho_group.rvs(6, random_state=1))
    torch.testing.assert_close(
        discriminant(particles @ turn, background @ turn), discriminant(particles, background) @ turn
    )


def test_of_stretched_points_the_projections_stay():
    particles, background = two_kinds()
    torch.testing.assert_close(4 * discriminant(4 * particles, 4 * background), discriminant(particles, background))


def test_swapped_kinds_turn_it_round():
    particles, background = two_kinds()
    torch.testing.assert_close(discriminant(background, particles), -discriminant(particles, background))


def test_equal_points_or_equal_kinds_have_no_direction():
    same = torch.full((5, 3), 2.5)
    assert torch.equal(discriminant(same, same), torch.zeros(3, dtype=torch.float64))
    particles, _ = two_kinds()
    assert torch.equal(discriminant(particles, particles), torch.zeros(6, dtype=torch.float64))


def test_a_coordinate_that_never_changes_is_harmless():
    particles, background = (torch.cat([p, torch.ones(len(p), 1)], dim=1) for p in two_kinds())
    found = discriminant(particles, background)
    assert found[-1] == 0
    assert torch.isfinite(found).all()
